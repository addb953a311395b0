//! Takes nsqd's command line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsqd_flags", bytes));
