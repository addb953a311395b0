//! See `nuthatch_journal::fuzzing::recovery_of_mutated_files`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nuthatch_journal::fuzzing::recovery_of_mutated_files(bytes));
