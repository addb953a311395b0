//! The interpreter of scripts: Lua 5.1 with the libraries that Redis gives to scripts, and limits.
//!
//! It knows no store and no command: `redis/script.rs` runs scripts, and brings what they call.

mod bits;
pub(crate) mod budget;
mod context;
mod engine;
mod json;
mod msgpack;
mod name;
mod native;
mod packing;
mod pattern;
mod strings;
pub(crate) mod value;

pub(crate) use context::Context;
pub(crate) use engine::Engine;
pub(crate) use name::Name;
