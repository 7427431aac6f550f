//! A fleet that does not exist, as a server would show it: forty nodes, one of which has a backup fill its disk, one a noisy
//! neighbour on its CPUs, one silent, one just born, and one whose name is an attack.
//!
//! In: a seed and a clock. Out: a [`Source`]. What a node did in an interval follows from its name, the seed and the interval, so any
//! part of the past can be asked for, and the same question has the same answer. The unit tests of `monitor-user` include
//! this file too.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use kpulse::{
    alert::{Alert, Severity, State},
    evidence::{Subject, gather},
    host::Class,
    index::{Contribution, Index, Load, Mode, NodeIndex, Part, Signal, Standing, Stratum, Verdict},
    report::{
        merge, view,
        wire::{self, Report},
    },
    site::{
        Source,
        model::{AgentUse, AlertLine, Fleet, IndexNow, IndexPoint, Judged, Node, NodeDetail, Presence},
        source::{AlertPage, Span, Unreadable},
    },
    store::{After, AlertFilter},
    window::{Options, Times, Window},
};
use monitor_common::histogram::{BOUNDS, BUCKETS};

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
/// 2026-11-23 03:12:40 UTC: somebody has been woken.
const NIGHT: u64 = 1_795_403_560 * SECOND;
/// How long an interval is.
const INTERVAL: u64 = 10 * SECOND;
/// The oldest that is kept.
const KEPT: u64 = 24 * HOUR;
/// For how long the backup has been running.
const BACKUP_AGE: u64 = 26 * MINUTE;
/// A name that would run a script if it could.
pub const HOSTILE: &str = "<script>alert(1)</script>\u{1b}[31m\u{202e}";
/// The node whose disk is slow.
pub const SLOW: &str = "db-03";
/// The node whose tasks wait for a CPU.
pub const NOISY: &str = "web-07";
/// The node that has gone.
pub const SILENT: &str = "web-09";
const BORN: &str = "batch-05";

/// The fleet.
pub struct Story {
    seed: u64,
    /// A fixed moment; the real clock without one.
    at_ns: Option<u64>,
    /// When the backup began.
    backup_ns: u64,
    names: Vec<String>,
    /// Made once: each has evidence.
    alerts: OnceLock<Vec<Arc<Alert>>>,
}

/// What a node is in one interval.
struct Condition {
    /// Requests take so many times as long as usual.
    disk: f64,
    /// Waits do.
    cpu: f64,
    /// How busy its CPUs are.
    busy: f64,
}

impl Story {
    /// At a fixed moment.
    pub fn new(seed: u64) -> Self {
        Self::at(seed, Some(NIGHT))
    }

    /// Now, and going on.
    pub fn live(seed: u64) -> Self {
        Self::at(seed, None)
    }

    fn at(seed: u64, at_ns: Option<u64>) -> Self {
        let group = |name: &'static str, n: usize| (1..=n).map(move |i| format!("{name}-{i:02}"));
        let names = group("db", 8).chain(group("web", 20)).chain(group("cache", 6)).chain(group("batch", 5));
        let mut story = Self {
            seed,
            at_ns,
            backup_ns: 0,
            names: names.chain([HOSTILE.to_owned()]).collect(),
            alerts: OnceLock::new(),
        };
        story.backup_ns = story.now_ns() - BACKUP_AGE;
        story
    }

    /// In 0..1, of a node, a moment and a purpose.
    fn share(&self, node: &str, at_ns: u64, purpose: u64) -> f64 {
        let text = node
            .bytes()
            .fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        // SplitMix64's finaliser (Steele, Lea, Flood 2014).
        let z = (text ^ at_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03))
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About a number, by a part more or less.
    fn about(&self, node: &str, at_ns: u64, purpose: u64, number: f64, part: f64) -> f64 {
        number * (1.0 - part + 2.0 * part * self.share(node, at_ns, purpose))
    }

