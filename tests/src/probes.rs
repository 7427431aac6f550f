//! kpulse's own programs, loaded for one test.

use kpulse::kernel::load::{self, Loaded, Options};

/// Options with the named probes, and thresholds that nothing reaches.
pub fn options(probes: &[&'static str]) -> Options<'static> {
    Options {
        btf: None,
        probes: probes.iter().copied().collect(),
        slow_request_ns: u64::MAX,
        long_wait_ns: u64::MAX,
        events_per_second: 32,
    }
}

/// Loads them.
///
/// # Panics
///
/// If one of the probes is not on afterwards.
pub fn load(options: &Options<'_>) -> Loaded {
    let loaded = load::load(options);
    for (name, state) in &loaded.states {
        assert!(!options.probes.contains(name) || state.is_on(), "probe {name}: {}", state.reason());
    }
    loaded
}
