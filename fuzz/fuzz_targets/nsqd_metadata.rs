//! Takes nsqd.dat.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsqd_metadata", bytes));
