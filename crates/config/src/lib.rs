//! Configuration: one options table, files as written, then as checked.

pub mod checked;
