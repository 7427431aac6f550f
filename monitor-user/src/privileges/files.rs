//! Holds the process to the files that it needs, by Landlock: it reads some directories, writes to one, runs nothing, and
//! listens at no further port.
//!
//! What is open already stays open. Space on filesystems can be asked for everywhere: `statfs` opens nothing. A kernel that
//! knows less of Landlock, or nothing, enforces less, or nothing. Source: landlock(7), Documentation/userspace-api/landlock.rst.

use std::{collections::BTreeSet, env, path::PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};

use crate::config::{Config, KEYS, Kind, Sources};

/// The newest rules that were known when this was written; older kernels enforce what they know of them.
const NEWEST: ABI = ABI::V6;

/// Read everywhere: name service, certificates and what the configuration usually names. /run has name servers' addresses
/// and credentials that the service manager passes on. Of /dev nothing else: for root, disks are files there.
const READ: [&str; 7] = ["/etc", "/usr/share", "/usr/lib", "/usr/lib64", "/lib", "/run", "/dev/null"];
/// Where else certificates may be.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The version of the kernel's Landlock; none if it has none, or was told at boot not to use it.
pub fn version() -> Option<u32> {
    const VERSION: libc::c_long = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the call reads no memory, and gives a number.
    let found = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) };
    u32::try_from(found).ok().filter(|version| *version > 0)
}

/// What may be read and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Read, with all that is beneath.
    pub read: BTreeSet<PathBuf>,
    /// Read and written, with all that is beneath.
    pub write: PathBuf,
}

impl Places {
    /// Those of a configuration: the directories of the files that it names, so that these can be replaced.
    pub fn of(config: &Config, sources: &Sources) -> Self {
        let mut read: BTreeSet<PathBuf> = READ.iter().map(PathBuf::from).collect();
        read.extend([config.host.proc.clone(), config.host.sys.clone()]);
        // The agent's own figures are there, wherever the host's are.
        read.extend([PathBuf::from("/proc"), PathBuf::from("/sys")]);
        let named = KEYS.iter().filter(|key| matches!(key.kind, Kind::File(_))).map(|key| key.text(config));
        let variables = VARIABLES.iter().filter_map(|name| env::var(name).ok());
        let files = named.chain(variables).filter(|path| !path.is_empty()).map(PathBuf::from);
        for file in files.chain(sources.file.clone()).chain(sources.default_file.clone()) {
            // A link's target may be elsewhere.
            for file in [file.canonicalize().ok(), std::path::absolute(file).ok()].into_iter().flatten() {
                read.extend(file.parent().map(PathBuf::from));
            }
        }
        // All of the filesystem is no directory of files, and would be no restraint.
        read.remove(&PathBuf::from("/"));
        Self { read, write: config.state.dir.clone() }
    }
}

/// Holds this thread, and what it starts later, to these places.
///
/// # Errors
///
/// If the kernel refuses rules that it said it knew.
pub fn restrict(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let look: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = AccessFs::MakeChar | AccessFs::MakeBlock;
    let keep = AccessFs::from_all(NEWEST) & !(devices | AccessFs::Execute | AccessFs::IoctlDev);
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(&places.read, look))?
        .add_rules(path_beneath_rules([&places.write], keep))?
        .restrict_self()?;
    Ok(status.ruleset)
}
