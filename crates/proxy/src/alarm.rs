//! Purposes of the proxy's timers.
//!
//! The loop keeps a 64-bit token with each timer; an alarm is packed into it: 4 bits of kind, then the key of
//! its subject. A timer of a removed server finds nothing.

use crate::keys::{LaneKey, ServerKey};

/// Purpose of a timer, packed into its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Maintenance,
    /// Deadline of the oldest request on a server connection.
    Deadline(LaneKey),
    /// Next probe of an ejected server, or the deadline of one.
    Probe(ServerKey),
    /// Check of the servers' progress while the shard stops.
    Stop,
    /// End of the first drain's time.
    Drain,
    /// Deadline of the first client whose MULTI was refused.
    RefusedTransaction,
    /// End of the first wait for an element of the embedded cache.
    Blocked,
    /// Next attempt of the first detour that waits.
    Detours,
    /// End of the first inner wait of a client that waits for replicas.
    Nudge,
    /// Next look at pauses of pools.
    Pause,
    /// Next look at feeds and subscription connections.
    Feeds,
}

impl Alarm {
    pub(crate) fn token(self) -> u64 {
        match self {
            Alarm::Maintenance => 0,
            Alarm::Deadline(lane) => 1 << 60 | lane.pack(),
            Alarm::Probe(server) => 2 << 60 | LaneKey { server, number: 0 }.pack(),
            Alarm::Stop => 3 << 60,
            Alarm::RefusedTransaction => 4 << 60,
            Alarm::Drain => 5 << 60,
            Alarm::Blocked => 6 << 60,
            Alarm::Detours => 7 << 60,
            Alarm::Feeds => 8 << 60,
            Alarm::Pause => 9 << 60,
            Alarm::Nudge => 10 << 60,
        }
    }

    pub(crate) fn of(token: u64) -> Alarm {
        let lane = LaneKey::unpack(token);
        match token >> 60 {
            0 => Alarm::Maintenance,
            1 => Alarm::Deadline(lane),
            2 => Alarm::Probe(lane.server),
            3 => Alarm::Stop,
            4 => Alarm::RefusedTransaction,
            5 => Alarm::Drain,
            6 => Alarm::Blocked,
            7 => Alarm::Detours,
            9 => Alarm::Pause,
            10 => Alarm::Nudge,
            _ => Alarm::Feeds,
        }
    }
}
