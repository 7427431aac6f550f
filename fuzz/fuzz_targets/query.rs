//! See `kpulse::fuzz::query`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::query(bytes));
