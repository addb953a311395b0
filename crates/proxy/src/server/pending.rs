//! A request under way: the receiver and the expected form of its reply.

use net::{ConnId, Instant};
use wire::memcache::{ReplyKind, Silence};

use crate::client::Seq;
use crate::gather::{EXEC, GatherId, QUEUED_PART};
use crate::keys::{DetourId, LaneKey};
use crate::server::hits::Counted;

/// Receiver of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A client's request.
    Client(ConnId, Seq),
    /// A client's request on a private connection.
    Private(ConnId, Seq),
    /// A part of a request that was split or went to every server.
    Part(GatherId, u16),
    /// A request that takes a detour.
    Detour(DetourId),
    /// ASKING in front of such a request, or a PING: its reply is discarded.
    Unwanted,
    /// A request of the proxy to begin or end a subscription; the acknowledgement is a push.
    Subscription,
    /// A question about a slot whose owner is silent on this connection ([`crate::server::silence`]).
    Sounding(LaneKey),
    /// The handshake: the password, the protocol version, the database, the role.
    Handshake(Handshake),
}

impl Owner {
    /// True for the proxy's own requests, which no client waits for.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Owner::Handshake(_) | Owner::Unwanted | Owner::Subscription | Owner::Sounding(_))
    }

    /// True if clients wait for the reply: to a request of theirs, or to one that subscribes for them.
    pub(crate) fn is_awaited(self) -> bool {
        self == Owner::Subscription || !self.is_ours()
    }
}

/// Purpose of a handshake request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// AUTH.
    Password,
    /// HELLO 3.
    Version,
    /// SELECT.
    Database,
    /// ROLE: only a master is used.
    Role,
    /// READONLY: a replica serves reads.
    Readonly,
    /// ROLE: a replica that is read from is connected to its master. One that has just started is not, and
    /// has old data, or none.
    Linked,
    /// READONLY, or READWRITE, among the requests of a connection in use, which do not wait for it.
    Turned {
        /// It is READONLY.
        readonly: bool,
    },
    /// ROLE behind such a READONLY.
    TurnedLinked,
    /// PING: a node of a cluster gets requests only once it has shown that it is alive. A frozen one would
    /// execute them when it goes on, after another has taken its place.
    Alive,
    /// The probe that a server has to answer before it gets traffic again.
    Probe,
}

/// Form that a memcached reply must have, which its bytes alone do not show.
pub(crate) use wire::memcache::Expect;

/// Placeholder for redis requests.
pub(crate) const ANY_REPLY: Expect = Expect { kind: ReplyKind::Never, keys: 0 };

/// Place where a whole request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// Not kept whole.
    Nowhere,
    Copied,
    Shared,
}

/// Part of a request in hedging ([`crate::hedging`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hedge {
    /// It has been sent to one node, and was not looked at.
    No,
    /// It is one of a pair, neither of which has an answer.
    Paired,
    /// It was looked at, or its pair is settled.
    Over,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) owner: Owner,
    /// Time it was accepted.
    pub(crate) at: Instant,
    pub(crate) expect: Expect,
    /// Replies to withhold from its client (memcached's noreply and quiet mode).
    pub(crate) silence: Silence,
    /// Number of its bytes that are copied: all of them, to resend it, or its beginning; and the names its
    /// reply may contain.
    pub(crate) kept: u32,
    /// Offset in them of the names its reply may contain ([`wire::memcache::Request::asked`]); [`NOT_NAMED`]
    /// if there is none.
    pub(crate) asked: u32,
    /// Place where all of it is kept.
    pub(crate) whole: Whole,
    /// It may be resent even if it may have been executed.
    pub(crate) safe: bool,
    /// Its part in hedging.
    pub(crate) hedge: Hedge,
    /// Its reply is, or may be, long.
    pub(crate) bulky: bool,
    /// Use of its reply by the counters.
    pub(crate) counted: Counted,
    /// Its length.
    pub(crate) len: u32,
    /// Time it waited to be written to its server, in microseconds; 0 until that is known.
    pub(crate) queue_us: u32,
}

// There is one per request under way.
const _: () = assert!(size_of::<Pending>() <= 56);

/// The reply contains no names from the request.
pub(crate) const NOT_NAMED: u32 = u32::MAX;

impl Pending {
    /// True if all of it is kept.
    pub(crate) fn has_whole(&self) -> bool {
        self.whole != Whole::Nowhere
    }

    pub(crate) fn new(owner: Owner, at: Instant, len: usize) -> Pending {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Pending {
            owner,
            at,
            expect: ANY_REPLY,
            silence: Silence::Never,
            kept: 0,
            asked: NOT_NAMED,
            whole: Whole::Nowhere,
            safe: false,
            hedge: Hedge::No,
            bulky: false,
            counted: Counted::default(),
            len,
            queue_us: 0,
        }
    }

    /// The requests of a transaction, of these lengths, which was accepted at `at`; EXEC is the last. Its
    /// gather record gets their replies.
    pub(crate) fn of_transaction(
        gather: GatherId,
        lens: impl Iterator<Item = usize>,
        at: Instant,
    ) -> impl Iterator<Item = Pending> {
        let mut lens = lens.peekable();
        std::iter::from_fn(move || {
            let len = lens.next()?;
            let (part, keys) = if lens.peek().is_some() { (QUEUED_PART, 0) } else { (0, EXEC) };
            let expect = Expect { keys, ..ANY_REPLY };
            Some(Pending { expect, ..Pending::new(Owner::Part(gather, part), at, len) })
        })
    }
}
