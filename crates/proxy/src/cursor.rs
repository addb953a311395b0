//! Cursors of a `SCAN` over several servers: the server's own, and its place among them.
//!
//! ```text
//! client's cursor = server's cursor × number of servers + place of the server
//! ```

/// The number that a cursor is written as.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The place of the server that a client's cursor names among `count`, and that server's cursor.
pub(crate) fn split(cursor: u64, count: u64) -> (u64, u64) {
    (cursor % count, cursor / count)
}

/// The client's cursor for a server's, which is not 0; None if it is too large.
pub(crate) fn join(cursor: u64, at: u16, count: u16) -> Option<u64> {
    cursor.checked_mul(count.into())?.checked_add(at.into())
}
