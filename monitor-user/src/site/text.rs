//! The fleet as lines for a terminal: lists of nodes and alerts, one node.
//!
//! In: what the API answers. Out: lines, none wider than the terminal; names from outside are made harmless.

use super::model::{AlertLine, Alerts, Judged, Node, NodeDetail, Page, Presence};
use crate::{
    alert::{Severity, State},
    index::{Signal, Standing},
    table::{
        self, Style,
        text::{Page as Lines, Tone, fit},
        units,
    },
};

/// The narrowest table.
const MIN_WIDTH: usize = 80;
/// From here on a ratio is worth a look, and worth getting up for.
const LOOK: f64 = 1.5;
const GET_UP: f64 = 3.0;

fn lines(style: Style) -> Lines {
    Lines::new(style.color, style.width.max(MIN_WIDTH))
}

/// Nodes, one a line. `now_ns` says how long ago each was heard.
pub fn nodes(list: &Page<Node>, now_ns: u64, style: Style) -> String {
    let mut page = lines(style);
    // What is left beside the columns, as much as the names need.
    let longest = list.items.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
    let width = longest.clamp(4, page.width.saturating_sub(64).max(16));
    let mut head = page.line();
    head.push(Tone::Dim, &format!("{:<width$}", "NODE"));
    for (name, width) in COLUMNS {
        head.cell(Tone::Dim, name, width);
    }
    page.add(head);
    for node in &list.items {
        let mut line = page.line();
        let tone = if node.presence == Presence::Reporting { Tone::Plain } else { Tone::Bad };
        line.push(tone, &format!("{:<width$}", fit(&node.name, width)));
        let [block, waits] = [Signal::Block, Signal::RunQueue].map(|signal| ratio(node.judged(signal)));
        let of = |value: Option<f64>, print: fn(f64) -> String| (Tone::Plain, value.map_or_else(|| "–".into(), print));
        let heard = units::time(now_ns.saturating_sub(node.heard_ns) as f64 / 1e9);
        let cells = [
            block,
            of(node.block.and_then(|judged| judged.mean_seconds), units::time),
            of(node.block.and_then(|judged| judged.expected_seconds), units::time),
            waits,
            of(node.utilization, units::percent),
            of(node.wait_p99, units::time),
            of(node.request_p99, units::time),
            (if node.firing > 0 { Tone::Bad } else { Tone::Dim }, node.firing.to_string()),
            (tone, heard),
        ];
        for ((_, width), (tone, text)) in COLUMNS.into_iter().zip(cells) {
            line.cell(tone, &text, width);
        }
        page.add(line);
    }
    let mut line = page.line();
    let shown = list.items.len() as u64;
    line.push(Tone::Dim, &format!("{shown} of {} nodes", list.total));
    if let Some(next) = list.next {
        line.push(Tone::Dim, &format!("; --offset {next} goes on"));
    }
    page.blank();
    page.add(line);
    page.finish()
}

const COLUMNS: [(&str, usize); 9] = [
    ("R REQ", 7),
    ("T", 7),
    ("USUALLY", 8),
    ("R WAIT", 7),
    ("CPU", 6),
    ("WAIT99", 7),
    ("REQ99", 7),
    ("ALERTS", 7),
    ("HEARD", 7),
];

fn ratio(judged: Option<&Judged>) -> (Tone, String) {
    match judged {
        Some(Judged { ratio: Some(ratio), .. }) => (Tone::of(*ratio, LOOK, GET_UP), format!("{ratio:.2}")),
        Some(judged) => (Tone::Dim, standing(judged.standing).into()),
        None => (Tone::Dim, "–".into()),
    }
}

/// Why there is no verdict, in six letters at most.
fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Judged => "judged",
        Standing::Idle => "idle",
        Standing::TooFew => "few",
        Standing::Learning => "learns",
        Standing::NoPeers => "alone",
        Standing::Refused => "refuse",
    }
}

/// Alerts, one a line and what each says below it.
pub fn alerts(list: &Alerts, now_ns: u64, style: Style) -> String {
    let mut page = lines(style);
    for alert in &list.items {
        alert_line(&mut page, alert, now_ns);
    }
    if list.items.is_empty() {
        let mut line = page.line();
        line.push(Tone::Dim, "no alert");
        page.add(line);
    }
    if let Some(next) = &list.next {
        page.blank();
        let mut line = page.line();
        line.push(Tone::Dim, &format!("there are earlier ones: --after {next}"));
        page.add(line);
    }
    page.finish()
}

