//! Takes a data directory of nsqd.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsqd_import", bytes));
