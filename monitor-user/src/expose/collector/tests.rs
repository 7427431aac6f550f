use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::*;
use crate::expose::testing::node;

fn render(snapshot: Snapshot) -> String {
    let exposition = Exposition::new(2000).unwrap();
    exposition.observe(&Arc::new(snapshot));
    String::from_utf8(exposition.render().unwrap().to_vec()).unwrap()
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

#[test]
fn every_definition_is_in_a_scrape_of_a_node_in_full() {
    let text = render(node(2, 2));
    for metric in metrics() {
        assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} is missing", metric.name);
    }
}

#[test]
fn a_scrape_says_what_the_sample_says() {
    let text = render(node(2, 2));
    for (series, expected) in [
        ("kpulse_cpu_busy_seconds_total{cpu=\"1\"}", 0.0707),
        ("kpulse_context_switches_total{cpu=\"0\",kind=\"preempted\"}", 200.0),
        ("kpulse_run_queue_wait_seconds_count", 201.0),
        ("kpulse_run_queue_wait_seconds_bucket{le=\"0.00000762939453125\"}", 0.0),
        ("kpulse_run_queue_wait_seconds_bucket{le=\"0.0000152587890625\"}", 201.0),
        ("kpulse_block_requests_total{device=\"sd1\",operation=\"write\",size=\"4KiB\"}", 11.0),
        ("kpulse_block_bytes_total{device=\"sd0\",operation=\"read\",size=\"inf\"}", 10485760.0),
        ("kpulse_block_request_seconds_count{device=\"sd0\",operation=\"read\"}", 30.0),
        ("kpulse_block_errors_total{device=\"sd1\",operation=\"read\",error=\"medium\"}", 1.0),
        ("kpulse_block_in_flight{device=\"sd1\"}", 2.0),
        ("kpulse_events_total{kind=\"long_wait\"}", 66.0),
        ("kpulse_filesystem_up{mount=\"/mnt/a b\\n\",device=\"/dev/sd0\",fstype=\"ext4\"}", 0.0),
        ("kpulse_node_info{hostname=\"node \\\"one\\\"\\\\\",kernel=\"6.18.0\",boot_id=\"b\"}", 1.0),
        ("kpulse_diskstats_requests_total{device=\"dm-0\",operation=\"read\"}", 12.0),
        ("kpulse_disk_info{device=\"dm-0\",class=\"stacked\",source=\"diskstats\"}", 1.0),
        ("kpulse_probe_state{probe=\"block\",reason=\"the field request.start_time_ns is missing\"}", 0.0),
        ("kpulse_series_dropped", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
}

#[test]
fn what_is_absent_from_the_sample_is_absent_from_the_scrape() {
    let mut snapshot = node(2, 2);
    snapshot.sample = Arc::new(crate::sample::Sample {
        sched: None,
        block: None,
        tasks: None,
        events: None,
        host: Default::default(),
        ..crate::sample::Sample::clone(&snapshot.sample)
    });
    let text = render(snapshot);
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.iter().all(|f| f.starts_with("kpulse_self") || !f.contains("cpu")), "{families:?}");
    assert!(!text.contains("kpulse_block") && !text.contains("kpulse_tasks") && !text.contains("kpulse_memory"));
    assert!(text.contains("kpulse_build_info"));
}

#[test]
fn the_series_that_a_scrape_says_it_has_are_those_it_has() {
    let text = render(node(3, 2));
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(value(&text, "kpulse_series"), lines as f64);
}

#[test]
fn the_series_of_the_node_as_a_whole_fit_in_their_share() {
    let mut snapshot = node(1, 0);
    Arc::make_mut(&mut snapshot.sample).host.networks.clear();
    Arc::make_mut(&mut snapshot.sample).host.filesystems.clear();
    Arc::make_mut(&mut snapshot.sample).host.disks.clear();
    snapshot.status.agreement.clear();
    Arc::make_mut(&mut snapshot.sample).host.failures.clear();
    let share = crate::expose::budget::node_series(&snapshot.status);
    let text = render(snapshot);
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("cpu=\"0\"")).count();
    // What a node may have on top: 14 parts that could not be read, pressure by interrupts, the figures that agree.
    assert!(lines + 14 + 1 + 5 <= share, "{lines} of {share}");
}

#[test]
fn one_rendering_serves_all_scrapes_until_the_next_snapshot() {
    let exposition = Exposition::new(2000).unwrap();
    assert!(exposition.render().unwrap().is_empty(), "nothing before the first snapshot");
    let snapshot = Arc::new(node(1, 1));
    exposition.observe(&snapshot);
    let first = exposition.render().unwrap();
    exposition.observe(&snapshot);
    assert_eq!(exposition.render().unwrap().as_ptr(), first.as_ptr());
    exposition.observe(&Arc::new(node(1, 1)));
    let text = String::from_utf8(exposition.render().unwrap().to_vec()).unwrap();
    assert_eq!(value(&text, "kpulse_scrapes_total"), 3.0);
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        eprintln!("SKIPPED promtool_finds_nothing_to_complain_about: promtool is not installed");
        return;
    };
    let text = render(node(4, 40));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
