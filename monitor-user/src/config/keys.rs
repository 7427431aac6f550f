//! Every key of the configuration, once. The flags, the environment variables, the file's schema, the help, the
//! commented default file and `kpulse config show` are all derived from [`KEYS`].

use std::time::Duration;

use super::{Key, Kind};
use crate::expose::budget::MIN_SERIES;

const US: Duration = Duration::from_micros(1);
const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
const M: Duration = Duration::from_secs(60);
const H: Duration = Duration::from_secs(3600);
const RELOAD: bool = true;
const RESTART: bool = false;

/// A table of keys: its own, then those that whoever judges and tells has, the agent as well as the server.
#[rustfmt::skip] // A table: one line of facts and one of words for each key.
macro_rules! keys_of_a_judge {
    ($($own:expr,)*) => {{
        &[
            $($own,)*
            key("index.mode", "trailing", Kind::Mode(|c| &mut c.index.mode), RESTART,
                "what P is held against: what the node learned, what an operator pinned, or, on a server, the other nodes"),
            key("index.min_requests", "100", Kind::Number(1..=1_000_000_000, |c| &mut c.index.min_requests), RESTART,
                "the fewest requests in a window that give a verdict"),
            key("index.half_life", "24h", Kind::Duration(S..=H.saturating_mul(24 * 365), |c| &mut c.index.half_life), RESTART,
                "after this time what was learned of usual times counts half as much"),
            key("index.learn_requests", "1000", Kind::Number(1..=1_000_000_000, |c| &mut c.index.learn_requests), RESTART,
                "how many requests of a kind make its usual time known"),
            key("index.learn_time", "10m", Kind::Duration(S..=H.saturating_mul(24), |c| &mut c.index.learn_time), RESTART,
                "the least time in which they must have come"),
            key("index.longest_freeze", "24h", Kind::Duration(S..=H.saturating_mul(24 * 365), |c| &mut c.index.longest_freeze), RESTART,
                "how long an alert that fires keeps the usual times from following"),
            key("notify.alertmanagers", "", Kind::Urls(|c| &mut c.notify.alertmanagers.urls), RESTART,
                "Alertmanagers that are told of alerts, each member of a cluster by itself"),
            key("notify.alertmanager_token_file", "", Kind::File(|c| &mut c.notify.alertmanagers.auth.token_file), RESTART,
                "file with the bearer token for Alertmanagers, read anew for each request"),
            key("notify.alertmanager_username", "", Kind::Text(|c| &mut c.notify.alertmanagers.auth.username), RESTART,
                "user name for Alertmanagers, with a password file"),
            key("notify.alertmanager_password_file", "", Kind::File(|c| &mut c.notify.alertmanagers.auth.password_file), RESTART,
                "file with that user's password, read anew for each request"),
            key("notify.webhooks", "", Kind::Urls(|c| &mut c.notify.webhooks.urls), RESTART,
                "URLs that get each alert as an Alertmanager's own webhooks do"),
            key("notify.webhook_token_file", "", Kind::File(|c| &mut c.notify.webhooks.auth.token_file), RESTART,
                "file with the bearer token for webhooks, read anew for each request"),
            key("notify.webhook_username", "", Kind::Text(|c| &mut c.notify.webhooks.auth.username), RESTART,
                "user name for webhooks, with a password file"),
            key("notify.webhook_password_file", "", Kind::File(|c| &mut c.notify.webhooks.auth.password_file), RESTART,
                "file with that user's password, read anew for each request"),
            key("notify.elasticsearch", "", Kind::Urls(|c| &mut c.notify.elasticsearch.urls), RESTART,
                "Elasticsearch servers that get each alert as a document; of a cluster one is enough"),
            key("notify.elasticsearch_token_file", "", Kind::File(|c| &mut c.notify.elasticsearch.auth.token_file), RESTART,
                "file with the bearer token for Elasticsearch, read anew for each request"),
            key("notify.elasticsearch_api_key_file", "", Kind::File(|c| &mut c.notify.elasticsearch.auth.api_key_file), RESTART,
                "file with the encoded API key for Elasticsearch, read anew for each request"),
            key("notify.elasticsearch_username", "", Kind::Text(|c| &mut c.notify.elasticsearch.auth.username), RESTART,
                "user name for Elasticsearch, with a password file"),
            key("notify.elasticsearch_password_file", "", Kind::File(|c| &mut c.notify.elasticsearch.auth.password_file), RESTART,
                "file with that user's password, read anew for each request"),
            key("notify.ca_file", "", Kind::File(|c| &mut c.notify.ca_file), RESTART,
                "certificates in PEM that all these servers are checked against; \"\" takes the system's"),
            key("notify.resend", "1m", Kind::Duration(S..=H, |c| &mut c.notify.resend), RESTART,
                "how often Alertmanagers are told again of alerts that fire"),
            key("notify.external_url", "", Kind::Url(|c| &mut c.notify.external_url), RESTART,
                "where people reach the pages of the agent or the server, for links in alerts; \"\" takes the address at which it listens"),
            key("notify.queue_bytes", "16777216", Kind::Number(65_536..=1 << 30, |c| &mut c.notify.queue_bytes), RESTART,
                "the most bytes on disk for the states of alerts and what is not delivered yet; beyond, the oldest is dropped"),
        ]
    }};
}
pub(super) use keys_of_a_judge;

