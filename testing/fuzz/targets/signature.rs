//! Drives `campanile_laws::signature` with the bytes of a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_laws::signature::holds(bytes));
