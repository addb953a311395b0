//! Bodies that go through a crate's public face; those that need its insides stand in the crates
//! (`fuzzing.rs`).

pub mod configuration;
pub mod discovery;
pub mod http;
pub mod import;
pub mod topic;
pub mod upgrade;
