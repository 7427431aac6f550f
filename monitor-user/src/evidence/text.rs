//! An alert with its evidence, for a terminal: what `kpulse replay` prints.
//!
//! In: an [`Alert`]. Out: lines of text, none wider than the terminal, whatever the names in them hold.

mod tables;

use crate::{
    alert::{Alert, Severity, State},
    table::{
        Style, indented, put, section,
        text::{Page, Tone, fit},
        units,
    },
};

/// The narrowest page.
const MIN_WIDTH: usize = 80;
/// What is above the lines, of the annotations that there are.
const LINES: &[&str] = &["because", "culprit", "waiting", "before_after"];

/// Lines, each ended by a newline.
pub fn render(alert: &Alert, style: Style) -> String {
    let mut page = Page::new(style.color, style.width.max(MIN_WIDTH));
    header(&mut page, alert);
    if let Some(evidence) = alert.firing_evidence.as_ref().or(alert.pending_evidence.as_ref()) {
        lines(&mut page, alert);
        tables::indices(&mut page, evidence);
        tables::changes(&mut page, evidence);
        tables::machine(&mut page, evidence);
        tables::culprits(&mut page, evidence);
    }
    page.finish()
}

fn tone(alert: &Alert) -> Tone {
    match (alert.state, alert.severity) {
        (State::Firing, Severity::Critical) => Tone::Bad,
        (State::Firing | State::Pending, _) => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn header(page: &mut Page, alert: &Alert) {
    let mut line = page.line();
    line.push(tone(alert), &format!("{:<10}", alert.state.name().to_uppercase()));
    line.push(Tone::Bold, &fit(&alert.rule, 40));
    line.item(&[(Tone::Plain, alert.severity.name())]);
    line.push_right(Tone::Dim, &fit(&alert.id, 16));
    page.add(line);

    let mut line = indented(page);
    if let Some(summary) = alert.annotations.get("summary") {
        line.push(Tone::Plain, &fit(summary, line.room()));
        page.add(line);
        line = indented(page);
    }
    let figures = format!("{} against {}", number(alert.value), number(alert.threshold));
    put(page, &mut line, &[(Tone::Dim, "value "), (Tone::Plain, &figures)]);
    let times = [("pending", Some(alert.pending_ns)), ("firing", alert.fired_ns), ("over", alert.resolved_ns)];
    for (what, at) in times.into_iter().filter_map(|(what, at)| Some((what, at?))) {
        put(page, &mut line, &[(Tone::Dim, &format!("{what} ")), (Tone::Plain, &units::utc(at))]);
    }
    page.add(line);
    let mut line = indented(page);
    for (name, value) in alert.labels.iter().filter(|(name, _)| !["alertname", "severity"].contains(&name.as_str())) {
        put(page, &mut line, &[(Tone::Dim, &format!("{}=", fit(name, 30))), (Tone::Plain, &fit(value, 60))]);
    }
    page.add(line);
}

/// Three digits after the point at most, and none that say nothing.
fn number(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The annotations, broken at spaces.
fn lines(page: &mut Page, alert: &Alert) {
    page.blank();
    for name in LINES {
        let Some(text) = alert.annotations.get(*name) else { continue };
        let mut line = section(page, &name.split('_').next().unwrap_or_default().to_uppercase());
        for word in fit(text, usize::MAX).split(' ') {
            if word.chars().count() >= line.room() {
                page.add(std::mem::replace(&mut line, indented(page)));
            }
            line.push(Tone::Plain, word);
            line.push(Tone::Plain, " ");
        }
        page.add(line);
    }
}
