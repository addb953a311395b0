//! Fuzz bodies that use a crate's public API; those that need internals are in the crates (`fuzzing.rs`).

pub mod cache;
pub mod configuration;
pub mod discovery;
pub mod http;
pub mod import;
pub mod topic;
pub mod upgrade;
