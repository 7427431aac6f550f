//! A real Prometheus and a real VictoriaMetrics, which answer the same questions. Killed when they are dropped.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{alertmanager::free_address, guard::Running, http, scratch::Scratch, wait};

/// What answers PromQL.
pub struct Store {
    _running: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

/// One series of an answer: its labels and its value.
pub type Found = (Value, f64);

impl Store {
    /// Starts Prometheus with this configuration, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it is not in time.
    pub fn prometheus(scratch: &Scratch, config: &str) -> Self {
        let config = scratch.file("prometheus.yml", config);
        // Another program could take the port in between; Prometheus would then end, and nobody answer.
        let address = free_address();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", scratch.path().join("prometheus").display()));
        command.arg(format!("--web.listen-address={address}"));
        Self::start(scratch, command, address, "/-/ready")
    }

    /// Starts VictoriaMetrics, which scrapes what this configuration says, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it is not in time.
    pub fn victoria_metrics(scratch: &Scratch, config: &str) -> Self {
        let config = scratch.file("victoria-metrics.yml", config);
        let address = free_address();
        let mut command = Command::new("victoria-metrics");
        command.arg(format!("-promscrape.config={}", config.display()));
        command.arg(format!("-storageDataPath={}", scratch.path().join("victoria-metrics").display()));
        command.arg(format!("-httpListenAddr={address}"));
        command.args(["-retentionPeriod=1d", "-search.latencyOffset=0s", "-search.disableCache"]);
        Self::start(scratch, command, address, "/health")
    }

    fn start(scratch: &Scratch, mut command: Command, address: SocketAddr, ready: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = fs::File::create(scratch.path().join(format!("{name}.log"))).expect("a file of our own");
        let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        wait::until(&name, || http::get(address, ready).ok().filter(|answer| answer.status == 200));
        Self { _running: running, address }
    }

    /// The answer to a question; at a time in seconds since 1970, or now.
    pub fn query(&self, text: &str, at: Option<f64>) -> Option<Value> {
        let at = at.map(|at| format!("&time={at:.3}")).unwrap_or_default();
        let answer = http::get(self.address, &format!("/api/v1/query?query={}{at}", escape(text))).ok()?;
        serde_json::from_str::<Value>(&answer.body).ok().filter(|answer| answer["status"] == "success")
    }

    /// The series of an answer.
    ///
    /// # Panics
    ///
    /// If the question is refused.
    pub fn series(&self, text: &str, at: Option<f64>) -> Vec<Found> {
        let answer = self.query(text, at).unwrap_or_else(|| panic!("no answer to {text}"));
        let found = answer["data"]["result"].as_array().expect("a vector");
        found.iter().filter_map(|one| Some((one["metric"].clone(), number(&one["value"])?))).collect()
    }

    /// Its clock, in seconds since 1970.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub fn now(&self) -> f64 {
        self.query("time()", None).as_ref().and_then(value).expect("the clock")
    }

    /// The rules of a Prometheus, in their order.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub fn rules(&self) -> Vec<Value> {
        let answer = http::get(self.address, "/api/v1/rules?type=record").expect("an answer");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let groups = answer["data"]["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// Puts series into a VictoriaMetrics, one JSON object a line, so that the next question sees them.
    ///
    /// # Panics
    ///
    /// If it does not take them.
    pub fn import(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let answer = http::post(self.address, "/api/v1/import", "application/json", lines).expect("an answer");
        assert_eq!(answer.status, 204, "{}", answer.body);
        http::get(self.address, "/internal/force_flush").expect("an answer");
    }
}

/// The value of the only series of an answer, or of a scalar.
pub fn value(answer: &Value) -> Option<f64> {
    let result = &answer["data"]["result"];
    number(if answer["data"]["resultType"] == "scalar" { result } else { &result[0]["value"] })
}

/// Of a pair of a time and a number in text.
fn number(pair: &Value) -> Option<f64> {
    pair[1].as_str()?.parse().ok()
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A configuration that scrapes these addresses every second, with rules from these files.
pub fn scraping(targets: &[SocketAddr], rules: &[&Path]) -> String {
    let targets: Vec<String> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    let files: Vec<String> = rules.iter().map(|file| format!("\"{}\"", file.display())).collect();
    let rules = if files.is_empty() { String::new() } else { format!("rule_files: [{}]\n", files.join(", ")) };
    format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n{rules}\
         scrape_configs: [{{job_name: kpulse, static_configs: [{{targets: [{}]}}]}}]\n",
        targets.join(", ")
    )
}
