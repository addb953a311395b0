//! Takes frames and messages, as a client reads them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsq_frame", bytes));
