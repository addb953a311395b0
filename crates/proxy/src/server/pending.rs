//! A request on its way: who gets its reply, and what the reply must look like.

use net::{ConnId, Instant};
use wire::memcache::{ReplyKind, Silence};

use crate::client::Seq;
use crate::gather::GatherId;

/// Receiver of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A client's request.
    Client(ConnId, Seq),
    /// A part of a request that was split or went to every server.
    Part(GatherId, u16),
    /// The handshake: the password, the protocol version, the database.
    Handshake(Handshake),
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
    /// The question that a server has to answer before it takes traffic again.
    Probe,
}

/// Form a reply must have, for memcached, where the bytes alone do not tell.
pub(crate) use wire::memcache::Expect;

/// Value in its place for redis requests.
pub(crate) const ANY_REPLY: Expect = Expect { kind: ReplyKind::Never, keys: 0 };

/// Place of a whole request that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// It is not.
    Nowhere,
    Copied,
    Shared,
}

/// A request on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) owner: Owner,
    /// Time it was accepted.
    pub(crate) at: Instant,
    pub(crate) expect: Expect,
    /// Replies that its client does not want (memcached's noreply and quiet mode).
    pub(crate) silence: Silence,
    /// Number of its bytes that are copied: all of them, for a second try, or what its reply may name.
    pub(crate) kept: u32,
    /// Start in them of the part its reply may name ([`wire::memcache::Request::asked`]); [`NOT_NAMED`] if
    /// there is none.
    pub(crate) asked: u32,
    /// Place where all of it is kept.
    pub(crate) whole: Whole,
    /// It may be sent again though it may have been executed.
    pub(crate) safe: bool,
    /// Its reply is, or may be, long.
    pub(crate) bulky: bool,
    /// Its length.
    pub(crate) len: u32,
}

// One for each request that is under way.
const _: () = assert!(size_of::<Pending>() <= 48);

/// The reply names nothing that was asked for.
pub(crate) const NOT_NAMED: u32 = u32::MAX;

impl Pending {
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
            bulky: false,
            len,
        }
    }
}
