//! The channels of a topic, in slots that are reused.

use crate::channel::Channel;

/// Key of a channel within its topic; the next channel in the same slot has another generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelKey {
    /// Slot; small, dense, reused.
    pub slot: u32,
    pub(super) generation: u32,
}

/// Slot of a channel.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub generation: u32,
    pub channel: Option<Channel>,
}
