//! One connection of the protocol V1, from its magic to its end.

use net::{ConnId, Instant, Peer, TimerId};
use wire::nsq::lookup::Scanner;

use crate::registry::ProducerKey;

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The magic is missing.
    Silent,
    /// It may PING, and say who it is.
    Greeted,
    /// It is a producer.
    Identified(ProducerKey),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) peer: Peer,
    pub(crate) stage: Stage,
    pub(crate) scanner: Scanner,
    /// Time of the last whole command.
    pub(crate) heard: Instant,
    /// Timer of the next check that it is still alive.
    pub(crate) timer: TimerId,
    /// It does not take what it is sent: nothing more is read from it until it has.
    pub(crate) held: bool,
}

impl Connection {
    /// Its producer, once it has said who it is.
    pub(crate) fn producer(&self) -> Option<ProducerKey> {
        match self.stage {
            Stage::Identified(key) => Some(key),
            Stage::Silent | Stage::Greeted => None,
        }
    }
}
