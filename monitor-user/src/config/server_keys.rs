//! Every key of the server's configuration, once, as [`super::keys`] has those of the agent. What both have means the same in both,
//! but for its default.

use std::time::Duration;

use super::{
    Key, Kind,
    keys::{key, keys_of_a_judge},
};

const S: Duration = Duration::from_secs(1);
const M: Duration = Duration::from_secs(60);
const H: Duration = Duration::from_secs(3600);
const D: Duration = Duration::from_secs(24 * 3600);
const RELOAD: bool = true;
const RESTART: bool = false;

/// Every key of the server, in the order in which people read them.
#[rustfmt::skip] // A table: one line of facts and one of words for each key.
pub static SERVER_KEYS: &[Key] = keys_of_a_judge![
    key("listen", "127.0.0.1:9467", Kind::Address(|c| &mut c.listen), RESTART,
        "where the server listens; beyond loopback only with TLS"),
    key("log.level", "info", Kind::Level(|c| &mut c.log.level), RELOAD,
        "the least severe messages that are logged"),
    key("log.format", "human", Kind::Format(|c| &mut c.log.format), RESTART,
        "log lines for people, or one JSON object a line"),
    key("tls.cert_file", "", Kind::File(|c| &mut c.tls.cert_file), RESTART,
        "the server's certificate and those between it and its authority, in PEM; read again when it changes"),
    key("tls.key_file", "", Kind::File(|c| &mut c.tls.key_file), RESTART,
        "the key of that certificate, in PEM; read again when it changes"),
    key("tls.client_ca_file", "", Kind::File(|c| &mut c.tls.client_ca_file), RESTART,
        "authorities in PEM whose certificates prove the name of a node; read again when it changes"),
    key("state.dir", "/var/lib/kpulse-server", Kind::Directory(|c| &mut c.state.dir), RESTART,
        "where reports, tokens, baselines and alerts are kept"),
    key("nodes.most", "20000", Kind::Number(1..=1_000_000, |c| &mut c.nodes.most), RESTART,
        "the most nodes; a report of one more is turned away"),
    key("nodes.clients", "25000", Kind::Number(1..=1_000_000, |c| &mut c.nodes.clients), RESTART,
        "the most connections at once"),
    key("nodes.down_after", "30s", Kind::Duration(S..=H, |c| &mut c.nodes.down_after), RESTART,
        "after so long without a report a node is down, and leaves the index"),
    key("nodes.forget_after", "24h", Kind::Duration(M..=D.saturating_mul(365), |c| &mut c.nodes.forget_after), RESTART,
        "after so long without a report a node is forgotten, and its alerts end"),
    key("nodes.max_series", "1000", Kind::Number(0..=1_000_000, |c| &mut c.nodes.max_series), RESTART,
        "how many nodes have a series of their own on the metrics page, the slowest first"),
    key("rules.file", "", Kind::File(|c| &mut c.rules.file), RELOAD,
        "file of alert rules for the fleet; \"\" for the built-in rules alone"),
    key("judge.interval", "10s", Kind::Duration(S..=H, |c| &mut c.judge.interval), RESTART,
        "time from one judgement to the next"),
    key("judge.window", "1m", Kind::Duration(S..=M.saturating_mul(10), |c| &mut c.judge.window), RESTART,
        "how long a time is judged, a multiple of judge.interval"),
    key("store.full_for", "24h", Kind::Duration(M..=D.saturating_mul(365), |c| &mut c.store.full_for), RESTART,
        "how long reports are kept as they came"),
    key("store.minutes_for", "720h", Kind::Duration(M..=D.saturating_mul(3650), |c| &mut c.store.minutes_for), RESTART,
        "how long their sums over a minute are kept"),
    key("store.hours_for", "8760h", Kind::Duration(M..=D.saturating_mul(3650), |c| &mut c.store.hours_for), RESTART,
        "how long their sums over an hour are kept"),
    key("store.max_bytes", "107374182400", Kind::Number(1 << 24..=1 << 50, |c| &mut c.store.max_bytes), RESTART,
        "the most bytes of the database; beyond, the oldest goes first"),
];
