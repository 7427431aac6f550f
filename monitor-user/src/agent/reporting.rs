//! What the agent tells the fleet's server: a report at the end of each interval.
//!
//! In: every sample, the agent's own figures, what is pending or fires. Out: reports, to [`crate::ship`]. It never waits for a
//! disk or the network.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;

use super::judging::{Node, own};
use crate::{
    alert::{Alert, State},
    collect::realtime_ns,
    config::Config,
    report::{
        build::{self, Edge, build},
        wire::{Metadata, Sender},
    },
    sample::Sample,
    ship::{Pace, Shipping, identity},
    status::{self, Status},
};

/// How many tasks and cgroups a report names by each measure while something is wrong.
const TOP_TASKS: usize = 10;
/// What hardly ever changes is told again in every so manieth report.
const METADATA_EVERY: u64 = 100;

/// See the module.
pub struct Reporting {
    shipping: Shipping,
    interval: Duration,
    /// The latest report's.
    sequence: u64,
    /// The beginning of the interval under way.
    begin: Option<(Arc<Sample>, Status)>,
    /// What the server was told last.
    metadata: Option<Metadata>,
    url: String,
}

impl Reporting {
    /// `None` without a server.
    ///
    /// # Errors
    ///
    /// If the spool cannot be used, or the certificates are wrong.
    pub fn start(config: &Config, node: &Node) -> Result<Option<Self>> {
        let state = &config.state.dir;
        let sender = Sender {
            node: node.name.clone(),
            machine: identity::machine(&config.host.root, state),
            boot_id: node.boot_id.clone(),
            instance: realtime_ns(),
            agent_version: env!("CARGO_PKG_VERSION").into(),
        };
        let shipping = Shipping::start(&config.server, &state.join("reports"), sender, Pace::default())?;
        Ok(shipping.map(|shipping| Self {
            shipping,
            interval: config.server.interval.max(config.interval),
            sequence: 0,
            begin: None,
            metadata: None,
            url: pages(config, node.address, &node.name),
        }))
    }

    /// Takes up a sample.
    pub fn see(&mut self, sample: &Arc<Sample>, status: &Status, config: &Config, alerts: &[Arc<Alert>]) {
        let Some((begin, before)) = &self.begin else {
            self.begin = Some((sample.clone(), own(status, config)));
            return;
        };
        let passed_ns = u128::from(sample.monotonic_ns.saturating_sub(begin.monotonic_ns));
        let interval_ns = self.interval.as_nanos();
        // A sample that is a little early is nearer to the end than the next one.
        if passed_ns < interval_ns - interval_ns / 20 {
            return;
        }
        let now = own(status, config);
        let wrong = alerts.iter().any(|alert| matches!(alert.state, State::Pending | State::Firing));
        let ends = (Edge { sample: begin, status: Some(before) }, Edge { sample, status: Some(&now) });
        match build(ends.0, ends.1, if wrong { TOP_TASKS } else { 0 }) {
            Ok(mut report) => {
                self.sequence += 1;
                report.sequence = self.sequence;
                report.alerts = build::alerts(alerts);
                let metadata = self.metadata(sample);
                if self.sequence % METADATA_EVERY == 1 || self.metadata.as_ref() != Some(&metadata) {
                    report.metadata = Some(metadata.clone());
                    self.metadata = Some(metadata);
                }
                self.shipping.push(&report);
            }
            Err(refused) => tracing::warn!("an interval is not reported to the server: {refused}"),
        }
        self.begin = Some((sample.clone(), now));
    }

    fn metadata(&self, sample: &Sample) -> Metadata {
        let host = &sample.host;
        Metadata {
            kernel: host.kernel.clone().unwrap_or_default(),
            cpus: host.online_cpus.as_ref().map_or(0, |cpus| cpus.len() as u32),
            memory_bytes: host.memory.map_or(0, |memory| memory.total),
            agent_version: env!("CARGO_PKG_VERSION").into(),
            interval_ns: self.interval.as_nanos() as u64,
            url: self.url.clone(),
        }
    }

    /// How it fares.
    pub fn status(&self) -> status::Shipping {
        self.shipping.status()
    }

    /// Ends: what can be sent at once is.
    pub async fn end(self) {
        self.shipping.end().await;
    }
}

/// Where people reach the agent's pages; empty if only this machine does.
fn pages(config: &Config, address: SocketAddr, name: &str) -> String {
    if address.ip().is_loopback() && config.notify.external_url.is_none() {
        return String::new();
    }
    config.notify.pages(address, name)
}
