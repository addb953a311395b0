//! Takes what an authorization server answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsq_rights", bytes));
