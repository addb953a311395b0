//! Reading and writing of keys: the use that each command makes of each key, as in Redis' access control.
//!
//! `GET` reads, `DEL` writes, `GETSET` does both. `RENAME` takes from its first key and only writes the
//! second. `EXISTS` is neither: a user who may read or write a key may learn whether it exists. A test
//! compares the column with a redis-server.

use super::flags;
use crate::redis::args::Args;

/// The use of one key: read, written, both, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side(u8);

impl Side {
    /// Neither: only its existence, type or length is revealed.
    pub const NONE: Side = Side(0);
    /// Its value is shown, copied or counted.
    pub const READ: Side = Side(1);
    /// It is created, changed or removed.
    pub const WRITE: Side = Side(2);
    /// Both.
    pub const BOTH: Side = Side(3);

    /// Both together.
    #[must_use]
    pub const fn or(self, other: Side) -> Side {
        Side(self.0 | other.0)
    }

    /// True if this use is part of `wider`.
    #[inline]
    pub const fn is_within(self, wider: Side) -> bool {
        self.0 & !wider.0 == 0
    }
}

/// The column of a command: the use of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Independent of the arguments.
    Fixed {
        /// Of its first key.
        first: Side,
        /// Of all others.
        rest: Side,
    },
    /// `SET`: written, and read if `GET` is among its options.
    Set,
    /// `BITFIELD`: read, and written if any of its operations is not `GET`.
    Bitfield,
    /// `SORT`: the first key is read, that of `STORE` is written; `BY` and `GET` read keys that the request
    /// does not name.
    Lookups,
    /// `SPUBLISH` and the like: the arguments in key position are channels, which are placed like keys.
    Channels,
}

impl Sides {
    /// The default for commands with these flags.
    pub(super) const fn by_flags(flags: u32) -> Sides {
        let side = match (flags & flags::READONLY != 0, flags & flags::WRITE != 0) {
            (true, _) => Side::READ,
            (_, true) => Side::WRITE,
            _ => Side::BOTH,
        };
        Sides::Fixed { first: side, rest: side }
    }

    /// Uses of the first key and of the others in a request with these arguments, the name first.
    #[inline]
    pub fn of(self, args: Args<'_>) -> (Side, Side) {
        match self {
            Sides::Fixed { first, rest } => (first, rest),
            Sides::Set if set_gets(args) => (Side::BOTH, Side::BOTH),
            Sides::Set => (Side::WRITE, Side::WRITE),
            Sides::Bitfield if bitfield_only_gets(args) => (Side::READ, Side::READ),
            Sides::Bitfield => (Side::BOTH, Side::BOTH),
            Sides::Lookups => (Side::READ, Side::WRITE),
            Sides::Channels => (Side::NONE, Side::NONE),
        }
    }
}

/// True for `SET key value … GET`, with `GET` at the place of any option.
fn set_gets(args: Args<'_>) -> bool {
    args.skip(3).any(|option| option.is("get"))
}

/// True for `BITFIELD key [GET encoding offset | OVERFLOW behaviour]…` and nothing else. Malformed arguments
/// count as a write.
fn bitfield_only_gets(args: Args<'_>) -> bool {
    let mut operations = args.skip(2);
    while let Some(operation) = operations.next() {
        let arguments = match operation {
            _ if operation.is("get") => 2,
            _ if operation.is("overflow") => 1,
            _ => return false,
        };
        if operations.nth(arguments - 1).is_none() {
            return false;
        }
    }
    true
}
