//! Merging the replies to the parts of a request into one.
//!
//! The table says it of each command that is split or sent to every server; the merging itself is the
//! proxy's.

/// Rule by which the replies to the parts of a request become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Arrays of values, put together in the order of the request's keys (`MGET`).
    Values,
    /// Integers, added (`DEL`, `UNLINK`, `TOUCH`, `EXISTS`, `DBSIZE`).
    Sum,
    /// `+OK` if every part said so (`MSET`, `SCRIPT FLUSH`).
    AllOk,
    /// Every part says the same, and that is the reply (`SCRIPT LOAD`).
    Same,
    /// Arrays of integers of one length, the least at each place (`SCRIPT EXISTS`).
    Least,
}
