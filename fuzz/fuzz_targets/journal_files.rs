//! Takes segments and checkpoints of any content.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_fuzz::play("journal_files", bytes));
