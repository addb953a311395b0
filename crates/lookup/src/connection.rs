//! One connection of protocol V1.

use net::{ConnId, Instant, Peer, TimerId};
use wire::nsq::lookup::Scanner;

use crate::registry::ProducerKey;

/// State of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for the magic.
    Silent,
    /// It may send PING and IDENTIFY.
    Greeted,
    /// Registered as a producer.
    Identified(ProducerKey),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) peer: Peer,
    pub(crate) stage: Stage,
    pub(crate) scanner: Scanner,
    /// Time of the last complete command.
    pub(crate) heard: Instant,
    /// Timer of the next check that it is alive.
    pub(crate) timer: TimerId,
    /// True while it does not read its output: no more commands are read from it until it does.
    pub(crate) held: bool,
}

impl Connection {
    /// Its producer, after IDENTIFY.
    pub(crate) fn producer(&self) -> Option<ProducerKey> {
        match self.stage {
            Stage::Identified(key) => Some(key),
            Stage::Silent | Stage::Greeted => None,
        }
    }
}
