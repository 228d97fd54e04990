//! Drives `campanile_laws::signature` with bytes that a fuzzer makes up.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_laws::signature::holds(bytes));
