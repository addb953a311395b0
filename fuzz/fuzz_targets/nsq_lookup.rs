//! Takes commands and answers of nsqlookupd.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsq_lookup", bytes));