    fn condition(&self, node: &str, at_ns: u64) -> Condition {
        let since = at_ns.saturating_sub(self.backup_ns) as f64 / MINUTE as f64;
        // It grows over three minutes, and swings.
        let grown = (since / 3.0).min(1.0) * (1.0 + 0.15 * (since / 2.2).sin());
        let day = 0.5 + 0.3 * ((at_ns / SECOND) as f64 / 2400.0).sin();
        let calm = self.about(node, at_ns, 1, 1.0, 0.05);
        match node {
            SLOW => Condition { disk: calm * (1.0 + 8.0 * grown), cpu: calm, busy: 0.25 + 0.15 * grown },
            "db-05" => Condition { disk: calm * (1.0 + 1.1 * grown), cpu: calm, busy: 0.3 },
            NOISY => Condition { disk: calm, cpu: calm * (1.0 + 1.6 * grown), busy: 0.55 + 0.4 * grown.min(1.0) },
            _ => Condition {
                disk: calm,
                cpu: self.about(node, at_ns, 2, 1.0, 0.06),
                busy: self.about(node, at_ns, 3, 0.6 * day, 0.2),
            },
        }
    }

    fn cpus(&self, node: &str) -> u32 {
        match node.split('-').next() {
            Some("db") => 16,
            Some("batch") => 32,
            _ => 8,
        }
    }

