//! Drives `campanile_laws::address` with the bytes of a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_laws::address::holds(bytes));
