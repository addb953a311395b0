//! memcached: the text protocol and the meta commands, as memcached 1.6 speaks them.
//!
//! ```text
//! request   command line LF | CRLF, and for storage commands a data block:
//!           set k 0 0 5 CRLF hello CRLF          ms k 5 T60 q CRLF hello CRLF
//! reply     one line, or blocks and END, or a line with a length and a data block:
//!           STORED CRLF     VALUE k 0 5 CRLF hello CRLF END CRLF     VA 5 f0 CRLF hello CRLF
//! ```
//!
//! [`RequestScanner`] finds one request and the places of its parts, without copying or allocating.
//! [`ReplyScanner`] finds the end of one reply *to a given request* (the same bytes can be a reply to one
//! request and nonsense for another) and rejects everything else, because a reply that does not fit indicates
//! a connection that is out of step. [`Row`] describes each command and how a proxy treats it; [`Flag`]
//! describes the meta flags.
//!
//! # Replies that must not be sent: `noreply` and `q`
//!
//! A shared server connection pairs replies with requests by order, so a request that may or may not be
//! answered would shift every later reply to the wrong client. memcached does answer some `noreply` requests
//! (a line whose token count is wrong; a data block run as a command after an error line). Therefore a proxy
//! never forwards `noreply` or the meta flag `q`:
//!
//! 1. forward [`Request::forward`], the frame without that token: every forwarded request has exactly one
//!    reply;
//! 2. keep the request in its client's order like any other, so that order and back-pressure hold;
//! 3. on its reply (or failure), call [`suppressed`] to learn whether memcached would have sent it, and drop
//!    it if not.
//!
//! `mn` needs no server: the answer `MN` is made when it is first in its client's order, after everything
//! sent before it was decided. Clients use it for this purpose after quiet commands.
//!
//! # Errors
//!
//! [`BadRequest`] carries the line that memcached 1.6.18 sends. Where memcached would read a data block as
//! commands (which turns values into commands), we either know the block's length and swallow it, or we do
//! not, and the connection must be closed after the error line. These and a few more inputs on which we are
//! stricter (a NUL in a line, numbers with a plus sign or tabs, sloppy base64) are listed in
//! `docs/compat-memcache-meta.md`.

pub mod base64;
mod scan;

mod command;
mod flag;

mod request;

mod reply;

mod quiet;

mod judge;

pub mod docs;
pub mod fuzzing;

pub use command::{COMMANDS, Command, Merge, PLACEHOLDER_KEY, Retry, Route, Row, Shape};
pub use flag::{FLAGS, Flag, FlagSet, TokenKind};
pub use quiet::{Silence, suppressed};
pub use reply::{
    BadReply, Block, Blocks, Expect, Piece, Reply, ReplyKind, ReplyPassage, ReplyScanner, Status,
};
pub use request::{BadRequest, Cause, Keys, MetaFlags, Request, RequestScanner, signed, unsigned};
pub use scan::{KEY_BYTES_MAX, Limits, Scan, Span};
