//! The log as a target: one structured line for each alert that fires and each that is over.

use crate::{
    alert::{Severity, State},
    journal::Record,
};

/// Writes the line.
pub fn write(record: &Record) {
    let alert = &record.alert;
    let summary = alert.annotations.get("summary").map_or("", String::as_str);
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let labels = labels.join(" ");
    let (id, rule, severity) = (alert.id.as_str(), alert.rule.as_str(), alert.severity.name());
    let (value, threshold, sequence) = (alert.value, alert.threshold, record.sequence);
    match (alert.state, alert.severity) {
        (State::Firing, Severity::Info) => {
            tracing::info!(alert = id, rule, severity, summary, value, threshold, labels, sequence, "an alert fires");
        }
        (State::Firing, _) => {
            tracing::warn!(alert = id, rule, severity, summary, value, threshold, labels, sequence, "an alert fires");
        }
        _ => {
            let fired = alert.fired_ns.unwrap_or(alert.pending_ns);
            let lasted_seconds = alert.changed_ns().saturating_sub(fired) as f64 / 1e9;
            tracing::info!(alert = id, rule, severity, summary, lasted_seconds, labels, sequence, "an alert is over");
        }
    }
}
