//! fio(1): loads on a disk, and the times that it measured itself.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

use crate::loop_device::run;

/// What fio says of one direction, all jobs together.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Operations done.
    pub ios: u64,
    /// Their bytes.
    pub bytes: u64,
    /// From the call to the submission.
    pub submission: Times,
    /// From the submission to the completion; for synchronous engines the whole call.
    pub completion: Times,
    /// Both.
    pub total: Times,
}

/// Times that fio measured, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Their mean.
    pub mean: f64,
    /// By percentile, as fio names them: `50.000000`. Off by less than 1.6 %.
    pub percentiles: BTreeMap<String, u64>,
    /// How many, by time.
    pub bins: BTreeMap<u64, u64>,
}

impl Times {
    fn of(value: &Value) -> Self {
        let map = |name: &str| value[name].as_object().into_iter().flatten();
        Self {
            mean: value["mean"].as_f64().unwrap_or(0.0),
            percentiles: map("percentile").filter_map(|(name, ns)| Some((name.clone(), ns.as_u64()?))).collect(),
            bins: map("bins").filter_map(|(ns, count)| Some((ns.parse().ok()?, count.as_u64()?))).collect(),
        }
    }

    /// The median.
    pub fn p50(&self) -> Option<u64> {
        self.percentiles.get("50.000000").copied()
    }
}

/// What fio says of a run with one job or with `--group_reporting`.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Reads.
    pub read: Direction,
    /// Writes.
    pub write: Direction,
    /// Discards.
    pub trim: Direction,
    /// Operations that failed and were passed over (`--continue_on_error`).
    pub errors: u64,
}

/// The command of a load on `file`; `arguments` are fio's own options.
pub fn command(file: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("fio");
    command.args(common(&format!("--filename={file}"))).args(arguments);
    command
}

fn common(place: &str) -> [String; 4] {
    ["--name=load".into(), place.into(), "--group_reporting".into(), "--output-format=json+".into()]
}

/// Runs a load to its end.
///
/// # Panics
///
/// If fio fails or says something else than JSON.
pub fn load(file: &str, arguments: &[&str]) -> Report {
    measured(&format!("--filename={file}"), arguments)
}

/// The same on files in a folder, one for each job.
///
/// # Panics
///
/// As [`load`].
pub fn load_in(folder: &Path, arguments: &[&str]) -> Report {
    measured(&format!("--directory={}", folder.display()), arguments)
}

fn measured(place: &str, arguments: &[&str]) -> Report {
    let common = common(place);
    let all: Vec<&str> = common.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    let output = run("fio", &all);
    // Warnings come before the JSON.
    let json = &output[output.find('{').unwrap_or(0)..];
    let report: Value = serde_json::from_str(json).expect("fio's JSON");
    let job = &report["jobs"][0];
    let direction = |name: &str| Direction {
        ios: job[name]["total_ios"].as_u64().unwrap_or(0),
        bytes: job[name]["io_bytes"].as_u64().unwrap_or(0),
        submission: Times::of(&job[name]["slat_ns"]),
        completion: Times::of(&job[name]["clat_ns"]),
        total: Times::of(&job[name]["lat_ns"]),
    };
    Report {
        read: direction("read"),
        write: direction("write"),
        trim: direction("trim"),
        errors: job["total_err"].as_u64().unwrap_or(0),
    }
}
