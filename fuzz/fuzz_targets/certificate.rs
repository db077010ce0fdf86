#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rustmq_fuzz::certificate(data));
