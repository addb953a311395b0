//! The columns of a command's row, and the short names that the tables use for them.
//!
//! A row has the defaults of its flags; exceptions wrap it, as in `stateful(moves(row(…)))`.

use super::Proxied::Split;
use super::merge::Merge;
use super::side::{Side, Sides};
use super::{Command, KeySpec, Local, Permit, Proxied, flags};

// Short names keep a command's row on one line.
pub(super) const R: u32 = flags::READONLY;
pub(super) const W: u32 = flags::WRITE;
pub(super) const OOM: u32 = flags::DENYOOM;
pub(super) const ADM: u32 = flags::ADMIN;
pub(super) const PS: u32 = flags::PUBSUB;
pub(super) const NS: u32 = flags::NOSCRIPT;
pub(super) const BLK: u32 = flags::BLOCKING;
pub(super) const L: u32 = flags::LOADING;
pub(super) const S: u32 = flags::STALE;
pub(super) const F: u32 = flags::FAST;
pub(super) const NA: u32 = flags::NO_AUTH;
pub(super) const MK: u32 = flags::MOVABLEKEYS;
pub(super) const AB: u32 = flags::ALLOW_BUSY;
pub(super) const NMK: u32 = flags::NO_MANDATORY_KEYS;
pub(super) const SM: u32 = flags::SKIP_MONITOR;
pub(super) const SS: u32 = flags::SKIP_SLOWLOG;
pub(super) const ASK: u32 = flags::ASKING;
pub(super) const NM: u32 = flags::NO_MULTI;
pub(super) const NAL: u32 = flags::NO_ASYNC_LOADING;

pub(super) const FIRST: KeySpec = KeySpec::Range { first: 1, last: 1, step: 1 };
pub(super) const SECOND: KeySpec = KeySpec::Range { first: 2, last: 2, step: 1 };
pub(super) const TWO: KeySpec = KeySpec::Range { first: 1, last: 2, step: 1 };
pub(super) const ALL: KeySpec = KeySpec::Range { first: 1, last: -1, step: 1 };
pub(super) const PAIRS: KeySpec = KeySpec::Range { first: 1, last: -1, step: 2 };
pub(super) const SUM: Proxied = Split(Merge::Sum);

pub(super) const fn local(by: Local) -> Proxied {
    Proxied::Local(by)
}

pub(super) const fn row(
    name: &'static str,
    arity: i8,
    flags: u32,
    keys: KeySpec,
    proxied: Proxied,
    group: &'static str,
    since: &'static str,
) -> Command {
    container(name, arity, flags, keys, proxied, group, since, &[])
}

#[allow(clippy::too_many_arguments, reason = "the columns of the table")]
pub(super) const fn container(
    name: &'static str,
    arity: i8,
    flags: u32,
    keys: KeySpec,
    proxied: Proxied,
    group: &'static str,
    since: &'static str,
    subcommands: &'static [Command],
) -> Command {
    let sides = Sides::by_flags(flags);
    let (permit, stateful) = (Permit::Always, false);
    Command { name, id: 0, arity, flags, keys, sides, proxied, permit, group, since, stateful, subcommands }
}

/// Marks a command that empties all servers of a pool.
pub(super) const fn flushes(command: Command) -> Command {
    Command { permit: Permit::Flush, ..command }
}

/// Marks a command that changes a server rather than keys.
pub(super) const fn administers(command: Command) -> Command {
    Command { permit: Permit::Admin, ..command }
}

/// Marks a command after which Redis executes or answers later commands of the connection differently.
pub(super) const fn stateful(command: Command) -> Command {
    Command { stateful: true, ..command }
}

/// Marks a command that reveals only whether its keys hold something, or how much.
pub(super) const fn learns(command: Command) -> Command {
    sided(command, Side::NONE, Side::NONE)
}

/// Marks a command flagged as a write that reads all of its keys.
pub(super) const fn reads(command: Command) -> Command {
    sided(command, Side::READ, Side::READ)
}

/// Marks a command that changes the values of its keys and replies with them.
pub(super) const fn modifies(command: Command) -> Command {
    sided(command, Side::BOTH, Side::BOTH)
}

/// Marks a command whose first key gets the result of the others.
pub(super) const fn stores(command: Command) -> Command {
    sided(command, Side::WRITE, Side::READ)
}

/// Marks a command that reads its first key and writes the others.
pub(super) const fn copies(command: Command) -> Command {
    sided(command, Side::READ, Side::WRITE)
}

/// Marks a command that takes from its first key and adds to the second.
pub(super) const fn moves(command: Command) -> Command {
    sided(command, Side::BOTH, Side::WRITE)
}

/// Marks a command whose first key is changed by the others.
pub(super) const fn merges(command: Command) -> Command {
    sided(command, Side::BOTH, Side::READ)
}

/// Marks `SET`, which also reads with the argument `GET`.
pub(super) const fn sets(command: Command) -> Command {
    Command { sides: Sides::Set, ..command }
}

/// Marks `BITFIELD`, which only reads if all its operations are `GET`.
pub(super) const fn bitfields(command: Command) -> Command {
    Command { sides: Sides::Bitfield, ..command }
}

/// Marks `SORT`, which may read keys that it does not name.
pub(super) const fn looks_up(command: Command) -> Command {
    Command { sides: Sides::Lookups, ..command }
}

/// Marks a command whose arguments are channels, not keys.
pub(super) const fn channels(command: Command) -> Command {
    Command { sides: Sides::Channels, ..command }
}

const fn sided(command: Command, first: Side, rest: Side) -> Command {
    Command { sides: Sides::Fixed { first, rest }, ..command }
}

/// Numbers the rows of a table, from `first` on.
pub(super) const fn numbered<const N: usize>(first: u16, mut rows: [Command; N]) -> [Command; N] {
    let mut at = 0;
    while at < N {
        rows[at].id = first + at as u16;
        at += 1;
    }
    rows
}

/// The next id after these rows.
pub(super) const fn after(rows: &[Command]) -> u16 {
    rows[rows.len() - 1].id + 1
}
