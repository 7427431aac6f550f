//! The reference of the metrics, `docs/METRICS.md`, out of their definitions.

use std::fmt::Write as _;

use crate::metric::{Kind, Metric};

use super::{budget::MIN_SERIES, sections};

/// The page, in Markdown.
pub fn page() -> String {
    let mut out = format!(
        "<!-- Generated from the definitions: UPDATE_DOCS=1 cargo test -p monitor-user metrics_page -->\n\
         # Metrics\n\n\
         What `/metrics` serves. All times are in seconds, all sizes in bytes. Counters begin with the agent, those from\n\
         /proc and /sys with the node. What a node does not have, or what could not be read, has no series.\n\n\
         ## Histograms\n\n\
         The buckets (`le`) are the powers of two from 2^-20 s (0.95 µs) to 2^5 s (32 s), and `+Inf`. They are exact: each is\n\
         a bound of the histogram that the kernel side keeps, which has eight buckets to each power of two. With `_sum` and\n\
         `_count` a histogram is {} series.\n\n\
         ## The limit\n\n\
         A scrape has at most `metrics.max_series` series (2,000 by default, at least {MIN_SERIES}), every bucket counted. What\n\
         has no room is added up under the label value `other`:\n\n\
         - CPUs in `cpu=\"other\"`, interfaces in `interface=\"other\"`.\n\
         - A disk gives up its parts one after another: first its figures by size (they are in `size=\"other\"` of that disk) and\n\
         \x20 the histograms of queue and device time, then that of the request time, then all it has. What it gives up, sizes\n\
         \x20 apart, is in `device=\"other\"`, which tells apart only `operation` `read`, `write` and `other`, with all sizes under\n\
         \x20 `size=\"other\"` and all errors under `error=\"other\"`. The mean queue and device time of a disk without these\n\
         \x20 histograms can still be told from `kpulse_block_time_seconds_total`.\n\
         - Every disk has its request time before one has more than that. At the start the busiest disks come first, later\n\
         \x20 the first to complete a request.\n\
         - Filesystems and disk infos without room are left out and counted in `kpulse_series_dropped`.\n\n\
         At any moment the series of a counter, `other` among them, add up to the whole. What has series of its own keeps\n\
         them, and what is in `other` stays there until the agent restarts, so that no counter goes down for want of room.\n\n\
         When a CPU, interface or disk vanishes, its series end. When it comes back, or is replaced under the same name or\n\
         number, its series start from its new counters, lower than before: a counter's reset, which `rate()` knows. What\n\
         vanishes from within `other` leaves its totals there: `other` never goes down and never jumps.\n",
        crate::metric::HISTOGRAM_SERIES,
    );
    for (title, metrics) in sections() {
        let _ = write!(out, "\n## {title}\n\n| name | type | labels | what it says |\n|---|---|---|---|\n");
        metrics.iter().for_each(|metric| row(&mut out, metric));
    }
    out.push_str(
        "\n## The server\n\nWhat `/metrics` of `kpulse server` serves. Counters begin with the server.\n\n\
         | name | type | labels | what it says |\n|---|---|---|---|\n",
    );
    for metric in crate::server::metrics::METRICS {
        line(&mut out, metric.name, metric.kind, metric.labels, metric.help);
    }
    out
}

fn row(out: &mut String, metric: &Metric) {
    line(out, metric.name, metric.kind, metric.labels, metric.help);
}

fn line(out: &mut String, name: &str, kind: Kind, labels: &[&str], help: &str) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let _ = writeln!(out, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use super::*;

    #[test]
    fn metrics_page_is_what_the_definitions_say() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
        if env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&file, page()).expect("docs/METRICS.md can be written");
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == page(),
            "docs/METRICS.md is not what the definitions say; to refresh it: UPDATE_DOCS=1 cargo test -p monitor-user metrics_page"
        );
    }

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let mut seen = std::collections::BTreeSet::new();
        let agent = super::super::metrics().map(|metric| (metric.name, metric.kind, metric.help, metric.labels));
        let server = crate::server::metrics::METRICS.iter().map(|m| (m.name, m.kind, m.help, m.labels));
        for (name, kind, help, labels) in agent.chain(server) {
            assert!(seen.insert(name), "{name} is defined twice");
            assert!(name.starts_with("kpulse_"), "{name}");
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(help.ends_with('.') && !help.contains('|'), "{name}");
            assert!(!labels.contains(&"le"), "{name}");
        }
    }
}
