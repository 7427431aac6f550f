//! See `kpulse::fuzz::events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::events(bytes));
