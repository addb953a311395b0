//! One life of the daemon: the queue in its loop, its disk threads, and its connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use journal::MemFiles;
use net::{App, ConnId, Listener, ListenerId, WallTime};
use queue::outside::Nobody;
use queue::request::{Answer, Reply, Request};
use queue::{Clock, Mail, Queue, QueueOptions};

use super::session::{Session, SessionId};
use super::workers::Workers;
use crate::io::{Loop, Passed, View};
use crate::network::Network;
use crate::rng::Rng;
use crate::shard::{Product, Ready, Shard};

impl Product for Queue {
    type Letter = Mail;

    /// The oracle checks the recorded steps instead.
    fn check(&self, _looped: &Loop, _faults: &mut Vec<String>) {}
}

/// Slot for an answer.
pub(crate) type Asked = Arc<Mutex<Option<Answer>>>;

pub(crate) struct Daemon {
    pub(crate) shard: Shard<Queue>,
    /// Listener for clients.
    pub(crate) listener: ListenerId,
    pub(crate) workers: Workers,
    /// True once it was asked to stop.
    pub(crate) stopping: bool,
    sessions: HashMap<ConnId, SessionId>,
}

impl Daemon {
    /// Opens the queue over the content of the disk.
    pub(crate) fn start(
        files: &MemFiles,
        options: &QueueOptions,
        wall: i64,
        rng: &mut Rng,
        net: &mut Network,
    ) -> Result<Daemon, String> {
        let workers = Workers::default();
        let mut looped = Loop::new(0, rng.fork(), rng.pick(&[64, 1000, 64 << 10]));
        (looped.now, looped.wall, looped.watched) = (net.now, wall, Some(Vec::new()));
        let clock = Clock { now: net.now, wall: WallTime(wall + net.now.0 as i64 * 1000) };
        let queue = Queue::open(
            options.clone(),
            Arc::new(files.clone()),
            Box::new(workers.disk()),
            Box::new(Nobody),
            clock,
        )
        .map_err(|e| e.to_string())?;
        let listener = Listener::simulated(0);
        let id = listener.id();
        looped.listen(listener);
        let mut shard = Shard::new(looped, queue);
        shard.call(net, |queue, io| queue.start(io));
        Ok(Daemon { shard, listener: id, workers, stopping: false, sessions: HashMap::new() })
    }

    pub(crate) fn letter(&mut self, mail: Mail) -> usize {
        self.shard.letters.push(Some(mail));
        self.shard.letters.len() - 1
    }

    /// Sends a request between two turns; returns the slot for its answer.
    pub(crate) fn ask(&mut self, net: &mut Network, request: Request) -> Asked {
        let asked = Asked::default();
        let slot = Arc::clone(&asked);
        let reply = Reply(Box::new(move |answer| *slot.lock().expect("one thread") = Some(answer)));
        self.shard.looped.now = net.now;
        self.shard.call(net, |queue, io| App::mail(queue, io, Mail::Request(request, reply)));
        asked
    }

    /// Takes the steps since the last call.
    pub(crate) fn passed(&mut self) -> Vec<Passed> {
        self.shard.looped.watched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Session of a connection.
    pub(crate) fn session_of(
        &mut self,
        conn: ConnId,
        net: &Network,
        sessions: &[Session],
    ) -> Option<SessionId> {
        if let Some(session) = self.sessions.get(&conn) {
            return Some(*session);
        }
        let session = sessions.iter().rposition(|s| !s.closed && net.link(s.link).conn == conn)?;
        self.sessions.insert(conn, session);
        Some(session)
    }

    /// True if a daemon that was asked to stop may end.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopping && self.workers.is_idle() && App::<View<'_>>::idle(&self.shard.app)
    }

    pub(crate) fn make_ready(&mut self, ready: Ready) {
        self.shard.note(ready);
    }
}
