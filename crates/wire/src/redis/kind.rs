//! The types of replies in RESP2 and RESP3, each with the byte that it begins with.
//!
//! A missing value is a type of its own, whichever of its three forms it has.

/// The type of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `+`
    Simple,
    /// `-`
    Error,
    /// `:`
    Integer,
    /// `$`
    Bulk,
    /// `*`
    Array,
    /// `$-1`, `*-1` or `_`
    Null,
    /// `#`
    Boolean,
    /// `,`
    Double,
    /// `(`
    BigNumber,
    /// `!`
    BulkError,
    /// `=`
    Verbatim,
    /// `%`
    Map,
    /// `~`
    Set,
    /// `>`: sent by the server on its own account; it answers no request.
    Push,
}
