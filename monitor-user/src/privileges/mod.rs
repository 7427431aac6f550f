//! Gives up, once the programs are attached, whatever measuring does not need.
//!
//! In: the configuration, and the programs, loaded. Out: how the process is held from then on, for the log, for
//! `kpulse check` and for the metric `kpulse_privileges`. All of it is for good. `docs/PRIVILEGES.md` says what each part
//! means for those who run the agent, and for those who change it.
//!
//! The order matters. Another user first, because that takes capabilities; then capabilities, because reading without them has
//! to be tried before the filter of system calls says no to everything else; then files, and the filter last. All of it
//! but the filter belongs to a thread, so it comes before there is a second one.

pub mod calls;
pub mod capabilities;
pub mod files;
pub mod filter;
pub mod user;

use std::fs;

use anyhow::{Context as _, Result, ensure};
use landlock::RulesetStatus;

use self::calls::{CALLS, HELPERS_CALLS};
use crate::{
    config::{Config, Sources},
    kernel::load::Loaded,
    status::Restraint,
};

/// Gives up what is not needed any more. What a kernel does not offer is left out, with its reason.
///
/// # Errors
///
/// If the process cannot become the user that the configuration names, has threads already, or could not give up what it
/// holds.
pub fn give_up(config: &Config, sources: &Sources, loaded: &mut Loaded) -> Result<Vec<Restraint>> {
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    ensure!(threads == 1, "there are {threads} threads before privileges were given up: this is a fault of kpulse");
    capabilities::bound().context("capabilities cannot be bounded")?;
    if let Some(name) = &config.user {
        user::become_user(name, &config.state.dir)?;
    } else {
        let state = &config.state.dir;
        // Whoever writes there later hears of the restraint alone.
        if let Err(error) = fs::create_dir_all(state) {
            tracing::error!(
                "the state directory {} cannot be made: {error}: nothing is kept beyond the agent's end, until one is restarted \
                 that can make it",
                state.display()
            );
        }
    }
    let name = user::name();
    let mut restraints = vec![Restraint::new("user", &name, !nix::unistd::Uid::effective().is_root())];

    let kept = capabilities::reduce()
        .and_then(|()| capabilities::keep_what_reading_needs(|| loaded.try_reading()))
        .context("capabilities cannot be given up")?;
    let state = kept.map_or_else(|| "none".into(), |kept| kept.to_string());
    restraints.push(Restraint::new("capabilities", &state, true));

    nix::sys::prctl::set_no_new_privs().context("new privileges cannot be ruled out")?;
    restraints.push(Restraint::new("new_privileges", "none", true));

    restraints.push(match config.sandbox.files {
        false => Restraint::new("files", "off: sandbox.files is false", false),
        true => of_files(files::restrict(&files::Places::of(config, sources))),
    });
    restraints.push(match config.sandbox.system_calls {
        false => Restraint::new("system_calls", "off: sandbox.system_calls is false", false),
        true => match filter::apply(CALLS) {
            Ok(()) => Restraint::new("system_calls", "filtered", true),
            Err(error) => Restraint::new("system_calls", &format!("off: {error}"), false),
        },
    });
    Ok(restraints)
}

/// For the helper that times the programs: gives up all but the one capability that this takes, and a few system calls.
///
/// # Errors
///
/// If it could not give up what it holds.
pub fn give_up_all_but_timing() -> Result<()> {
    capabilities::bound()
        .and_then(|()| capabilities::keep_what_timing_needs())
        .context("capabilities cannot be given up")?;
    nix::sys::prctl::set_no_new_privs().context("new privileges cannot be ruled out")?;
    // As with the agent's own: a kernel or an architecture without filters is no reason to do without figures.
    let _ = filter::apply(HELPERS_CALLS);
    Ok(())
}

fn of_files(status: Result<RulesetStatus, landlock::RulesetError>) -> Restraint {
    match status {
        Ok(RulesetStatus::FullyEnforced) => Restraint::new("files", "landlock", true),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Restraint::new("files", "landlock, as far as the kernel knows it", true)
        }
        Ok(RulesetStatus::NotEnforced) => Restraint::new("files", "off: the kernel has no Landlock", false),
        Err(error) => Restraint::new("files", &format!("off: {error}"), false),
    }
}

/// How the process is held, in one line for the log.
pub fn line(restraints: &[Restraint]) -> String {
    let part = |restraint: &Restraint| format!("{} {}", restraint.name.replace('_', " "), restraint.state);
    restraints.iter().map(part).collect::<Vec<_>>().join(", ")
}

impl Restraint {
    fn new(name: &str, state: &str, in_force: bool) -> Self {
        Self { name: name.into(), state: state.into(), in_force }
    }
}

#[cfg(test)]
mod tests;
