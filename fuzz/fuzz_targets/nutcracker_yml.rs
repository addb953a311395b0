//! Takes nutcracker.yml.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("nutcracker_yml", bytes));
