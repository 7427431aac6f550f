//! What a process has in the kernel, and whether it is still there when the process is gone.

use std::{collections::BTreeSet, fs, path::Path};

use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};

/// The numbers by which the kernel knows programs, links and maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Links: what attaches a program.
    pub links: BTreeSet<u32>,
    /// Maps.
    pub maps: BTreeSet<u32>,
}

impl Objects {
    /// Those to which a process holds a descriptor. Nothing if the process has gone.
    pub fn of(pid: u32) -> Self {
        let mut found = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
            // A link's file names its program as well.
            match (field("link_id:"), field("prog_id:"), field("map_id:")) {
                (Some(link), ..) => drop(found.links.insert(link)),
                (None, Some(program), _) => drop(found.programs.insert(program)),
                (None, None, Some(map)) => drop(found.maps.insert(map)),
                _ => {}
            }
        }
        found
    }

    /// All that there are.
    pub fn all() -> Self {
        // One that vanishes while it is looked at is not there.
        Self {
            programs: loaded_programs().flatten().map(|program| program.id()).collect(),
            links: loaded_links().flatten().map(|link| link.id()).collect(),
            maps: loaded_maps().flatten().map(|map| map.id()).collect(),
        }
    }

    /// Those of them that are there now.
    pub fn left(&self) -> Self {
        let now = Self::all();
        let both = |mine: &BTreeSet<u32>, all: &BTreeSet<u32>| mine.intersection(all).copied().collect();
        Self {
            programs: both(&self.programs, &now.programs),
            links: both(&self.links, &now.links),
            maps: both(&self.maps, &now.maps),
        }
    }
}

/// Everything that is pinned.
pub fn pinned() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new("/sys/fs/bpf").to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            found.insert(entry.path().display().to_string());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}
