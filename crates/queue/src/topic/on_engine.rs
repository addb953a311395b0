//! The engine's part of a topic: publications that wait for it.
//!
//! Those of a turn are staged, sent together, and kept by number until the engine has answered.

use std::sync::Arc;

use bytes::BytesMut;
use engine::{Publication, Replicas};
use rustc_hash::FxHashMap;

use crate::settings::TopicSettings;

/// The engine's part of a topic.
#[derive(Debug)]
pub struct OnEngine<W> {
    /// The topic's name.
    pub name: Arc<str>,
    /// Messages that wait at the engine for a first channel, when it last told.
    pub backlog: u64,
    /// Servers that keep it, when the engine last told.
    pub replicas: Replicas,
    /// Settings that hold at all nodes; the engine heeds those about limits and retention.
    pub settings: TopicSettings,
    /// Publications are accepted here first, and forwarded.
    pub(super) accepts_locally: bool,
    pub(super) bodies: BytesMut,
    /// Publications of this turn, without their bodies, and the end of each body in `bodies`.
    pub(super) staged: Vec<(Publication, usize)>,
    pub(super) waiters: Vec<W>,
    pub(super) sent: FxHashMap<u64, Sent<W>>,
}

/// Publications that the engine has not answered.
#[derive(Debug)]
pub(super) struct Sent<W> {
    pub waiters: Vec<W>,
    pub messages: u64,
    pub bytes: u64,
}

impl<W> OnEngine<W> {
    /// The part of a new topic.
    pub fn new(name: &str) -> OnEngine<W> {
        OnEngine {
            name: name.into(),
            backlog: 0,
            replicas: Replicas::default(),
            settings: TopicSettings::default(),
            accepts_locally: false,
            bodies: BytesMut::new(),
            staged: Vec::new(),
            waiters: Vec::new(),
            sent: FxHashMap::default(),
        }
    }

    pub(super) fn wait(&mut self, waiter: W) {
        self.waiters.push(waiter);
    }

    pub(super) fn last_waiter(&self) -> Option<&W> {
        self.waiters.last()
    }

    /// True if a publication was staged or is not answered.
    pub(super) fn is_publishing(&self) -> bool {
        !self.staged.is_empty() || !self.waiters.is_empty() || !self.sent.is_empty()
    }

    /// Bytes of this turn's publications.
    pub fn staged_bytes(&self) -> usize {
        self.bodies.len()
    }

    pub(super) fn unanswered(&mut self) -> impl Iterator<Item = W> {
        let sent = self.sent.drain().flat_map(|(_, sent)| sent.waiters);
        sent.chain(self.waiters.drain(..))
    }
}
