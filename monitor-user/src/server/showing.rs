//! What the pages and the API are made from: the latest judgement, the nodes in memory, and the store.
//!
//! In: [`Shared`]. Out: [`Source`]. Of the past, the coarsest sums are read that are fine enough for the steps asked for, and what is not
//! added up yet as it came; the reports of a step are added up as they are read, so an answer is as large as its steps are many.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{judging::Verdicts, routes::Shared};
use crate::{
    alert::{Alert, State},
    fleet::{NodeView, Standing as Heard, judge::window_of},
    histogram::Histogram,
    index::{Index, Mode, NodeIndex, Signal, Verdict},
    report::{check, merge, wire::Report},
    site::{
        Source,
        model::{AgentUse, AlertLine, Fleet, IndexNow, IndexPoint, Judged, Node, NodeDetail, Presence},
        source::{AlertPage, Span, Unreadable},
    },
    store::{After, AlertFilter, Error, Resolution, SeriesPoint},
    window::Times,
};

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;
/// Reports that are read at once.
const PAGE: usize = 500;

/// See the module.
pub struct Shown {
    shared: Arc<Shared>,
    /// The mode in force.
    mode: Mode,
}

impl Shown {
    /// What is shown of this server. `mode` is the one in force.
    pub fn new(shared: Arc<Shared>, mode: Mode) -> Self {
        Self { shared, mode }
    }

    fn verdicts(&self) -> Arc<Verdicts> {
        self.shared.verdicts.borrow().clone()
    }
}

fn unreadable(error: Error) -> Unreadable {
    Unreadable(error.to_string())
}

/// Alerts that fire, by the node they are about.
fn firing(verdicts: &Verdicts) -> BTreeMap<&str, u64> {
    let mut out = BTreeMap::new();
    for alert in verdicts.alerts.iter().filter(|alert| alert.state == State::Firing) {
        if let Some(node) = alert.labels.get("node") {
            *out.entry(node.as_str()).or_default() += 1;
        }
    }
    out
}

fn presence(view: &NodeView) -> Presence {
    match view.standing {
        _ if view.conflict => Presence::Conflict,
        Heard::Up => Presence::Reporting,
        Heard::CatchingUp => Presence::CatchingUp,
        Heard::Down => Presence::Silent,
    }
}

fn judged(index: Option<&Index>, name: &str) -> Option<Judged> {
    let nodes = &index?.nodes;
    let at = nodes.binary_search_by(|node| node.node.as_str().cmp(name)).ok()?;
    let NodeIndex { standing, ratio, contribution, mean_seconds, expected_seconds, requests, .. } = nodes[at];
    Some(Judged { standing, ratio, contribution, mean_seconds, expected_seconds, requests })
}

fn node(view: &NodeView, indices: [Option<&Index>; 2], firing: u64) -> Node {
    let metadata = view.metadata.as_deref();
    let up = view.standing == Heard::Up;
    let glance = |figure: Option<f32>| figure.filter(|_| up).map(f64::from);
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let [block, run_queue] = indices.map(|index| judged(index, &view.name));
    Node {
        name: view.name.to_string(),
        presence: presence(view),
        heard_ns: view.heard_ns,
        block,
        run_queue,
        utilization: glance(view.glance.utilization),
        wait_p99: glance(view.glance.wait_p99),
        request_p99: glance(view.glance.request_p99),
        cpus: metadata.map(|metadata| metadata.cpus),
        memory_bytes: metadata.map(|metadata| metadata.memory_bytes),
        kernel: metadata.and_then(|metadata| text(&metadata.kernel)),
        agent_version: metadata.and_then(|metadata| text(&metadata.agent_version)),
        firing: firing + if up { u64::from(view.glance.firing) } else { 0 },
    }
}

impl Source for Shown {
    fn now_ns(&self) -> u64 {
        self.shared.clock.now().wall_ns
    }

    fn fleet(&self) -> Fleet {
        let verdicts = self.verdicts();
        let judgement = &verdicts.judgement;
        let mut nodes = BTreeMap::from([(Presence::Reporting.name().to_owned(), 0)]);
        judgement.nodes.iter().for_each(|view| *nodes.entry(presence(view).name().into()).or_default() += 1);
        let mut indices: Vec<IndexNow> = judgement.indices.iter().map(index_now).collect();
        indices.sort_by_key(|index| index.mode != self.mode);
        let mut requests = Histogram::default();
        judgement.totals.requests().for_each(|(_, _, times)| requests.merge(&times));
        let wait = judgement.totals.waits.as_ref().map(|waits| waits.histogram());
        Fleet {
            at_ns: judgement.at_ns,
            nodes,
            indices,
            request: Times::of(&requests),
            wait: wait.and_then(|wait| Times::of(&wait)),
        }
    }

