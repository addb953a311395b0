//! What a timer of the proxy is for.
//!
//! The loop keeps a token of 64 bits with a timer; an alarm is packed into it. From the top: 16 bits of kind, then pool, server and
//! slot with 16 bits each.

use crate::place::Place;

/// What a timer is for, packed into its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    Maintenance,
    /// The oldest request on a server connection.
    Deadline(Place),
    /// An ejected server is to be probed, or its probe has had its time.
    Probe {
        pool: u16,
        server: u16,
    },
    /// While the shard stops: do servers that clients wait for still make progress?
    Stop,
    /// The time is over that the first of the clients has whose MULTI was refused.
    RefusedTransaction,
}

impl Alarm {
    pub(crate) fn token(self) -> u64 {
        match self {
            Alarm::Maintenance => 0,
            Alarm::Deadline(p) => {
                1 << 48 | u64::from(p.pool) << 32 | u64::from(p.server) << 16 | u64::from(p.slot)
            }
            Alarm::Probe { pool, server } => 2 << 48 | u64::from(pool) << 32 | u64::from(server) << 16,
            Alarm::Stop => 3 << 48,
            Alarm::RefusedTransaction => 4 << 48,
        }
    }

    pub(crate) fn of(token: u64) -> Alarm {
        let (pool, server, slot) = ((token >> 32) as u16, (token >> 16) as u16, token as u16);
        match token >> 48 {
            0 => Alarm::Maintenance,
            1 => Alarm::Deadline(Place { pool, server, slot }),
            2 => Alarm::Probe { pool, server },
            3 => Alarm::Stop,
            _ => Alarm::RefusedTransaction,
        }
    }
}
