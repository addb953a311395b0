//! Every decoder of outside input, as a fuzz target: a function that takes any bytes and panics if a
//! guarantee is broken, valid input to start from, and the words of its language.
//!
//! ```text
//! TARGETS ── seeds (ours, and the captures of ../shared/golden if they are there)
//!    │          └▶ mutate, by the number of the round alone ─▶ body ─▶ panic, abort, hang, memory: a finding
//!    ├─▶ `cargo xtask fuzz [TARGET] [SECONDS]`: the rounds, in processes of their own (supervise)
//!    ├─▶ a test of this crate: a few rounds of each
//!    └─▶ fuzz/: the same bodies under libFuzzer, guided by coverage (needs nightly)
//! ```
//! A finding is reported by target and round, which replay it with the same seeds, and its input is saved.

#![forbid(unsafe_code)]

mod target;
pub use target::{TARGETS, Target, play, target};

pub mod mutate;
pub mod rounds;
pub mod supervise;

mod seeds;

mod bodies;
