//! Takes a sound journal, changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("journal_mutation", bytes));
