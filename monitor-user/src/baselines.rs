//! The baselines on disk, and an operator's requests to the agent that holds them.
//!
//! In: a state directory. The agent reads `baseline.json` at its start and writes it now and then. `kpulse baseline` changes
//! nothing in it: it leaves a request in a file of its own under `baseline-requests`, which the agent takes up at its next step
//! or at its start. So there is one writer of each file, and no request is lost: the baselines are saved before
//! it is removed. A request that is taken up a second time, after a loss of power, does the same again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use monitor_common::indexed_enum;
use serde::{Deserialize, Serialize};

use crate::{
    durable::{self, Error},
    index::{Signal, baseline::Baselines},
};

indexed_enum! {
    /// What an operator wants.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Action {
        /// As [`Baselines::pin`].
        Pin = "pin",
        /// As [`Baselines::unpin`].
        Unpin = "unpin",
        /// As [`Baselines::reset`].
        Reset = "reset",
    }
}

/// What an operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    pub action: Action,
    /// With the baselines of what; absent for all.
    pub signal: Option<Signal>,
    /// When it was asked for, in nanoseconds since 1970.
    pub asked_ns: u64,
}

/// Baselines as they were saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// When, in nanoseconds since 1970.
    pub saved_ns: u64,
    /// What they were.
    pub baselines: Baselines,
}

/// The file of the baselines in a state directory.
pub fn file(state: &Path) -> PathBuf {
    state.join("baseline.json")
}

fn requests(state: &Path) -> PathBuf {
    state.join("baseline-requests")
}

/// Reads them; `None` if there are none yet.
///
/// # Errors
///
/// If the file cannot be read, is damaged, or holds what no baselines are. The caller begins anew, and says so.
pub fn load(state: &Path) -> Result<Option<Saved>, Error> {
    let path = file(state);
    let Some(bytes) = durable::load(&path)? else { return Ok(None) };
    let saved: Saved = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?;
    if !saved.baselines.is_sound() {
        return Err(Error::Damaged { path, reason: "its numbers are no baselines".into() });
    }
    Ok(Some(saved))
}

/// Writes them.
///
/// # Errors
///
/// If the system refuses; what was there before is there still.
pub fn save(state: &Path, baselines: &Baselines, now_ns: u64) -> Result<(), Error> {
    let saved = Saved { saved_ns: now_ns, baselines: baselines.clone() };
    let bytes = serde_json::to_vec(&saved).map_err(|error| Error::Io {
        path: file(state),
        what: "written",
        source: error.into(),
    })?;
    durable::save(&file(state), &bytes)
}

/// Leaves a request for the agent.
///
/// # Errors
///
/// If the system refuses.
pub fn ask(state: &Path, request: &Request) -> Result<(), Error> {
    // By time, so that the agent takes them in their order; by process, so that two never meet.
    let path = requests(state).join(format!("{:020}-{}.json", request.asked_ns, std::process::id()));
    let bytes = serde_json::to_vec(request).map_err(|error| Error::Io {
        path: path.clone(),
        what: "written",
        source: error.into(),
    })?;
    durable::save(&path, &bytes)
}

/// What was asked for and not yet taken up, in the order in which it was asked, with its file.
///
/// # Errors
///
/// If the directory cannot be read. A request that cannot be is an entry with its error.
#[expect(clippy::type_complexity, reason = "a list of files, each with what is in it")]
pub fn pending(state: &Path) -> Result<Vec<(PathBuf, Result<Request, Error>)>, Error> {
    let directory = requests(state);
    let entries = match fs::read_dir(&directory) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|source| Error::Io { path: directory, what: "read", source })?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    // One that is being written is not there yet.
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| -> Result<Request, Error> {
        let gone = || Error::Damaged { path: path.clone(), reason: "it has gone".into() };
        serde_json::from_slice(&durable::load(path)?.ok_or_else(gone)?)
            .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })
    };
    Ok(paths.into_iter().map(|path| (path.clone(), read(&path))).collect())
}

/// Does what was asked for, saves the baselines if something was, and removes the requests, damaged ones too. Returns a line
/// for the log for each, and whether it was done.
///
/// # Errors
///
/// If the requests cannot be read or the baselines cannot be saved; the requests are there still.
pub fn take_requests(state: &Path, baselines: &mut Baselines, now_ns: u64) -> Result<Vec<(bool, String)>, Error> {
    let pending = pending(state)?;
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let mut said = Vec::new();
    for (_, request) in &pending {
        match request {
            Ok(request) => apply(request, baselines, now_ns, &mut said),
            Err(error) => said.push((false, format!("a request was left out: {error}"))),
        }
    }
    save(state, baselines, now_ns)?;
    for (path, _) in &pending {
        durable::remove(path)?;
    }
    Ok(said)
}

