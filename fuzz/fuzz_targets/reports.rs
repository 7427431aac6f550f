//! See `kpulse::fuzz::reports`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::reports(bytes));