/// Every key, in the order in which people read them.
#[rustfmt::skip] // A table: one line of facts and one of words for each key.
pub static KEYS: &[Key] = keys_of_a_judge![
    key("listen", "127.0.0.1:9466", Kind::Address(|c| &mut c.listen), RESTART,
        "where the HTTP server listens; port 0 takes any free port"),
    key("interval", "1s", Kind::Duration(MS.saturating_mul(100)..=H, |c| &mut c.interval), RELOAD,
        "time from one sample to the next"),
    key("btf", "", Kind::File(|c| &mut c.btf), RESTART,
        "BTF file of the running kernel; \"\" takes the kernel's own, /sys/kernel/btf/vmlinux"),
    key("user", "", Kind::Text(|c| &mut c.user), RESTART,
        "the user that the agent becomes once its programs are attached; \"\" stays who started it"),
    key("sandbox.system_calls", "true", Kind::Switch(|c| &mut c.sandbox.system_calls), RESTART,
        "allow only the system calls that the agent needs"),
    key("sandbox.files", "true", Kind::Switch(|c| &mut c.sandbox.files), RESTART,
        "allow only the files that the agent needs, where the kernel has Landlock"),
    key("log.level", "info", Kind::Level(|c| &mut c.log.level), RELOAD,
        "the least severe messages that are logged"),
    key("log.format", "human", Kind::Format(|c| &mut c.log.format), RESTART,
        "log lines for people, or one JSON object a line"),
    key("metrics.max_series", "2000", Kind::Number(MIN_SERIES..=1_000_000, |c| &mut c.metrics.max_series), RESTART,
        "the most series on the metrics page; what does not fit is summed up as \"other\""),
    key("metrics.clients", "64", Kind::Number(1..=10_000, |c| &mut c.metrics.clients), RESTART,
        "the most HTTP connections at once"),
    key("probes.sched", "true", Kind::Switch(|c| &mut c.probes.sched), RESTART,
        "measure CPU time, context switches and waits for a CPU"),
    key("probes.block", "true", Kind::Switch(|c| &mut c.probes.block), RESTART,
        "measure block requests"),
    key("probes.tasks", "true", Kind::Switch(|c| &mut c.probes.tasks), RESTART,
        "say which tasks used the CPU, waited for it and moved bytes"),
    key("probes.events", "true", Kind::Switch(|c| &mut c.probes.events), RESTART,
        "log failed and slow requests, long waits and tasks killed for want of memory"),
    key("events.slow_request", "1s", Kind::Threshold(US..=H, |c| &mut c.events.slow_request), RESTART,
        "a block request that takes longer is an event"),
    key("events.long_wait", "1s", Kind::Threshold(US..=H, |c| &mut c.events.long_wait), RESTART,
        "a wait for a CPU that takes longer is an event"),
    key("events.per_second", "32", Kind::Number(1..=10_000, |c| &mut c.events.per_second), RESTART,
        "the most events a second from each CPU; what is beyond is only counted"),
    key("tasks.top", "10", Kind::Number(1..=1000, |c| &mut c.tasks.top), RELOAD,
        "how many tasks are named in each list"),
    key("budget.programs", "0.5%", Kind::Share(|c| &mut c.budget.programs), RELOAD,
        "the most CPU time of the machine that the programs in the kernel may take; above, they give up one thing after another"),
    key("budget.process", "0.5%", Kind::Share(|c| &mut c.budget.process), RELOAD,
        "the most CPU time of the machine that the agent's process may take; above, it looks less often"),
    key("budget.interval", "10s", Kind::Duration(S..=H, |c| &mut c.budget.interval), RELOAD,
        "time from one measurement of them to the next; the kernel times the programs for a hundredth of it"),
    key("budget.patience", "30s", Kind::Duration(S..=H, |c| &mut c.budget.patience), RELOAD,
        "how long the programs may take more than their budget before the next thing is given up; the process six times as long"),
    key("budget.hold", "5m", Kind::Duration(S..=H.saturating_mul(24), |c| &mut c.budget.hold), RELOAD,
        "how long they must take less before the last thing is tried again; twice as long each time that was too early"),
    key("record.max_bytes", "4194304", Kind::Number(0..=1 << 30, |c| &mut c.record.max_bytes), RESTART,
        "the most memory for the last ten minutes of samples; 0 records nothing"),
    key("record.keep", "10", Kind::Number(0..=10_000, |c| &mut c.record.keep), RELOAD,
        "how many recordings of alerts are kept on disk; 0 writes none"),
    key("rules.file", "", Kind::File(|c| &mut c.rules.file), RELOAD,
        "file of alert rules; \"\" for the built-in rules alone"),
    key("host.proc", "/proc", Kind::Directory(|c| &mut c.host.proc), RESTART,
        "where proc is mounted"),
    key("host.sys", "/sys", Kind::Directory(|c| &mut c.host.sys), RESTART,
        "where sysfs is mounted"),
    key("host.root", "/", Kind::Directory(|c| &mut c.host.root), RESTART,
        "the directory under which the host's mount points are: in a container, where / of the host is"),
    key("host.devices", "", Kind::Text(|c| &mut c.host.devices), RESTART,
        "the block devices that are measured: patterns with | between them, such as nvme*|sd?, or with ! before them all but those; \"\" takes all"),
    key("host.filesystem_interval", "15s", Kind::Duration(S..=H, |c| &mut c.host.filesystem_interval), RESTART,
        "time from one look at the filesystems' space to the next"),
    key("host.filesystem_timeout", "1s", Kind::Duration(MS.saturating_mul(10)..=M, |c| &mut c.host.filesystem_timeout), RESTART,
        "how long a filesystem may take to answer before it is left out"),
    key("state.dir", "/var/lib/kpulse", Kind::Directory(|c| &mut c.state.dir), RESTART,
        "where baselines, alerts and recordings are kept over a restart"),
    key("judge.interval", "10s", Kind::Duration(S..=H, |c| &mut c.judge.interval), RESTART,
        "time from one judgement to the next"),
    key("judge.window", "1m", Kind::Duration(S..=H.saturating_mul(6), |c| &mut c.judge.window), RESTART,
        "how long a time is judged, a multiple of judge.interval"),
    key("server.url", "", Kind::Url(|c| &mut c.server.url), RESTART,
        "the fleet's server that is sent a report each server.interval; \"\" sends none"),
    key("server.token_file", "", Kind::File(|c| &mut c.server.token_file), RESTART,
        "file with this node's token for the server, read anew for each request"),
    key("server.ca_file", "", Kind::File(|c| &mut c.server.ca_file), RESTART,
        "certificates in PEM that the server is checked against, read again when they change; \"\" takes the system's"),
    key("server.cert_file", "", Kind::File(|c| &mut c.server.cert_file), RESTART,
        "certificate in PEM that tells the server who this node is, in place of a token; read again when it changes"),
    key("server.key_file", "", Kind::File(|c| &mut c.server.key_file), RESTART,
        "the key of that certificate, in PEM; read again when it changes"),
    key("server.name", "", Kind::Text(|c| &mut c.server.name), RESTART,
        "this node's name in the fleet; \"\" takes the host's"),
    key("server.interval", "10s", Kind::Duration(S..=H, |c| &mut c.server.interval), RESTART,
        "time from one report to the next"),
    key("server.spool_bytes", "67108864", Kind::Number(65_536..=1 << 36, |c| &mut c.server.spool_bytes), RESTART,
        "the most bytes on disk for reports that the server has not got yet; beyond, the oldest is dropped"),
    key("server.spool_age", "24h", Kind::Duration(S..=H.saturating_mul(24 * 365), |c| &mut c.server.spool_age), RESTART,
        "how long a report waits for the server before it is dropped"),
];

pub(super) const fn key(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    reload: bool,
    help: &'static str,
) -> Key {
    Key { name, default, kind, reload, help }
}
