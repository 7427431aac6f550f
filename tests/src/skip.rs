//! What a test needs. Without it the test says so by name and passes; under `CI` it fails, because there nothing may be
//! missing. Only what the machine itself cannot do is skipped everywhere: see [`unsupported`].

use std::{env, io::Write as _, path::Path, sync::Mutex, sync::MutexGuard};

/// Returns from the test unless it runs as root.
#[macro_export]
macro_rules! root_or_skip {
    ($test:literal) => {
        if !$crate::skip::is_root() {
            return $crate::skip::missing($test, "root to load programs");
        }
    };
}

/// Returns from the test unless the named program is on the PATH.
#[macro_export]
macro_rules! tool_or_skip {
    ($test:literal, $tool:literal) => {
        if !$crate::skip::has_tool($tool) {
            return $crate::skip::missing($test, concat!("the program ", $tool));
        }
    };
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a program of this name is on the PATH.
pub fn has_tool(name: &str) -> bool {
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| Path::new(&folder).join(name).is_file())
}

/// Says that `test` is skipped, for it needs `what`.
///
/// # Panics
///
/// If the environment variable `CI` is not empty.
#[expect(clippy::panic, reason = "a skipped test must not look like a passed one there")]
pub fn missing(test: &str, what: &str) {
    if env::var_os("CI").is_some_and(|ci| !ci.is_empty()) {
        panic!("{test}: needs {what}, and CI may not skip it");
    }
    say(&format!("SKIPPED {test}: needs {what}"));
}

/// Says that `test` is skipped, because this machine cannot do what it needs and nothing can be installed to change that.
pub fn unsupported(test: &str, why: &str) {
    say(&format!("SKIPPED {test}: this machine cannot do it: {why}"));
}

/// Writes to the real standard error: what `eprintln!` says in a test that passes is shown to nobody.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Live tests measure the machine, so they run one at a time. Hold it to the test's end.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
