//! Drives `campanile_laws::mapping` with the bytes of a fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| campanile_laws::mapping::holds(bytes));
