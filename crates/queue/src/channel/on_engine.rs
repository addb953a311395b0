//! The engine's part of a channel: handles of what it got, and how much it has asked for.

use engine::Handle;
use rustc_hash::FxHashMap;

use crate::message::Position;

/// Bytes of the engine's part, without handles.
const ENGINE_BYTES: usize = 64;
/// Bytes of a handle.
const HANDLE_BYTES: usize = 192;

/// The engine's part of a channel.
#[derive(Debug, Default)]
pub struct OnEngine {
    /// Messages asked for that have neither arrived nor been refused.
    pub outstanding: u32,
    /// Messages that wait at the engine, when it last told.
    pub backlog: u64,
    /// It is being moved: what it held is void, and nothing is fetched.
    pub seeking: bool,
    /// True if a local channel of its name takes over what it gets.
    pub taken: bool,
    pub(super) handles: FxHashMap<Position, Handle>,
}

impl OnEngine {
    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        ENGINE_BYTES + self.handles.len() * HANDLE_BYTES
    }
}