    fn nodes(&self) -> Vec<Node> {
        let verdicts = self.verdicts();
        let judgement = &verdicts.judgement;
        let indices = [Signal::Block, Signal::RunQueue].map(|signal| judgement.index(signal, self.mode));
        let firing = firing(&verdicts);
        let of = |view: &NodeView| node(view, indices, firing.get(&*view.name).copied().unwrap_or(0));
        judgement.nodes.iter().map(of).collect()
    }

    fn node(&self, name: &str) -> Option<NodeDetail> {
        let verdicts = self.verdicts();
        let judgement = &verdicts.judgement;
        let view = judgement.nodes.iter().find(|view| *view.name == *name)?;
        let indices = [Signal::Block, Signal::RunQueue].map(|signal| judgement.index(signal, self.mode));
        let stream = self.shared.registry.look(name, |node| node.streams.last().cloned()).flatten().unwrap_or_default();
        let [_, during] = self.shared.registry.reports(name);
        let last = during.last().and_then(|bytes: &Bytes| check::decode(bytes).ok());
        let about = |alert: &&Arc<Alert>| alert.labels.get("node").is_some_and(|node| node == name);
        let active = |alert: &&Arc<Alert>| matches!(alert.state, State::Pending | State::Firing);
        let own = verdicts.alerts.iter().filter(active).filter(about).map(|alert| AlertLine::from(alert.as_ref()));
        let agents = last.iter().flat_map(|report| &report.alerts).map(|alert| AlertLine::of_agent(name, alert));
        let uptime_ns = last.as_ref().and_then(|report| report.host.as_ref()).map(|host| host.uptime_ns);
        Some(NodeDetail {
            node: node(view, indices, firing(&verdicts).get(name).copied().unwrap_or(0)),
            boot_id: stream.boot_id.to_string(),
            instance: stream.instance,
            sequence: stream.last_sequence,
            lost: view.lost,
            uptime_seconds: uptime_ns.filter(|ns| *ns > 0).map(|ns| ns / 1_000_000_000),
            url: view.metadata.as_ref().map(|metadata| metadata.url.clone()).filter(|url| !url.is_empty()),
            agent: last.as_ref().and_then(|report| Some(AgentUse::of(report.own.as_ref()?, report.length_ns))),
            alerts: own.chain(agents).collect(),
            window: window_of(&during),
        })
    }

    fn active_alerts(&self) -> Vec<Arc<Alert>> {
        let verdicts = self.verdicts();
        let active = |alert: &&Arc<Alert>| matches!(alert.state, State::Pending | State::Firing);
        verdicts.alerts.iter().filter(active).cloned().collect()
    }

    fn alerts(&self, filter: &AlertFilter, after: Option<&After>, limit: usize) -> Result<AlertPage, Unreadable> {
        let page = self.shared.store.reader().alerts(filter, after, limit).map_err(unreadable)?;
        Ok(AlertPage { items: page.items, next: page.next })
    }

    fn alert(&self, id: &str) -> Result<Option<Arc<Alert>>, Unreadable> {
        // One that has just ended may not be in the store yet.
        if let Some(alert) = self.verdicts().alerts.iter().find(|alert| alert.id == id) {
            return Ok(Some(Arc::clone(alert)));
        }
        let filter = AlertFilter { id: Some(id.into()), ..AlertFilter::default() };
        let page = self.shared.store.reader().alerts(&filter, None, 1).map_err(unreadable)?;
        Ok(page.items.into_iter().next())
    }

    fn index_series(&self, signal: Signal, mode: Option<Mode>, span: Span) -> Result<Vec<IndexPoint>, Unreadable> {
        let reader = self.shared.store.reader();
        let mut steps: BTreeMap<u64, Mean> = BTreeMap::new();
        pieces(span, |resolution, from_ns, to_ns| {
            let page = reader
                .series(signal, mode.unwrap_or(self.mode), resolution, from_ns, to_ns, PAGE)
                .map_err(unreadable)?;
            for point in &page.items {
                if let Some(step) = span.step_of(point.end_ns) {
                    steps.entry(step).or_default().add(point);
                }
            }
            Ok((page.items.last().map(|point| point.end_ns), page.next))
        })?;
        Ok(steps.into_values().filter_map(|mean| mean.point()).collect())
    }

