//! Every requirement: whether it is met, what is lost without it, and how to get it.
//!
//! In: the configuration, this machine. Out: a [`Report`]. Looking comes first ([`machine`]), and loads the programs if this
//! process may; judging is pure but for small files below the configured roots, and so runs on a machine made of files.
//!
//! # Layout
//!
//! | module | what it judges |
//! |---|---|
//! | [`machine`] | nothing: what was seen |
//! | [`kernel`] | version, architecture, type information, lockdown, compiler, clock |
//! | [`privileges`] | user, capabilities, locked memory |
//! | [`restraints`] | what the running agent can be held to |
//! | [`probes`] | each probe's fields, hooks and programs; the self-check |
//! | [`accounting`] | the books that the kernel keeps if it is told to |
//! | [`files`] | /proc and /sys; the agent's address |
//! | [`report`], [`text`] | nothing: what was found, and as people read it |

pub mod accounting;
pub mod files;
pub mod kernel;
pub mod machine;
pub mod privileges;
pub mod probes;
pub mod report;
pub mod restraints;
pub mod text;

use std::{env, fs};

use self::{
    machine::{Found, Loading, Machine},
    privileges::Privileges,
    report::{Group, Report},
};
use crate::{
    collect::{options, reader},
    config::Config,
    host::Roots,
    kernel::{
        btf::{Btf, KERNEL_BTF},
        load,
    },
    privileges::files::version as files_version,
    probes::PROBES,
    selfcheck,
};

/// Looks at this machine, loads the programs for a moment if this process may, and judges.
pub fn run(config: &Config) -> Report {
    let host = reader(config).read();
    let roots = Roots { proc: config.host.proc.clone(), sys: config.host.sys.clone(), root: config.host.root.clone() };
    let privileges = Privileges::read(&roots.proc);
    // If nobody says what this process may do, trying tells.
    let may_load = privileges.as_ref().map_or(true, Privileges::may_load);
    let loading = if may_load { load_all(config) } else { Loading::NotTried };
    let types = Btf::open(config.btf.as_deref());
    let path = config.btf.clone().unwrap_or(KERNEL_BTF.into());
    let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
    let machine = Machine {
        config,
        roots: &roots,
        arch: env::consts::ARCH,
        host: &host,
        privileges,
        landlock: files_version(),
        types: types.as_ref().map(|types| Found { types, path, bytes }),
        loading,
    };
    let mut groups = judge(&machine);
    groups.push(Group::new("agent", "Agent", vec![files::address(config.listen)]));
    Report::new(groups)
}

/// Loads and attaches what is wanted, compares, and takes it away again.
fn load_all(config: &Config) -> Loading {
    let mut loaded = load::load(&options(config));
    let selfcheck = selfcheck::run(&mut loaded);
    Loading::Tried { states: std::mem::take(&mut loaded.states), selfcheck }
}

/// Judges what was seen.
pub fn judge(machine: &Machine<'_>) -> Vec<Group> {
    let mut groups = vec![
        Group::new("kernel", "Kernel", kernel::requirements(machine)),
        Group::new("privileges", "Privileges", privileges::requirements(machine)),
        Group::new("restraints", "Restraints", restraints::requirements(machine)),
    ];
    groups.extend(PROBES.iter().map(|probe| probes::group(machine, probe)));
    groups.push(Group::new("selfcheck", "Self-check", vec![probes::selfcheck(machine)]));
    groups.push(Group::new("accounting", "Accounting", accounting::requirements(machine)));
    groups.push(Group::new("files", "Files", files::requirements(machine)));
    groups
}

#[cfg(test)]
mod tests;
