//! An agent that judges every second, and what its alerts say.

use std::{fs, path::PathBuf, process::Output};

use kpulse::{
    alert::{Alert, State},
    evidence::{Evidence, contributions::Shares},
};
use serde_json::Value;

use crate::{
    agent::{self, Agent},
    receiver::{Heard, Receiver},
    scratch::Scratch,
};

/// P > T, after two seconds instead of three minutes. Times of any length matter.
pub const PERFORMANCE_INDEX_HIGH: &str = r#"
[[rule]]
name = "PerformanceIndexHigh"
for = "2s"
keep_firing_for = "0s"
and = [{ signal = "response_mean_seconds", above = 0 }]
"#;

/// A judged window in nanoseconds.
pub const WINDOW_NS: u64 = 2_000_000_000;

const JUDGING: &[&str] = &[
    "--judge-interval=1s",
    "--judge-window=2s",
    "--index-learn-requests=500",
    "--index-learn-time=3s",
    "--index-min-requests=50",
];

/// A place for agents that follow each other, with what they need.
pub struct Place {
    scratch: Scratch,
    /// The file with the rules.
    pub rules: PathBuf,
}

impl Place {
    /// Makes it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn new(rules: &str) -> Self {
        let scratch = Scratch::new();
        let rules = scratch.file("rules.toml", rules);
        Self { scratch, rules }
    }

    /// A file or folder in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The state directory of its agents.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// How its agents judge, for those and for replays.
    pub fn judging(&self) -> Vec<String> {
        let rules = format!("--rules-file={}", self.rules.display());
        JUDGING.iter().map(|&argument| argument.to_owned()).chain([rules]).collect()
    }

    /// The arguments of an agent; `more` are stronger than ours.
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        let flag = |argument: &str| argument.split('=').next().unwrap_or_default().to_owned();
        let mut all = self.judging();
        all.push(format!("--state-dir={}", self.state().display()));
        all.retain(|ours| more.iter().all(|more| flag(more) != flag(ours)));
        all.extend(more.iter().map(|&more| more.to_owned()));
        all
    }

    /// An agent that tells `receiver`.
    pub fn start(&self, receiver: &Receiver) -> Agent {
        Agent::start(self.arguments(&[&format!("--notify-webhooks=http://{}/", receiver.address())]))
    }

    /// Runs another command of kpulse to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        agent::run(agent::command(arguments))
    }

    /// What a replay of a recording says, one line of JSON for each window.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn replay(&self, recording: &str, more: &[&str]) -> Vec<u8> {
        let judging = self.judging();
        let all = ["replay", "--json", recording].into_iter().chain(more.iter().copied());
        let output = self.run(&all.chain(judging.iter().map(String::as_str)).collect::<Vec<_>>());
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complained.is_empty(), "{}: {complained}", output.status);
        output.stdout
    }

    /// The recordings of its agents.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("recordings")).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "kpr")).collect()
    }
}

/// All alerts that an agent has.
///
/// # Panics
///
/// If it says something else.
pub fn alerts(agent: &Agent) -> Vec<Alert> {
    serde_json::from_str(&agent.get("/api/v1/alerts")).expect("alerts")
}

/// The alert of the performance index of this signal.
pub fn of_signal(alerts: Vec<Alert>, signal: &str) -> Option<Alert> {
    let is = |alert: &Alert| alert.rule == "PerformanceIndexHigh" && alert.labels["signal"] == signal;
    alerts.into_iter().find(is)
}

/// The changes of alerts in the output of a replay.
///
/// # Panics
///
/// If it is something else.
pub fn changes(replayed: &[u8]) -> Vec<Alert> {
    let text = String::from_utf8_lossy(replayed);
    let of = |line: &str| -> Vec<Alert> {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        serde_json::from_value(line["changes"].clone()).unwrap_or_default()
    };
    text.lines().flat_map(of).collect()
}

/// Fails unless all parts of each index in each evidence of these alerts add up to P - 1. Gives how many lists were there.
///
/// # Panics
///
/// If they do not.
pub fn assert_adds_up(alerts: &[Alert]) -> usize {
    let evidence = alerts.iter().flat_map(|alert| alert.pending_evidence.iter().chain(&alert.firing_evidence));
    let mut lists = 0;
    for index in evidence.flat_map(|evidence| &evidence.indices) {
        let Some(verdict) = index.verdict else { continue };
        let all = [&index.by_node, &index.by_device, &index.by_operation, &index.by_size, &index.by_request];
        for shares in all {
            let sum = sum(shares);
            // They add up to the last bit; reading them from text may cost one.
            assert!(
                (sum - (verdict.p - 1.0)).abs() <= 1e-12 * verdict.p.max(1.0),
                "{sum} of {}: {shares:?}",
                verdict.p
            );
            lists += 1;
        }
    }
    lists
}

fn sum(shares: &Shares) -> f64 {
    shares.iter().map(|share| share.contribution).sum()
}

/// The window that an evidence is about, in nanoseconds since 1970.
pub fn window_of(evidence: &Evidence) -> (u64, u64) {
    (evidence.end_realtime_ns - (evidence.seconds * 1e9) as u64, evidence.end_realtime_ns)
}

/// What a webhook heard of one alert in one state. Fails on what is no proper message.
///
/// # Panics
///
/// If there is one.
pub fn heard_of(heard: &[Heard], alert: &Alert, state: State) -> Option<Value> {
    heard.iter().map(strict).find(|message| {
        message["status"] == state.name()
            && message["alerts"][0]["fingerprint"] == format!("{:016x}", alert.fingerprint())
    })
}

/// A message as Alertmanager's webhooks have it, and no other.
///
/// # Panics
///
/// If it is another.
pub fn strict(heard: &Heard) -> Value {
    let message = heard.json();
    let status = message["status"].as_str().unwrap_or_default();
    assert_eq!((heard.header("content-type"), &message["version"]), ("application/json", &"4".into()), "{heard:?}");
    assert!(["firing", "resolved"].contains(&status), "{heard:?}");
    let alerts = message["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [alert] = alerts else { panic!("{} alerts: {heard:?}", alerts.len()) };
    assert_eq!(alert["status"], status, "{heard:?}");
    assert_eq!(alert["labels"], message["commonLabels"], "{heard:?}");
    let id = id(&message);
    assert!(heard.header("idempotency-key").starts_with(&format!("{id}-{status}-")), "{heard:?}");
    message
}

/// The alert's id in a message.
pub fn id(message: &Value) -> String {
    let url = message["alerts"][0]["generatorURL"].as_str().unwrap_or_default();
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Tries until it works, for a machine may be busy with other things: at most so often.
///
/// # Panics
///
/// If it never does; all reasons are then named.
pub fn attempts(most: usize, mut attempt: impl FnMut() -> Result<(), String>) {
    let mut reasons = Vec::new();
    for _ in 0..most {
        match attempt() {
            Ok(()) => return,
            Err(reason) => {
                println!("once more: {reason}");
                reasons.push(reason);
            }
        }
    }
    panic!("{most} attempts: {reasons:#?}");
}

/// Fails unless two figures are the same but for a part of the second.
///
/// # Errors
///
/// Says what they are.
pub fn agree(what: &str, found: f64, truth: f64, tolerance: f64) -> Result<(), String> {
    println!("{what}: {found:.4e}, in truth {truth:.4e} ({:+.2}%)", (found / truth - 1.0) * 100.0);
    if (found - truth).abs() <= tolerance * truth { Ok(()) } else { Err(format!("{what}: {found}, in truth {truth}")) }
}
