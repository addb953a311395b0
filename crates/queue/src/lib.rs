//! Messaging: topics, channels, delivery, the NSQ protocol's commands.
#![forbid(unsafe_code)]

pub mod channel;
mod clock;
pub mod consumers;
pub mod deferred;
pub mod delivery;
pub mod import;
pub mod in_flight;
pub mod latency;
pub mod message;
mod options;
pub mod record;
pub mod settings;
pub mod topic;

pub use clock::Clock;
pub use options::Options;
