//! A real Alertmanager, asked through its own tool.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{guard::Running, http, scratch::Scratch, wait};

/// A running one, killed when this is dropped.
pub struct Alertmanager {
    _running: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

/// An address that was free a moment ago.
///
/// # Panics
///
/// If there is none.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address")
}

impl Alertmanager {
    /// Starts one that knows nothing, and waits until it is ready. It tells `receiver` of each group: the first time at
    /// once, of changes after a second, and again after `repeat`.
    ///
    /// # Panics
    ///
    /// If it is not ready in time.
    pub fn start(scratch: &Scratch, address: SocketAddr, receiver: SocketAddr, repeat: &str) -> Self {
        let config = scratch.file(
            &format!("alertmanager-{}.yml", address.port()),
            format!(
                "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: {repeat}}}\n\
                 receivers: [{{name: hook, webhook_configs: [{{url: \"http://{receiver}/\", send_resolved: true}}]}}]\n"
            ),
        );
        let data = scratch.path().join(format!("alertmanager-{}", address.port()));
        // What it knew before it was killed.
        let _ = fs::remove_dir_all(&data);
        let log = fs::File::create(scratch.path().join("alertmanager.log")).expect("a file of our own");
        let mut command = Command::new("prometheus-alertmanager");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", data.display()));
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--cluster.listen-address=", "--log.level=debug"]);
        let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
        wait::until("Alertmanager", || http::get(address, "/-/ready").ok().filter(|answer| answer.status == 200));
        Self { _running: running, address }
    }

    /// What amtool says to a query in this form: `json`, `extended`, `simple`.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn amtool(&self, form: &str) -> String {
        let mut command = Command::new("amtool");
        command.args(["alert", "query", "-o", form]).arg(format!("--alertmanager.url=http://{}", self.address));
        let output = command.stdin(Stdio::null()).output().expect("amtool");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The alerts that fire.
    ///
    /// # Panics
    ///
    /// If amtool fails.
    pub fn alerts(&self) -> Vec<Value> {
        serde_json::from_str(&self.amtool("json")).expect("JSON from amtool")
    }

    /// The groups of alerts that fire.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub fn groups(&self) -> Vec<Value> {
        let answer = http::get(self.address, "/api/v2/alerts/groups").expect("an answer");
        serde_json::from_str(&answer.body).expect("JSON from Alertmanager")
    }
}