    fn reports(&self, name: &str, span: Span) -> Result<Vec<Report>, Unreadable> {
        let reader = self.shared.store.reader();
        let mut out: Vec<(u64, Report)> = Vec::new();
        pieces(span, |resolution, from_ns, to_ns| {
            let page = reader.reports(name, resolution, from_ns, to_ns, PAGE).map_err(unreadable)?;
            for stored in &page.items {
                let (Some(step), Ok(mut report)) = (span.step_of(stored.end_ns), stored.decode()) else { continue };
                report.end_ns = stored.end_ns;
                match out.last_mut() {
                    Some((last, sum)) if *last == step => merge::add(sum, &report),
                    _ => out.push((step, report)),
                }
            }
            Ok((page.items.last().map(|stored| stored.end_ns), page.next))
        })?;
        Ok(out.into_iter().map(|(_, report)| report).collect())
    }
}

fn index_now(index: &Index) -> IndexNow {
    let mut standings = BTreeMap::new();
    for node in &index.nodes {
        let standing = serde_json::to_value(node.standing).ok();
        let name = standing.as_ref().and_then(|name| name.as_str()).unwrap_or("unknown");
        *standings.entry(name.to_owned()).or_default() += 1;
    }
    IndexNow { signal: index.signal, mode: index.mode, verdict: index.verdict, standings }
}

/// Calls `read` for the parts of a span, the oldest first: the coarsest sums that are fine enough, and finer ones from where these end.
/// `read` gives the end of the last thing that it has seen, and where to go on if there is more.
fn pieces(
    span: Span,
    mut read: impl FnMut(Resolution, u64, u64) -> Result<(Option<u64>, Option<u64>), Unreadable>,
) -> Result<(), Unreadable> {
    let fine_enough = match span.step_ns {
        HOUR.. => 0,
        MINUTE.. => 1,
        _ => 2,
    };
    let mut from_ns = span.from_ns;
    for resolution in &[Resolution::Hour, Resolution::Minute, Resolution::Full][fine_enough..] {
        loop {
            let (last, next) = read(*resolution, from_ns, span.to_ns)?;
            from_ns = next.or(last).unwrap_or(from_ns).max(from_ns);
            if next.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// The mean of several points of the fleet's figures, each as long as it stands for.
#[derive(Default)]
struct Mean {
    end_ns: u64,
    points: f64,
    p: f64,
    shift: f64,
    unevenness: f64,
    nodes: f64,
}

impl Mean {
    fn add(&mut self, point: &SeriesPoint) {
        let n = point.points as f64;
        self.end_ns = self.end_ns.max(point.end_ns);
        self.points += n;
        self.p += point.p * n;
        self.shift += point.shift * n;
        self.unevenness += point.unevenness * n;
        self.nodes += point.nodes * n;
    }

    fn point(&self) -> Option<IndexPoint> {
        let mean = |sum: f64| sum / self.points;
        let verdict = Verdict {
            p: mean(self.p),
            shift: mean(self.shift),
            unevenness: mean(self.unevenness),
            nodes: mean(self.nodes).round() as u64,
        };
        (self.points > 0.0).then_some(IndexPoint { at_ns: self.end_ns, verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_read_coarsely_where_that_is_enough_and_finely_where_it_must_be() {
        let asked = |step_ns| {
            let mut asked = Vec::new();
            let span = Span { from_ns: 0, to_ns: 5 * HOUR, step_ns };
            pieces(span, |resolution, from_ns, to_ns| {
                asked.push((resolution, from_ns / MINUTE, to_ns / MINUTE));
                // The last whole hour, or minute, or report; and a page that was too small, once.
                let end = to_ns - [HOUR, 2 * MINUTE, 1][resolution as usize % 3];
                Ok(match (resolution, asked.len()) {
                    (Resolution::Hour, 1) => (Some(HOUR), Some(HOUR)),
                    _ => (Some(end), None),
                })
            })
            .unwrap();
            asked
        };
        assert_eq!(asked(MINUTE - 1).len(), 1);
        assert_eq!(asked(MINUTE).iter().map(|part| part.0).collect::<Vec<_>>(), [Resolution::Minute, Resolution::Full]);
        let hours = asked(HOUR);
        assert_eq!(hours[..2], [(Resolution::Hour, 0, 300), (Resolution::Hour, 60, 300)]);
        assert_eq!(hours.len(), 4);
        assert!(hours.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
