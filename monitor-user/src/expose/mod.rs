//! What others see: `/metrics`, the landing page, the API for the latest window, and the reference of the metrics.
//!
//! In: every [`crate::status::Snapshot`] from a `tokio::sync::watch` channel. Out: HTTP.
//!
//! | module | what it is |
//! |---|---|
//! | [`budget`] | which series there are, within the limit |
//! | [`collector`] | series from the definitions, as text |
//! | [`server`] | the HTTP server |
//! | [`reference`] | `docs/METRICS.md` |

mod alerts;
pub mod budget;
pub mod collector;
mod host;
mod own;
pub mod reference;
pub mod server;
mod storage;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::server::page;
use crate::{metric::Metric, notify, probes::PROBES};

/// What is not a probe's, by where it comes from. The last metric of the last section counts the series before it.
const OWN_SECTIONS: &[(&str, &[Metric])] = &[
    ("The node", host::METRICS),
    ("Filesystems and disks", storage::METRICS),
    ("The performance index", crate::index::metrics::METRICS),
    ("Alerts", alerts::METRICS),
    ("Alerts, told", notify::metrics::METRICS),
    ("Reports to the fleet's server", crate::ship::metrics::METRICS),
    ("The agent's budget", crate::budget::metrics::METRICS),
    ("The agent itself", own::METRICS),
];

/// Every metric there is, by where it comes from.
pub fn sections() -> impl Iterator<Item = (&'static str, &'static [Metric])> {
    PROBES.iter().map(|probe| (probe.title, probe.metrics)).chain(OWN_SECTIONS.iter().copied())
}

/// Every metric there is.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    sections().flat_map(|(_, metrics)| metrics)
}
