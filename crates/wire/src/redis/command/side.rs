//! Reading and writing of keys: what each command does to each of its keys, as Redis' access control sees it.
//!
//! `GET` reads, `DEL` writes, `GETSET` does both. `RENAME` takes from its first key and only writes the
//! second. `EXISTS` is neither: who may read a key or may write it may learn whether it exists. A test
//! compares the column with a redis-server.

use super::flags;
use crate::redis::args::Args;

/// The use of one key: it is read, written, both, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side(u8);

impl Side {
    /// Neither: its existence, its type or its length is learnt.
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

    /// True if all that is done here is among what is done in `wider`.
    #[inline]
    pub const fn is_within(self, wider: Side) -> bool {
        self.0 & !wider.0 == 0
    }
}

/// The column of a command: which of its keys are read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sides {
    /// Always the same.
    Fixed {
        /// Of its first key.
        first: Side,
        /// Of all others.
        rest: Side,
    },
    /// `SET`: written, and read if `GET` is among its options.
    Set,
    /// `BITFIELD`: read, and written if any of its operations is another one than `GET`.
    Bitfield,
    /// `SORT`: the first is read, that of `STORE` is written; `BY` and `GET` look at keys that the request
    /// does not name.
    Lookups,
    /// `SPUBLISH` and its like: what stands where keys stand are channels, which are placed like keys.
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

    /// Sides of the first key and of the others in a request with these arguments, the name first.
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

/// `SET key value … GET`, where `GET` may stand at the place of any option.
fn set_gets(args: Args<'_>) -> bool {
    args.skip(3).any(|option| option.is("get"))
}

/// `BITFIELD key [GET encoding offset | OVERFLOW behaviour]…`, and nothing else. What cannot be read counts
/// as a write.
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
