#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| quittance_fuzz::members_of_a_body(data));
