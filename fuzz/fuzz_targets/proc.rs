//! See `kpulse::fuzz::proc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::proc(bytes));
