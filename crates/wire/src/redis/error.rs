//! Framing errors in a peer's bytes.
//!
//! Nothing after one of these can be understood: a client gets `-ERR Protocol error: …` and is disconnected;
//! a server's connection is replaced.

use std::fmt;

use bytes::BufMut;

use super::encode;

/// A request that cannot be framed. The texts are Redis 7's wherever it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// After `*`: not a canonical decimal number, or more than `arguments_max`.
    InvalidMultibulkLength,
    /// More arguments than an unauthenticated client may send.
    UnauthenticatedMultibulkLength,
    /// Another byte than `$` at the start of an argument.
    ExpectedBulk(u8),
    /// After `$`: not a canonical decimal number, negative, or more than `bulk_bytes_max`.
    InvalidBulkLength,
    /// A longer argument than an unauthenticated client may send.
    UnauthenticatedBulkLength,
    /// The bytes after an argument are not `\r\n`. (Redis does not check them; other servers may.)
    UnterminatedBulk,
    /// No line end within `inline_bytes_max`.
    TooBigInline,
    /// Quotes of an inline command that are unclosed, or closed in the middle of a word.
    UnbalancedQuotes,
    /// The whole request is longer than `request_bytes_max`.
    TooBigRequest,
    /// `POST` or `Host:` as an inline command: a browser was lured into speaking to a cache.
    CrossProtocol,
}

impl ProtocolError {
    /// Appends the error as a reply: `-ERR Protocol error: …\r\n`.
    pub fn write(&self, out: &mut impl BufMut) {
        encode::error(out, format!("ERR Protocol error: {self}").as_bytes());
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::InvalidMultibulkLength => f.write_str("invalid multibulk length"),
            ProtocolError::UnauthenticatedMultibulkLength => f.write_str("unauthenticated multibulk length"),
            ProtocolError::ExpectedBulk(got) => write!(f, "expected '$', got '{}'", printable(*got)),
            ProtocolError::InvalidBulkLength => f.write_str("invalid bulk length"),
            ProtocolError::UnauthenticatedBulkLength => f.write_str("unauthenticated bulk length"),
            ProtocolError::UnterminatedBulk => f.write_str("expected CRLF after bulk"),
            ProtocolError::TooBigInline => f.write_str("too big inline request"),
            ProtocolError::UnbalancedQuotes => f.write_str("unbalanced quotes in request"),
            ProtocolError::TooBigRequest => f.write_str("too big request"),
            ProtocolError::CrossProtocol => f.write_str("HTTP spoken to a Redis port"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// `byte` if it is printable ASCII, a space otherwise, so that an error stays one line of text.
fn printable(byte: u8) -> char {
    if byte.is_ascii_graphic() { byte.into() } else { ' ' }
}

/// A reply that cannot be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyError {
    /// The first byte of a reply or element is not a type of RESP2 or RESP3.
    UnknownType(u8),
    /// A length, count or integer that is not a number.
    InvalidNumber,
    /// The bytes after a bulk are not `\r\n`.
    UnterminatedBulk,
    /// A push or an attribute in an invalid position, or a boolean or null with a value.
    Misplaced,
    /// A limit of [`super::ReplyLimits`] was exceeded.
    TooBig,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::UnknownType(byte) => write!(f, "unknown reply type '{}'", byte.escape_ascii()),
            ReplyError::InvalidNumber => f.write_str("invalid number in a reply"),
            ReplyError::UnterminatedBulk => f.write_str("expected CRLF after a bulk reply"),
            ReplyError::Misplaced => f.write_str("misplaced or malformed RESP3 element"),
            ReplyError::TooBig => f.write_str("reply exceeds a limit"),
        }
    }
}

impl std::error::Error for ReplyError {}
