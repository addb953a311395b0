//! Takes commands of NSQ V2, bodies of MPUB.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nsq_v2", bytes));
