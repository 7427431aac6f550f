//! What an alert is about, as far as its evidence must know: the signal and the labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{alert::Alert, index::Mode};

/// What an alert is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The name of the rule's signal.
    pub signal: String,
    /// The alert's labels: `device`, `operation`, `cpu`, `mount`, `resource` and others say which one of many it is.
    pub labels: BTreeMap<String, String>,
    /// The mode in which P is judged. A label `mode` that names another is stronger.
    pub mode: Mode,
}

/// What part of the evidence matters most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Focus {
    /// Block requests: who moved the bytes.
    Block,
    /// The CPUs and the waits for them: who used them.
    Cpu,
    /// Memory: what is left.
    Memory,
    /// The space of filesystems: what is left, and who wrote.
    Space,
    /// None of these, such as the agent's own figures.
    #[default]
    Other,
}

impl Subject {
    /// Of an alert whose rule looks at `signal`.
    pub fn of(alert: &Alert, signal: &str, mode: Mode) -> Self {
        Self { signal: signal.to_owned(), labels: alert.labels.clone(), mode }
    }

    /// A label's value; none if it is empty.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The mode in which the index is shown.
    pub fn mode(&self) -> Mode {
        let named = self.label("mode").and_then(|name| Mode::ALL.iter().find(|mode| mode.name() == name));
        named.copied().unwrap_or(self.mode)
    }

    /// What matters: by the labels where they say so, else by the words of the signal's name.
    pub fn focus(&self) -> Focus {
        match (self.label("signal"), self.label("resource")) {
            (Some("block"), _) | (_, Some("io")) => return Focus::Block,
            (Some("run_queue"), _) | (_, Some("cpu" | "irq")) => return Focus::Cpu,
            (_, Some("memory")) => return Focus::Memory,
            _ => {}
        }
        let says = |words: &[&str]| words.iter().any(|word| self.signal.contains(word));
        match () {
            () if says(&["agent", "overhead", "discard", "collection", "probe", "program"]) => Focus::Other,
            () if says(&["filesystem", "inode", "space"]) => Focus::Space,
            () if says(&["memory", "swap", "oom", "dirty"]) => Focus::Memory,
            () if self.label("device").is_some() => Focus::Block,
            () if says(&["block", "request", "disk", "device", "flight", "queue_time", "io_"]) => Focus::Block,
            () if self.label("cpu").is_some() => Focus::Cpu,
            () if says(&["cpu", "run_queue", "wait", "steal", "load", "switch", "utilization"]) => Focus::Cpu,
            () => Focus::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(signal: &str, labels: &[(&str, &str)]) -> Subject {
        let labels = labels.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Subject { signal: signal.into(), labels, mode: Mode::Trailing }
    }

    #[test]
    fn the_labels_and_then_the_signals_name_say_what_matters() {
        for (signal, labels, focus) in [
            ("performance_index", &[("signal", "block")][..], Focus::Block),
            ("performance_index", &[("signal", "run_queue")], Focus::Cpu),
            ("pressure_some", &[("resource", "memory")], Focus::Memory),
            ("pressure_full", &[("resource", "io")], Focus::Block),
            ("in_flight_oldest", &[("device", "sda")], Focus::Block),
            ("run_queue_wait_p99", &[], Focus::Cpu),
            ("cpu_utilization", &[("cpu", "3")], Focus::Cpu),
            ("filesystem_used", &[("device", "/dev/sda1"), ("mount", "/")], Focus::Space),
            ("memory_available", &[], Focus::Memory),
            ("events_oom_kill", &[], Focus::Memory),
            ("events_long_wait", &[], Focus::Cpu),
            ("events_block_error", &[], Focus::Block),
            ("agent_cpu", &[], Focus::Other),
            ("block_discards", &[], Focus::Other),
        ] {
            assert_eq!(subject(signal, labels).focus(), focus, "{signal} {labels:?}");
        }
    }

    #[test]
    fn a_label_names_the_mode() {
        assert_eq!(subject("p", &[]).mode(), Mode::Trailing);
        assert_eq!(subject("p", &[("mode", "pinned")]).mode(), Mode::Pinned);
        assert_eq!(subject("p", &[("mode", "of the moon")]).mode(), Mode::Trailing);
    }
}
