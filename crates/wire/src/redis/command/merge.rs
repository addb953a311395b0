//! How the replies to the parts of a split request become one.
//!
//! The table says it of each command that may be split; the merging itself is the proxy's.

/// How the replies to the parts of a split request become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Arrays of values, put together in the order of the request's keys (`MGET`).
    Values,
    /// Integers, added (`DEL`, `UNLINK`, `TOUCH`, `EXISTS`).
    Sum,
    /// `+OK` if every part said so (`MSET`).
    AllOk,
}
