//! Purposes of the proxy's timers.
//!
//! The loop keeps a token of 64 bits with a timer; an alarm is packed into it: 4 bits of kind, then the key
//! of what it is for. A timer of a server that was removed finds nothing.

use crate::keys::{LaneKey, ServerKey};

/// Purpose of a timer, packed into its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Maintenance,
    /// The oldest request on a server connection.
    Deadline(LaneKey),
    /// An ejected server is to be probed, or its probe has had its time.
    Probe(ServerKey),
    /// While the shard stops: do servers that clients wait for still make progress?
    Stop,
    /// The time is over that the first of those has who are on their way out.
    Drain,
    /// The time is over that the first of the clients has whose MULTI was refused.
    RefusedTransaction,
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
            _ => Alarm::Drain,
        }
    }
}
