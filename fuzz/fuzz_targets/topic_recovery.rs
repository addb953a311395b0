//! Takes records and checkpoint of a topic, whatever they say.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("topic_recovery", bytes));