    /// What a node did in the interval that ends then.
    pub fn report(&self, node: &str, end_ns: u64, length_ns: u64) -> Report {
        let now = self.condition(node, end_ns);
        let seconds = length_ns as f64 / 1e9;
        let about = |purpose, number: f64| self.about(node, end_ns, purpose, number, 0.12);
        let cpus = (0..self.cpus(node)).map(|cpu| {
            // Work is not spread evenly, and moves.
            let swing = 0.35 * (end_ns as f64 / 1e9 / 130.0 + f64::from(cpu) * 1.7).sin();
            let busy =
                (self.about(node, end_ns, 100 + u64::from(cpu), now.busy + swing * now.busy, 0.25)).clamp(0.01, 1.0);
            let busy_ns = (busy * length_ns as f64) as u64;
            wire::Cpu {
                cpu,
                busy_ns,
                idle_ns: length_ns - busy_ns,
                switches: (2000.0 * busy * seconds) as u64,
                offline: false,
            }
        });
        let cpus: Vec<_> = cpus.collect();
        let switches = cpus.iter().map(|cpu| cpu.switches).sum();
        let wait = histogram(&[
            (9e-6 * now.cpu, 0.9, about(4, 9000.0) * seconds),
            (1.8e-3 * now.cpu * now.cpu, 0.8, 60.0 * seconds * now.cpu),
        ]);
        let mut devices = vec![self.device(node, "nvme0n1", wire::Class::Nvme, end_ns, seconds, (70e-6, 40e-6), &now)];
        if node.starts_with("db") || node.starts_with("batch") {
            devices.push(self.device(node, "sda", wire::Class::Ssd, end_ns, seconds, (480e-6, 420e-6), &now));
        }
        let stalled = |share: f64| (share * length_ns as f64) as u64;
        let io = ((now.disk - 1.0) * 0.08).clamp(0.002, 0.9);
        let pressure =
            [("cpu", (now.cpu - 0.9) * 0.15), ("io", io), ("memory", 0.0)].map(|(resource, share)| wire::Pressure {
                resource: resource.into(),
                some_ns: Some(stalled(share.clamp(0.0, 1.0))),
                full_ns: Some(stalled(share.clamp(0.0, 1.0) / 3.0)),
            });
        let gib = 1u64 << 30;
        let total = if node.starts_with("db") { 128 * gib } else { 32 * gib };
        let filesystem = |mount: &str, source: &str, size: u64, left: f64| wire::Filesystem {
            mount: mount.into(),
            source: source.into(),
            kind: "xfs".into(),
            size: size * gib,
            free: (left * (size * gib) as f64) as u64,
            available: (left * (size * gib) as f64) as u64,
            files: 1 << 24,
            files_free: 1 << 23,
            ..wire::Filesystem::default()
        };
        let ill = now.disk > 1.6 || now.cpu > 1.5;
        Report {
            sequence: end_ns / INTERVAL % 100_000,
            end_ns,
            length_ns,
            sched: Some(wire::Sched { cpus, wait, switches, preemptions: switches / 5, discards: 0 }),
            block: Some(wire::Block { devices, discards: 0, resets: 0 }),
            host: Some(wire::Host {
                cpu_modes_ns: Vec::new(),
                pressure: pressure.to_vec(),
                memory: Some(wire::Memory {
                    total,
                    free: total / 10,
                    available: (about(6, 0.55) * total as f64) as u64,
                    ..wire::Memory::default()
                }),
                load: vec![now.busy * f64::from(self.cpus(node)), 2.1, 1.9],
                filesystems: vec![
                    filesystem("/", "/dev/nvme0n1p2", 100, 0.4),
                    filesystem("/var/lib/data", "/dev/sda", 900, 0.18),
                ],
                networks: vec![wire::Network {
                    name: "eth0".into(),
                    receive_bytes: (about(7, 3e6) * seconds) as u64,
                    transmit_bytes: (about(8, 9e6) * seconds) as u64,
                    receive_packets: 4000,
                    transmit_packets: 9000,
                    faults: 0,
                }],
                uptime_ns: 41 * 24 * HOUR + end_ns.saturating_sub(self.backup_ns),
            }),
            tasks: ill.then(|| self.tasks(node, end_ns, seconds, &now)),
            events: (0..3)
                .map(|kind| wire::Events {
                    kind,
                    seen: u64::from(kind == 1 && now.disk > 8.0 && self.share(node, end_ns, 9) > 0.7),
                    dropped: 0,
                })
                .collect(),
            own: Some(wire::Own {
                cpu_ns: Some((0.0021 * length_ns as f64) as u64),
                resident_bytes: Some(19 << 20),
                map_bytes: Some(3 << 20),
                agreement: vec![wire::Agreement { figure: "run_delay".into(), ratio: 0.9998 }],
                ..wire::Own::default()
            }),
            alerts: Vec::new(),
            metadata: None,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a device is all of these")]
    fn device(
        &self,
        node: &str,
        name: &str,
        class: wire::Class,
        end_ns: u64,
        seconds: f64,
        usual: (f64, f64),
        now: &Condition,
    ) -> wire::Device {
        let hit = name == "sda" && (node == SLOW || node == "db-05");
        let slow = if hit { now.disk } else { 1.0 + (now.disk - 1.0).min(0.1) };
        let operations =
            [(0u32, usual.0, 220.0, 16_384.0), (1, usual.1, if hit { 160.0 + 60.0 * slow } else { 160.0 }, 65_536.0)];
        let operations = operations.map(|(operation, mean, rate, bytes)| {
            let rate = self.about(node, end_ns, 20 + u64::from(operation), rate, 0.15) * seconds;
            let (queue, device) = (mean * (slow * slow.sqrt() - 0.9).max(0.05) * 0.5, mean * (0.9 + 0.1 * slow));
            let total = histogram(&[(queue + device, 0.55, rate * 0.97), ((queue + device) * 9.0, 0.6, rate * 0.03)]);
            let (n, sum_ns) = total.as_ref().map_or((0, 0), |times| (times.counts.iter().sum::<u64>(), times.sum_ns));
            let queue_ns = (sum_ns as f64 * queue / (queue + device)) as u64;
            let part = |share: f64| {
                histogram(&[
                    ((queue + device) * share, 0.55, rate * 0.97),
                    ((queue + device) * share * 9.0, 0.6, rate * 0.03),
                ])
            };
            wire::Operation {
                operation,
                sizes: vec![wire::Size {
                    size: 3,
                    requests: n,
                    bytes: (n as f64 * bytes) as u64,
                    timed: n,
                    queue_ns,
                    device_ns: sum_ns - queue_ns,
                }],
                queue: part(queue / (queue + device)),
                device: part(device / (queue + device)),
                total,
                errors: Vec::new(),
            }
        });
        let number = if name == "sda" { 8 << 20 } else { 259 << 20 };
        let in_flight = if hit { (4.0 * slow) as u64 } else { 1 };
        let oldest_ns = if hit { (0.03 * slow * 1e9) as u64 } else { 900_000 };
        wire::Device {
            name: name.into(),
            number,
            class: class as i32,
            source: wire::Source::Requests as i32,
            in_flight,
            oldest_ns,
            operations: operations.to_vec(),
        }
    }

    fn tasks(&self, node: &str, end_ns: u64, seconds: f64, now: &Condition) -> wire::Tasks {
        let mib = |n: f64| (n * 1048576.0 * seconds) as u64;
        let used = |cpu: f64, wait: f64, read: f64, write: f64| wire::Use {
            cpu_ns: (self.about(node, end_ns, 40, cpu, 0.1) * seconds * 1e9) as u64,
            wait_ns: (wait * seconds * 1e9) as u64,
            read_bytes: mib(read),
            write_bytes: mib(write),
            switches: 100,
        };
        let all: Vec<(u32, &str, &str, wire::Use)> = match node {
            NOISY => vec![
                (911, "ffmpeg", "/user.slice/user-1000.slice/render.scope", used(3.6 * now.busy, 0.4, 2.0, 8.0)),
                (410, "nginx", "/system.slice/nginx.service", used(1.1, 2.3 * now.cpu, 0.1, 0.4)),
                (415, "php-fpm", "/system.slice/php-fpm.service", used(0.9, 1.9 * now.cpu, 0.2, 0.1)),
            ],
            _ => vec![
                (4242, "restic", "/system.slice/backup.service", used(0.7, 0.1, 190.0, 4.0)),
                (1310, "postgres", "/system.slice/postgresql.service", used(2.2, 0.3, 9.0, 22.0)),
                (1311, "postgres", "/system.slice/postgresql.service", used(1.4, 0.2, 6.0, 3.0)),
            ],
        };
        let sum = all.iter().fold(wire::Use::default(), |sum, (.., of)| wire::Use {
            cpu_ns: sum.cpu_ns + of.cpu_ns,
            wait_ns: sum.wait_ns + of.wait_ns,
            read_bytes: sum.read_bytes + of.read_bytes,
            write_bytes: sum.write_bytes + of.write_bytes,
            switches: sum.switches + of.switches,
        });
        let top = all.iter().map(|(pid, comm, cgroup, of)| wire::TaskUse {
            pid: *pid,
            tgid: *pid,
            comm: (*comm).into(),
            cgroup: (*cgroup).into(),
            kernel: false,
            used: Some(*of),
            cgroup_number: u64::from(*pid),
        });
        let cgroups = all.iter().map(|(pid, _, cgroup, of)| wire::CgroupUse {
            path: (*cgroup).into(),
            tasks: 1,
            used: Some(*of),
            number: u64::from(*pid),
        });
        wire::Tasks {
            count: 312,
            top: top.collect(),
            total: Some(sum),
            ended_cpu_ns: Some(10_000_000),
            ended_wait_ns: Some(1_000_000),
            cgroups: cgroups.collect(),
            active_cgroups: 3,
            kernel: None,
            resets: 0,
        }
    }

    /// The minute that ends then.
    fn minute(&self, node: &str, end_ns: u64) -> Window {
        let end = end_ns / INTERVAL * INTERVAL;
        let mut sum = self.report(node, end - 5 * INTERVAL, INTERVAL);
        (0..5).rev().for_each(|ago| merge::add(&mut sum, &self.report(node, end - ago * INTERVAL, INTERVAL)));
        view::window(&sum, &Options::default())
    }

    fn judged(&self, node: &str, at_ns: u64, ratio: f64, usual: f64, requests: f64) -> Judged {
        let learning = node == BORN;
        Judged {
            standing: if learning { Standing::Learning } else { Standing::Judged },
            ratio: (!learning).then_some(ratio),
            contribution: (!learning).then(|| (ratio - 1.0) / (self.names.len() - 2) as f64),
            mean_seconds: Some(usual * ratio),
            expected_seconds: (!learning).then_some(usual),
            requests: self.about(node, at_ns, 60, requests, 0.1) as u64,
        }
    }

    fn summary(&self, name: &str) -> Node {
        let now = self.now_ns() / INTERVAL * INTERVAL;
        let silent = name == SILENT;
        let of = self.condition(name, now);
        let firing = self
            .alerts_now()
            .iter()
            .filter(|alert| alert.labels.get("node").is_some_and(|node| node == name) && alert.state == State::Firing)
            .count();
        Node {
            name: name.into(),
            presence: if silent { Presence::Silent } else { Presence::Reporting },
            heard_ns: if silent { self.backup_ns } else { now },
            block: (!silent).then(|| self.judged(name, now, of.disk, 118e-6, 24_000.0)),
            run_queue: (!silent).then(|| self.judged(name, now, of.cpu, 21e-6, 560_000.0)),
            utilization: (!silent).then_some(of.busy),
            wait_p99: (!silent).then_some(1.9e-3 * of.cpu * of.cpu),
            request_p99: (!silent).then_some(2.7e-3 * of.disk),
            cpus: Some(self.cpus(name)),
            memory_bytes: Some(if name.starts_with("db") { 128 << 30 } else { 32 << 30 }),
            kernel: Some("6.12.57-amd64".into()),
            agent_version: Some("0.1.0".into()),
            firing: firing as u64,
        }
    }

    fn verdict(&self, signal: Signal, at_ns: u64) -> Verdict {
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
    fn index(&self, signal: Signal, node: &str, window: &Window, ratio: f64) -> Index {
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

    fn alert_of(&self, node: &str, signal: Signal, rule: &str, severity: Severity, ago_ns: u64) -> Arc<Alert> {
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

    fn silent_alert(&self) -> Arc<Alert> {
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

    fn alerts_now(&self) -> &[Arc<Alert>] {
        self.alerts.get_or_init(|| self.make_alerts())
    }

    fn make_alerts(&self) -> Vec<Arc<Alert>> {
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
    fn alerts_over(&self) -> impl Iterator<Item = Arc<Alert>> {
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

impl Source for Story {
    fn now_ns(&self) -> u64 {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(NIGHT, |since| since.as_nanos() as u64);
        self.at_ns.unwrap_or_else(clock)
    }

    fn fleet(&self) -> Fleet {
        let now = self.now_ns() / INTERVAL * INTERVAL;
        let n = self.names.len() as u64;
        let index = |&signal: &Signal| IndexNow {
            signal,
            mode: Mode::Trailing,
            verdict: Some(self.verdict(signal, now)),
            standings: BTreeMap::from([("judged".into(), n - 2), ("learning".into(), 1)]),
        };
        let window = self.minute(SLOW, now);
        let times = |times: Option<Times>| {
            times.map(|times| Times { count: times.count * n, sum: times.sum * n as f64, ..times })
        };
        let total = window.block.as_ref().and_then(|block| block.devices.last()?.operations.last()?.total);
        Fleet {
            at_ns: now,
            nodes: BTreeMap::from([("reporting".into(), n - 1), ("silent".into(), 1)]),
            indices: Signal::ALL.iter().map(index).collect(),
            request: times(total),
            wait: times(window.sched.and_then(|sched| sched.wait)),
        }
    }

    fn nodes(&self) -> Vec<Node> {
        self.names.iter().map(|name| self.summary(name)).collect()
    }

    fn node(&self, name: &str) -> Option<NodeDetail> {
        let name = self.names.iter().find(|known| *known == name)?;
        let node = self.summary(name);
        let heard = node.heard_ns;
        let own = self.report(name, heard, INTERVAL).own;
        let about = |alert: &&Arc<Alert>| alert.labels.get("node") == Some(name);
        let mut alerts: Vec<_> =
            self.alerts_now().iter().filter(about).map(|alert| AlertLine::from(alert.as_ref())).collect();
        if name == SLOW {
            let active = wire::ActiveAlert {
                id: "a".into(),
                rule: "BlockReadsSlow".into(),
                severity: Severity::Warning as u32,
                firing: true,
                since_ns: self.backup_ns + 5 * MINUTE,
                summary: "Reads of sda on db-03 are slow".into(),
            };
            alerts.push(AlertLine::of_agent(name, &active));
        }
        Some(NodeDetail {
            node,
            boot_id: "6f1de2f1-9b34-4a2f-8d4e-3b1d1c0a7f55".into(),
            instance: self.backup_ns - 5 * HOUR,
            sequence: heard / INTERVAL % 100_000,
            lost: 0,
            uptime_seconds: Some(41 * 86_400 + 3 * 3600),
            url: (name == SLOW).then(|| "https://db-03.example:9466/".into()),
            window: Some(self.minute(name, heard)),
            agent: own.map(|own| AgentUse::of(&own, INTERVAL)),
            alerts,
        })
    }

    fn active_alerts(&self) -> Vec<Arc<Alert>> {
        self.alerts_now().to_vec()
    }

    fn alerts(&self, filter: &AlertFilter, after: Option<&After>, limit: usize) -> Result<AlertPage, Unreadable> {
        let label = |alert: &Alert, name: &str, asked: &Option<String>| {
            asked.as_ref().is_none_or(|asked| alert.labels.get(name).is_some_and(|value| value == asked))
        };
        let takes = |alert: &Arc<Alert>| {
            (filter.states.is_empty() || filter.states.contains(&alert.state))
                && filter.severity.is_none_or(|least| alert.severity >= least)
                && label(alert, "node", &filter.node)
                && label(alert, "alertname", &filter.rule)
        };
        let place = |alert: &Alert| After { begun_ns: alert.pending_ns, id: alert.id.clone() };
        let mut all: Vec<_> = self.alerts_now().iter().cloned().chain(self.alerts_over()).filter(takes).collect();
        let key = |alert: &Arc<Alert>| std::cmp::Reverse((alert.pending_ns, alert.id.clone()));
        all.sort_by_key(key);
        let before =
            |alert: &Arc<Alert>| after.is_none_or(|after| (alert.pending_ns, &alert.id) < (after.begun_ns, &after.id));
        let mut items: Vec<_> = all.into_iter().filter(before).take(limit + 1).collect();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|alert| place(alert));
        Ok(AlertPage { items, next })
    }

    fn alert(&self, id: &str) -> Result<Option<Arc<Alert>>, Unreadable> {
        Ok(self.alerts_now().iter().cloned().chain(self.alerts_over()).find(|alert| alert.id == id))
    }

    fn index_series(&self, signal: Signal, mode: Option<Mode>, span: Span) -> Result<Vec<IndexPoint>, Unreadable> {
        if mode.is_some_and(|mode| mode != Mode::Trailing) {
            return Ok(Vec::new());
        }
        let now = self.now_ns();
        let ends = (0..span.steps()).map(|step| span.end_of(step)).filter(|&end| end <= now && end + KEPT > now);
        Ok(ends.map(|at_ns| IndexPoint { at_ns, verdict: self.verdict(signal, at_ns) }).collect())
    }

    fn reports(&self, node: &str, span: Span) -> Result<Vec<Report>, Unreadable> {
        if !self.names.iter().any(|name| name == node) {
            return Ok(Vec::new());
        }
        let last = if node == SILENT { self.backup_ns } else { self.now_ns() };
        let (from, to) = (span.from_ns.max(last.saturating_sub(KEPT)), span.to_ns.min(last));
        let length = (span.step_ns / INTERVAL).max(1) * INTERVAL;
        let ends = (from / length + 1..=to / length).map(|n| n * length);
        Ok(ends.map(|end| self.report(node, end, length)).collect())
    }
}

/// Log-normal times: each with its median in seconds, its spread, and how many there are.
fn histogram(parts: &[(f64, f64, f64)]) -> Option<wire::Histogram> {
    let mut out = wire::Histogram::default();
    let mut before = 0;
    let middle = |bucket: usize| (BOUNDS[bucket - 1] as f64 * BOUNDS[bucket] as f64).sqrt() / 1e9;
    for bucket in 1..BUCKETS - 1 {
        let of = |&(median, spread, n): &(f64, f64, f64)| {
            let z = (middle(bucket) / median).ln() / spread;
            // A bucket is an eighth of a power of two wide.
            n * (-z * z / 2.0).exp() * (std::f64::consts::LN_2 / 8.0) / (spread * std::f64::consts::TAU.sqrt())
        };
        let n = parts.iter().map(of).sum::<f64>().round() as u64;
        if n > 0 {
            out.gaps.push((bucket - before) as u32);
            out.counts.push(n);
            out.sum_ns += (n as f64 * middle(bucket) * 1e9) as u64;
            before = bucket;
        }
    }
    (!out.counts.is_empty()).then_some(out)
}
