//! The queue's link to the engine, and what the engine has not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Change, Engine, Fate, Handle, Request, Servers};
use net::ConnId;
use rustc_hash::FxHashMap;

use super::departure::Departure;
use super::taken::Taking;
use crate::error::QueueError;
use crate::registry::TopicKey;
use crate::request::Reply;

/// Bytes of the largest body before the engine has told: NATS takes a mebibyte by default, headers included.
const BODY_BYTES_MAX: usize = (1 << 20) - 256;

/// The engine, and what it has not answered.
pub(super) struct EngineLink {
    engine: Box<dyn Engine>,
    /// The servers, when they last answered.
    pub servers: Servers,
    /// Tag in the ids given here, in their highest 24 bits.
    tag: u64,
    last_id: u64,
    next: u64,
    /// Unanswered publications: their topic and their bytes.
    pub publishing: FxHashMap<u64, (TopicKey, usize)>,
    /// Bytes of these, and of what is staged.
    pub bytes: usize,
    pub changes: FxHashMap<u64, PendingChange>,
    /// Requests that wait for a task.
    pub tasks: FxHashMap<u64, Reply>,
    /// Topics that are local at every node, whatever the rules say.
    pub local: BTreeSet<String>,
    /// Topics of the engine that are local here, with their channels there.
    pub elsewhere: BTreeMap<String, BTreeSet<String>>,
    /// Topics that are being dissolved, by the number of the task.
    pub dissolving: FxHashMap<u64, Arc<str>>,
    /// Messages that local topics take over.
    pub taking: Taking,
}

/// Bytes of unanswered publications above which more are refused.
const PUBLISHING_MAX: usize = 64 << 20;

/// A change that the engine has not answered.
pub(super) struct PendingChange {
    pub topic: Arc<str>,
    pub channel: Option<Arc<str>>,
    pub change: Change,
    pub asker: Asker,
}

/// Waits for a change.
pub(super) enum Asker {
    /// Nobody: an ephemeral channel has ended.
    Nobody,
    /// A client that subscribes.
    Client(ConnId),
    /// A request of the control thread.
    Request(Reply),
    /// A move of a topic.
    Move(Departure),
}

impl EngineLink {
    /// A link to an engine that nothing was asked of.
    pub fn new(engine: Box<dyn Engine>, tag: u32) -> EngineLink {
        EngineLink {
            engine,
            servers: Servers::default(),
            tag: u64::from(tag & 0xff_ffff),
            last_id: 0,
            next: 0,
            publishing: FxHashMap::default(),
            bytes: 0,
            changes: FxHashMap::default(),
            tasks: FxHashMap::default(),
            local: BTreeSet::new(),
            elsewhere: BTreeMap::new(),
            dissolving: FxHashMap::default(),
            taking: Taking::default(),
        }
    }

    /// Hands a request over.
    pub fn submit(&mut self, request: Request) {
        self.engine.submit(request);
    }

    /// Settles deliveries, if there are any.
    pub fn settle(&mut self, fates: Vec<(Handle, Fate)>) {
        if !fates.is_empty() {
            self.submit(Request::Settle(fates));
        }
    }

    /// Bytes of the largest body.
    pub fn body_bytes_max(&self) -> usize {
        match self.servers.body_bytes_max {
            0 => BODY_BYTES_MAX,
            told => told,
        }
    }

    /// Checks that so many more bytes may be published.
    pub fn has_room(&self, bytes: usize) -> Result<(), QueueError> {
        let held = self.bytes;
        if held + bytes <= PUBLISHING_MAX {
            return Ok(());
        }
        let text = format!("engine is behind: {held} bytes wait for it, {PUBLISHING_MAX} allowed");
        Err(QueueError::Engine(text))
    }

    /// The number of a request.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// An id that no other message of the last days has, on any node: the tag of this process, and
    /// microseconds of the wall clock that never repeat.
    pub fn id(&mut self, wall: i64) -> u64 {
        let micros = (wall / 1000) as u64 & ((1 << 40) - 1);
        self.last_id = micros.max(self.last_id + 1);
        self.tag << 40 | self.last_id & ((1 << 40) - 1)
    }
}
