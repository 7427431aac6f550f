//! See `kpulse::fuzz::rules`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::rules(bytes));
