//! State that commands leave in a session: a transaction, or one that was refused. A session without any
//! has none of this, which is all that the path of other requests looks at.

use net::Instant;

use crate::client::Seq;
use crate::client::subscribed::Subscribed;
use crate::keys::{LaneKey, ServerKey};

/// State of a session beyond its login.
#[derive(Debug, Default)]
pub(crate) struct Stateful {
    /// Its MULTI was refused and it has sent neither EXEC nor DISCARD yet: none of its requests are executed.
    pub(crate) refused_transaction: bool,
    /// The transaction between its MULTI and its EXEC.
    pub(crate) transaction: Option<Transaction>,
    /// Its private connection to a server.
    pub(crate) private: Option<LaneKey>,
    /// It watches keys on that connection,
    pub(crate) watching: bool,
    /// and the server may know of some, watched or not.
    pub(crate) dirty: bool,
    /// Its WATCH requests that are not answered,
    pub(crate) watches: Vec<Seq>,
    /// and one that was is in force.
    pub(crate) holds_watch: bool,
    /// The connection on which it watched keys was lost: its transaction is not executed.
    pub(crate) watch_broken: bool,
    /// Keys of the embedded cache that it watches, with their versions.
    pub(crate) watched_here: Vec<(Box<[u8]>, u64)>,
    /// A blocking request is under way on that connection.
    pub(crate) blocked: bool,
    /// It waits on that connection for replicas.
    pub(crate) counting: Option<Box<Counting>>,
    /// Its subscriptions, if it has any.
    pub(crate) subscribed: Option<Box<Subscribed>>,
    /// `CLIENT REPLY OFF` or `SKIP` is in force.
    pub(crate) silence: Option<Silence>,
    /// Time at which it stops waiting for a private connection.
    pub(crate) waits_until: Option<Instant>,
}

/// Replies that a client does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// That to its next request.
    Next,
    /// That to the request being taken.
    Now,
    /// All of them.
    Always,
}

/// A request that waits until enough replicas have what its client wrote.
#[derive(Debug)]
pub(crate) struct Counting {
    /// Number of replicas that are enough.
    pub(crate) wanted: i64,
    /// End of its time; None if it has no end.
    pub(crate) until: Option<Instant>,
    /// The server's offset, once it is known.
    pub(crate) offset: Option<u64>,
    /// Replicas that have got there, as last told.
    pub(crate) count: i64,
    /// Length of the next inner wait, in milliseconds.
    pub(crate) inner_ms: u64,
    /// Time it came.
    pub(crate) at: Instant,
}

/// Requests between `MULTI` and `EXEC`.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// The queued requests as arrays, one after another.
    pub(crate) requests: Vec<u8>,
    /// End of each.
    pub(crate) ends: Vec<usize>,
    /// Server of its keys; None before the first request with a key.
    pub(crate) server: Option<ServerKey>,
    /// A request could not be queued: EXEC executes nothing.
    pub(crate) spoiled: bool,
    /// [`Transaction::memory`] at the last count.
    pub(crate) counted: usize,
}

impl Stateful {
    /// True if nothing is left of it.
    pub(crate) fn is_plain(&self) -> bool {
        let Stateful { refused_transaction, transaction, private, watch_broken, waits_until, .. } = self;
        let is_free = private.is_none() && !watch_broken && waits_until.is_none();
        let is_free = is_free && self.watched_here.is_empty() && self.subscribed.is_none();
        let is_free = is_free && self.silence.is_none();
        is_free && !refused_transaction && transaction.is_none()
    }
}

impl Stateful {
    /// Notes that a WATCH is sent.
    pub(crate) fn watch(&mut self, seq: Seq) {
        if !self.watching {
            self.watches.clear();
            self.holds_watch = false;
        }
        self.watches.push(seq);
        (self.watching, self.dirty) = (true, true);
    }

    /// Notes the answer to a request that may be a WATCH. If all were refused, nothing is watched; a
    /// transaction that is open then goes where they went, and is refused there.
    pub(crate) fn watch_answered(&mut self, seq: Seq, is_error: bool) {
        let Some(at) = self.watches.iter().position(|watch| *watch == seq) else { return };
        self.watches.remove(at);
        self.holds_watch |= !is_error;
        self.watching &= self.holds_watch || !self.watches.is_empty() || self.transaction.is_some();
    }
}

impl Transaction {
    pub(crate) fn memory(&self) -> usize {
        self.requests.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// The queued requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.requests[start..*end])
    }
}
