//! Alerts for the tests of this module and of [`crate::notify`].

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    alert::{Alert, Severity, State},
    evidence::Evidence,
};

/// Evidence of one window.
pub fn evidence() -> Evidence {
    serde_json::from_value(serde_json::json!({ "end_realtime_ns": 60_000_000_000u64, "seconds": 60.0 }))
        .expect("the evidence that there is at least")
}

/// An alert in a state that it came into at `seconds` after 1970.
pub fn alert(id: &str, state: State, seconds: u64) -> Alert {
    let ns = seconds * 1_000_000_000;
    let fired = matches!(state, State::Firing | State::Resolved);
    Alert {
        id: id.into(),
        rule: "SlowDisk".into(),
        labels: BTreeMap::from([
            ("alertname".into(), "SlowDisk".into()),
            ("device".into(), format!("disk-{id}")),
            ("severity".into(), "warning".into()),
        ]),
        annotations: BTreeMap::from([("summary".into(), format!("disk-{id} is \"slow\""))]),
        severity: Severity::Warning,
        state,
        pending_ns: ns.min(1_000_000_000),
        fired_ns: fired.then_some(ns.min(2_000_000_000)),
        resolved_ns: (state == State::Resolved).then_some(ns),
        value: 3.5,
        threshold: 2.0,
        pending_evidence: None,
        firing_evidence: None,
    }
}

/// A folder that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("kpulse-journal-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // In memory where there is such a place: the tests write thousands of times, and wait for the disk each time.
        let memory = Path::new("/dev/shm");
        let path = if memory.is_dir() { memory.join(name) } else { std::env::temp_dir().join(name) };
        fs::create_dir_all(&path).expect("a folder of our own");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
