//! See `kpulse::fuzz::btf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kpulse::fuzz::btf(bytes));
