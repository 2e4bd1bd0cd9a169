#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sheaf_fuzz::lines(data));
