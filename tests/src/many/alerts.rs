//! What a server finds of it: P, and the alerts with their evidence.

use super::*;

impl Story {
    pub(super) fn verdict(&self, signal: Signal, at_ns: u64) -> Verdict {
        let at = at_ns / INTERVAL * INTERVAL;
        let heard = self.names.iter().filter(|name| *name != SILENT && *name != BORN);
        let mut ratios: Vec<f64> = heard
            .map(|name| {
                let of = self.condition(name, at);
                if signal == Signal::Block { of.disk } else { of.cpu }
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let (p, shift) = (ratios.iter().sum::<f64>() / ratios.len() as f64, ratios[ratios.len() / 2]);
        Verdict { p, shift, unevenness: p / shift, nodes: ratios.len() as u64 }
    }

    /// The index as far as an alert's evidence wants it.
    pub(super) fn index(&self, signal: Signal, node: &str, window: &Window, ratio: f64) -> Index {
        let n = self.names.len() as f64 - 2.0;
        let observed = kpulse::index::observe(signal, window).unwrap_or_default();
        let (seconds, requests) =
            observed.values().fold((0.0, 0), |sum, load| (sum.0 + load.seconds, sum.1 + load.requests));
        let expected = seconds / ratio;
        let part = |(part, load): (Part, Load)| {
            let slow = if part.device == "sda" || signal == Signal::RunQueue { ratio } else { 1.02 };
            let expected_seconds = load.seconds / slow;
            let contribution = (load.seconds - expected_seconds) / expected / n;
            Contribution { part, load, expected_seconds, contribution }
        };
        let mut parts: Vec<_> = observed.into_iter().map(part).collect();
        parts.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
        let of = |name: &str, ratio: f64, parts: Vec<Contribution>| NodeIndex {
            node: name.into(),
            standing: Standing::Judged,
            requests,
            mean_seconds: Some(seconds / requests.max(1) as f64),
            expected_seconds: Some(expected / requests.max(1) as f64),
            ratio: Some(ratio),
            contribution: Some((ratio - 1.0) / n),
            left_out: Load::default(),
            parts,
        };
        let others = self.names.iter().filter(|name| *name != node && *name != SILENT && *name != BORN);
        let nodes = std::iter::once(of(node, ratio, parts)).chain(others.map(|name| {
            let stratum = Stratum { class: Class::Ssd, operation: 0, size: 0 };
            let own = self.condition(name, window.end_realtime_ns);
            let ratio = if signal == Signal::Block { own.disk } else { own.cpu };
            let contribution = (ratio - 1.0) / n;
            let part = Part { device: "sda".into(), stratum };
            of(
                name,
                ratio,
                vec![Contribution {
                    part,
                    load: Load { requests: 900, seconds: 0.4 * ratio },
                    expected_seconds: 0.4,
                    contribution,
                }],
            )
        }));
        Index {
            signal,
            mode: Mode::Trailing,
            verdict: Some(self.verdict(signal, window.end_realtime_ns)),
            nodes: nodes.collect(),
        }
    }

    pub(super) fn alert_of(
        &self,
        node: &str,
        signal: Signal,
        rule: &str,
        severity: Severity,
        ago_ns: u64,
    ) -> Arc<Alert> {
        let began = self.backup_ns + 4 * MINUTE;
        let (before, during) = (self.minute(node, self.backup_ns - MINUTE), self.minute(node, began + 2 * MINUTE));
        let own = self.condition(node, during.end_realtime_ns);
        let ratio = if signal == Signal::Block { own.disk } else { own.cpu };
        let labels = [("alertname", rule), ("severity", severity.name()), ("node", node), ("signal", signal.name())];
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let subject = Subject { signal: "node_ratio".into(), labels: labels.clone(), mode: Mode::Trailing };
        let evidence = gather(Some(&before), &during, &[self.index(signal, node, &during, ratio)], &subject);
        let mut annotations = evidence.annotations(&subject);
        let what = if signal == Signal::Block { "Block requests" } else { "Waits for a CPU" };
        annotations.insert("summary".into(), format!("{what} take {ratio:.1} times as long as usual on this node"));
        Arc::new(Alert {
            id: format!(
                "{:016x}",
                node.bytes().fold(ago_ns, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
            ),
            rule: rule.into(),
            labels,
            annotations,
            severity,
            state: State::Firing,
            pending_ns: began,
            fired_ns: Some(began + 2 * MINUTE),
            resolved_ns: None,
            value: ratio,
            threshold: 3.0,
            pending_evidence: None,
            firing_evidence: Some(Arc::new(evidence)),
        })
    }

    pub(super) fn silent_alert(&self) -> Arc<Alert> {
        let labels = [("alertname", "NodeAgentDown"), ("severity", "critical"), ("node", SILENT)];
        Arc::new(Alert {
            id: "5117e27000000000".into(),
            rule: "NodeAgentDown".into(),
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            annotations: BTreeMap::from([("summary".into(), "No report has come for two minutes".into())]),
            severity: Severity::Critical,
            state: State::Firing,
            pending_ns: self.backup_ns + MINUTE,
            fired_ns: Some(self.backup_ns + 2 * MINUTE),
            resolved_ns: None,
            value: 120.0,
            threshold: 60.0,
            pending_evidence: None,
            firing_evidence: None,
        })
    }

    pub(super) fn alerts_now(&self) -> &[Arc<Alert>] {
        self.alerts.get_or_init(|| self.make_alerts())
    }

    pub(super) fn make_alerts(&self) -> Vec<Arc<Alert>> {
        let pending = self.alert_of("db-05", Signal::Block, "NodeOutlier", Severity::Warning, 3);
        let pending = Alert { state: State::Pending, fired_ns: None, ..pending.as_ref().clone() };
        vec![
            self.alert_of(SLOW, Signal::Block, "NodeOutlier", Severity::Critical, 1),
            self.alert_of(NOISY, Signal::RunQueue, "NodeOutlier", Severity::Warning, 2),
            self.silent_alert(),
            Arc::new(pending),
        ]
    }

    /// Alerts that are over: one each two hours.
    pub(super) fn alerts_over(&self) -> impl Iterator<Item = Arc<Alert>> {
        let like = self.silent_alert();
        let begin = self.backup_ns;
        (1..=9u64).map(move |i| {
            let node = format!("cache-{:02}", i % 6 + 1);
            let mut labels = like.labels.clone();
            labels.insert("node".into(), node);
            let at = begin - i * 2 * HOUR;
            Arc::new(Alert {
                id: format!("0ld{i:013}"),
                labels,
                state: State::Resolved,
                pending_ns: at,
                fired_ns: Some(at + MINUTE),
                resolved_ns: Some(at + 7 * MINUTE),
                ..like.as_ref().clone()
            })
        })
    }
}