fn apply(request: &Request, baselines: &mut Baselines, now_ns: u64, said: &mut Vec<(bool, String)>) {
    let all = Signal::ALL.iter().filter(|signal| request.signal.is_none_or(|only| only == **signal));
    for &signal in all {
        let name = signal.name();
        said.push(match request.action {
            Action::Pin => match baselines.pin(signal, now_ns) {
                Ok(()) => (true, format!("the baseline of {name} is pinned")),
                Err(nothing) => (false, nothing.to_string()),
            },
            Action::Unpin => match baselines.unpin(signal) {
                true => (true, format!("the baseline of {name} is no longer pinned")),
                false => (false, format!("no baseline of {name} was pinned")),
            },
            Action::Reset => {
                baselines.reset(signal);
                (true, format!("the baseline of {name} is learned anew"))
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        durable::tests::Directory,
        host::Class,
        index::{
            Load, Mode, Part, Stratum,
            baseline::{Interval, Learning},
        },
    };

    const WAITS: Stratum = Stratum { class: Class::Unknown, operation: 0, size: 0 };

    fn learned() -> Baselines {
        let mut baselines = Baselines::default();
        let learning = Learning { time: Duration::ZERO, ..Learning::default() };
        let done = [(Part { device: String::new(), stratum: WAITS }, Load { requests: 1_000, seconds: 0.1 })].into();
        let interval = Interval { seconds: 10.0, end_ns: 1 };
        baselines.learn(Signal::RunQueue, "", &done, interval, false, &learning);
        baselines
    }

    fn request(action: Action, signal: Option<Signal>, asked_ns: u64) -> Request {
        Request { action, signal, asked_ns }
    }

    #[test]
    fn what_was_saved_is_loaded_and_what_is_none_is_refused() {
        let directory = Directory::new();
        assert_eq!(load(&directory.0).unwrap(), None);
        save(&directory.0, &learned(), 7).unwrap();
        assert_eq!(load(&directory.0).unwrap(), Some(Saved { saved_ns: 7, baselines: learned() }));
        let mut unsound = learned();
        unsound.books[0].strata[0].mean_seconds = -1.0;
        save(&directory.0, &unsound, 7).unwrap();
        assert!(load(&directory.0).unwrap_err().to_string().contains("baseline.json is damaged: its numbers are no"));
        durable::save(&file(&directory.0), b"{}").unwrap();
        assert!(load(&directory.0).unwrap_err().to_string().contains("missing field"));
    }

    #[test]
    fn requests_are_done_in_their_order_and_once() {
        let directory = Directory::new();
        let mut baselines = learned();
        assert_eq!(take_requests(&directory.0, &mut baselines, 9).unwrap(), []);
        ask(&directory.0, &request(Action::Reset, Some(Signal::RunQueue), 10)).unwrap();
        ask(&directory.0, &request(Action::Pin, None, 2)).unwrap();
        fs::write(directory.0.join("baseline-requests/00000000000000000003-1.json"), "garbage\n").unwrap();
        fs::write(directory.0.join("baseline-requests/00000000000000000004-1.json.new"), "half").unwrap();
        let said = take_requests(&directory.0, &mut baselines, 9).unwrap();
        let done: Vec<bool> = said.iter().map(|(done, _)| *done).collect();
        assert_eq!(done, [false, true, false, true], "{said:?}");
        assert_eq!(said[0].1.split(": ").next(), Some("the baseline of block cannot be pinned"));
        assert_eq!(baselines.mean(Mode::Pinned, Signal::RunQueue, "", WAITS), Some(1e-4));
        assert_eq!(baselines.mean(Mode::Trailing, Signal::RunQueue, "", WAITS), None);
        assert_eq!(load(&directory.0).unwrap().unwrap().baselines, baselines, "saved before they are removed");
        assert_eq!(take_requests(&directory.0, &mut baselines, 9).unwrap(), []);
    }

    #[test]
    fn a_request_stays_until_the_baselines_could_be_saved() {
        let directory = Directory::new();
        ask(&directory.0, &request(Action::Pin, Some(Signal::RunQueue), 1)).unwrap();
        fs::create_dir_all(file(&directory.0)).unwrap();
        let mut baselines = learned();
        assert!(take_requests(&directory.0, &mut baselines, 9).is_err());
        assert_eq!(pending(&directory.0).unwrap().len(), 1);
    }
}
