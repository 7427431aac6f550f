//! One minute under a real Prometheus, which scrapes every two seconds. It is lived through once; each test looks at
//! another side of it.

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
    time::Duration,
};

use serde_json::Value;
use tests::{
    agent::{Agent, is_shipped},
    exposition::Scrape,
    guard::Running,
    http, root_or_skip,
    scratch::Scratch,
    skip::alone,
    tool_or_skip, wait,
};

const EVERY: f64 = 2.0;
const SECONDS: u64 = 60;

/// What was seen.
struct Minute {
    /// When each scrape of the minute was, in seconds since 1970, and whether it was answered.
    up: Vec<(f64, bool)>,
    /// Its length in seconds.
    seconds: f64,
    /// The answers to [`QUERIES`].
    answers: Vec<Value>,
    /// The last scrape.
    text: String,
    /// Resident memory of the agent in bytes, as /proc says.
    resident: u64,
    log: Vec<String>,
}

const QUERIES: [&str; 6] = [
    "sum(rate(kpulse_context_switches_total[30s]))",
    "histogram_quantile(0.99, rate(kpulse_run_queue_wait_seconds_bucket[30s]))",
    "sum(rate(kpulse_cpu_busy_seconds_total[30s])) / count(kpulse_cpu_online)",
    "kpulse_memory_available_bytes / kpulse_memory_total_bytes",
    "count({__name__=~\"kpulse_.+\"})",
    "sum(kpulse_probe_state)",
];

static MINUTE: LazyLock<Minute> = LazyLock::new(live);

fn live() -> Minute {
    let _alone = alone();
    let agent = Agent::start::<&str>([]);
    let scratch = Scratch::new();
    let (prometheus, address) = start_prometheus(&scratch, agent.address);
    let scraped = || value(&query(address, "time() - timestamp(up)")?).filter(|age| *age < 2.0 * EVERY);
    wait::until("the first scrape", scraped);
    let begun = now(address);
    thread::sleep(Duration::from_secs(SECONDS));
    let seconds = now(address) - begun;
    let range = query(address, &format!("up[{}s]", seconds.ceil())).expect("the answer of Prometheus");
    let values = range["data"]["result"][0]["values"].as_array().expect("values of up").clone();
    let up = values.iter().map(|pair| (pair[0].as_f64().expect("a time"), pair[1] == "1")).collect();
    let answers = QUERIES.iter().map(|text| query(address, text).expect("the answer of Prometheus")).collect();
    drop(prometheus);
    let text = agent.get("/metrics");
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("the agent's status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let resident = resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10;
    Minute { up, seconds, answers, text, resident, log: agent.log() }
}

fn start_prometheus(scratch: &Scratch, target: SocketAddr) -> (Running, SocketAddr) {
    let config = scratch.file(
        "prometheus.yml",
        format!(
            "global: {{scrape_interval: {EVERY}s, scrape_timeout: {EVERY}s}}\n\
             scrape_configs: [{{job_name: kpulse, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
        ),
    );
    // Another program could take the port in between; Prometheus would then end, and nobody answer.
    let address = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let log = fs::File::create(scratch.path().join("prometheus.log")).expect("a file of our own");
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()));
    command.arg(format!("--web.listen-address={address}"));
    let running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log));
    wait::until("Prometheus", || http::get(address, "/-/ready").ok().filter(|answer| answer.status == 200));
    (running, address)
}

fn query(address: SocketAddr, text: &str) -> Option<Value> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let escaped: String = text
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let answer = http::get(address, &format!("/api/v1/query?query={escaped}")).ok()?;
    serde_json::from_str::<Value>(&answer.body).ok().filter(|answer| answer["status"] == "success")
}

/// The value of the only series, or of a scalar.
fn value(answer: &Value) -> Option<f64> {
    let result = &answer["data"]["result"];
    let pair = if answer["data"]["resultType"] == "scalar" { result } else { &result[0]["value"] };
    pair[1].as_str()?.parse().ok()
}

fn now(address: SocketAddr) -> f64 {
    query(address, "time()").as_ref().and_then(value).expect("Prometheus' clock")
}

#[test]
fn a_prometheus_scrapes_the_agent_for_a_minute_without_a_gap() {
    root_or_skip!("a_prometheus_scrapes_the_agent_for_a_minute_without_a_gap");
    tool_or_skip!("a_prometheus_scrapes_the_agent_for_a_minute_without_a_gap", "prometheus");
    let Minute { up, seconds, log, .. } = &*MINUTE;
    let longest = up.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max);
    println!("{} scrapes in {seconds:.1} s, at most {longest:.3} s apart", up.len());
    assert!(up.iter().all(|(_, answered)| *answered), "{up:?}");
    assert!(up.len() as f64 >= (seconds / EVERY).floor() - 1.0, "{up:?}");
    assert!(longest < 2.0 * EVERY, "{up:?}");
    assert!(!log.iter().any(|line| line.contains("ERROR") || line.contains("panicked")), "{log:?}");
}

#[test]
fn queries_through_the_api_of_prometheus_give_the_figures() {
    root_or_skip!("queries_through_the_api_of_prometheus_give_the_figures");
    tool_or_skip!("queries_through_the_api_of_prometheus_give_the_figures", "prometheus");
    let values: Vec<f64> = MINUTE.answers.iter().map(|answer| value(answer).unwrap_or(f64::NAN)).collect();
    QUERIES.iter().zip(&values).for_each(|(query, value)| println!("{query} = {value}"));
    let [switches, wait, utilisation, memory, names, probes] = values[..] else { panic!("{values:?}") };
    assert!(switches > 0.0 && names > 50.0 && probes == 4.0, "{values:?}");
    assert!(wait > 0.0 && wait < 100.0, "the 99th percentile of the wait is {wait} s");
    assert!((0.0..=1.0).contains(&utilisation) && (0.0..=1.0).contains(&memory), "{values:?}");
}

#[test]
fn promtool_finds_nothing_wrong_with_a_scrape() {
    root_or_skip!("promtool_finds_nothing_wrong_with_a_scrape");
    tool_or_skip!("promtool_finds_nothing_wrong_with_a_scrape", "promtool");
    tool_or_skip!("promtool_finds_nothing_wrong_with_a_scrape", "prometheus");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = command.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(MINUTE.text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn after_a_minute_the_agent_and_its_maps_are_small() {
    root_or_skip!("after_a_minute_the_agent_and_its_maps_are_small");
    tool_or_skip!("after_a_minute_the_agent_and_its_maps_are_small", "prometheus");
    const MIB: f64 = (1 << 20) as f64;
    let scrape = Scrape::parse(&MINUTE.text);
    let [told, maps] =
        ["kpulse_self_resident_bytes", "kpulse_self_map_bytes"].map(|name| scrape.value(name).unwrap() / MIB);
    let resident = MINUTE.resident as f64 / MIB;
    println!("{resident:.2} MiB resident ({told:.2} by its own account), {maps:.2} MiB of kernel maps");
    assert!((told / resident - 1.0).abs() < 0.25, "{told} MiB by its own account, {resident} by /proc's");
    assert!(maps <= 4.0, "{maps} MiB of kernel maps, more than 4");
    assert!(!is_shipped() || resident <= 16.0, "{resident} MiB resident, more than 16");
}
