//! Takes the JSON of IDENTIFY.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsq_identify", bytes));