fn alert_line(page: &mut Lines, alert: &AlertLine, now_ns: u64) {
    let tone = match (alert.state, alert.severity) {
        (State::Firing, Severity::Critical) => Tone::Bad,
        (State::Firing, _) => Tone::Warn,
        _ => Tone::Dim,
    };
    let mut line = page.line();
    line.push(tone, &format!("{:<9}", alert.state.name()));
    line.push(tone, &format!(" {:<9}", alert.severity.name()));
    line.push(Tone::Bold, &format!(" {:<24}", fit(&alert.rule, 24)));
    line.push(Tone::Plain, &format!(" {:<20}", fit(alert.node.as_deref().unwrap_or("the fleet"), 20)));
    let since = alert.fired_ns.unwrap_or(alert.pending_ns);
    let age = match alert.resolved_ns {
        Some(end) => format!(" for {}", units::time(end.saturating_sub(since) as f64 / 1e9)),
        None => format!(" since {}", units::time(now_ns.saturating_sub(since) as f64 / 1e9)),
    };
    line.push(Tone::Plain, &age);
    line.push_right(Tone::Dim, alert.id.as_deref().unwrap_or("its agent\u{2019}s"));
    page.add(line);
    if !alert.summary.is_empty() {
        let mut line = page.line();
        line.push(Tone::Dim, &format!("          {}", fit(&alert.summary, page.width.saturating_sub(10))));
        page.add(line);
    }
}

/// One node: what it is, how it stands, its alerts, and its last minute.
pub fn node(detail: &NodeDetail, now_ns: u64, style: Style) -> String {
    let mut page = lines(style);
    let node = &detail.node;
    let mut line = page.line();
    line.push(Tone::Bold, &fit(&node.name, 40));
    let tone = if node.presence == Presence::Reporting { Tone::Plain } else { Tone::Bad };
    line.item(&[(tone, node.presence.words())]);
    let heard = format!("heard {} ago", units::time(now_ns.saturating_sub(node.heard_ns) as f64 / 1e9));
    line.item(&[(Tone::Dim, &heard)]);
    if let Some(version) = &node.agent_version {
        line.item(&[(Tone::Dim, &format!("kpulse {}", fit(version, 16)))]);
    }
    page.add(line);
    for (signal, name) in [(Signal::Block, "block requests"), (Signal::RunQueue, "waits for a CPU")] {
        let Some(judged) = node.judged(signal) else { continue };
        let (tone, text) = ratio(Some(judged));
        let mut line = page.line();
        line.push(Tone::Dim, &format!("r of {name:<16}"));
        line.push(tone, &text);
        let seconds = |value: Option<f64>| value.map_or_else(|| "–".into(), units::time);
        let (mean, usual) = (seconds(judged.mean_seconds), seconds(judged.expected_seconds));
        line.push(Tone::Plain, &format!("   {mean}, usually {usual}"));
        page.add(line);
    }
    detail.alerts.iter().for_each(|alert| alert_line(&mut page, alert, now_ns));
    let mut out = page.finish();
    if let Some(window) = &detail.window {
        let about = table::Node {
            hostname: node.name.clone(),
            kernel: node.kernel.clone().unwrap_or_default(),
            cpus: node.cpus.unwrap_or(0) as usize,
            uptime_seconds: detail.uptime_seconds,
        };
        out.push('\n');
        out.push_str(&table::render(window, &about, style));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        site::{
            Source as _,
            api::answers::lines as without_evidence,
            select::{Selection, select},
            tests::story::{HOSTILE, SILENT, SLOW, Story},
        },
        store::AlertFilter,
    };

    #[test]
    fn nodes_fit_the_terminal_and_no_name_escapes() {
        let story = Story::new(7);
        let list = select(story.nodes(), &Selection { limit: 1000, ..Selection::default() });
        for width in [80, 100, 160] {
            let text = nodes(&list, story.now_ns(), Style { color: false, width });
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.lines().nth(1).unwrap().starts_with(SLOW) && text.contains("learns"), "{text}");
            assert!(
                !text.contains('\u{1b}') && !text.contains('\u{202e}') && text.ends_with("40 of 40 nodes\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_node_is_shown_with_its_last_minute_and_what_is_wrong() {
        let story = Story::new(7);
        let show = |name: &str| node(&story.node(name).unwrap(), story.now_ns(), Style::default());
        let text = show(SLOW);
        for word in ["db-03", "reporting", "NodeOutlier", "BlockReadsSlow", "DISKS", "sda", "restic", "usually"] {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
        assert!(show(SILENT).contains("silent"));
        assert!(!show(HOSTILE).contains('\u{1b}'));
    }

    #[test]
    fn alerts_say_since_when() {
        let story = Story::new(7);
        let of = |limit| without_evidence(story.alerts(&AlertFilter::default(), None, limit).unwrap());
        let text = alerts(&of(3), story.now_ns(), Style::default());
        assert!(text.contains("firing") && text.contains("since") && text.contains("--after "), "{text}");
        assert!(alerts(&of(100), story.now_ns(), Style::default()).contains("resolved"), "{text}");
        assert_eq!(alerts(&Alerts { items: Vec::new(), next: None }, 0, Style::default()), "no alert\n");
    }
}
