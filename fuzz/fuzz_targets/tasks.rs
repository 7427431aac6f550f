//! See `kpulse::fuzz::tasks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::tasks(bytes));
