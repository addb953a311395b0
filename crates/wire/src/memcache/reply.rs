//! One reply to one request.

mod asked;
mod block;
mod line;
mod passage;
mod scanner;

pub use block::{Block, Blocks};
pub use passage::{Piece, ReplyPassage};
pub use scanner::ReplyScanner;

use std::ops::Range;

/// Form of the reply to a command. Error lines are replies to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// VALUE blocks without cas, then END.
    Values,
    /// VALUE blocks with cas, then END.
    ValuesCas,
    /// `STORED`, `NOT_STORED`, `EXISTS`, `NOT_FOUND`.
    Stored,
    /// A number (possibly padded with spaces), `NOT_FOUND`.
    Number,
    /// `TOUCHED`, `NOT_FOUND`.
    Touched,
    /// `DELETED`, `NOT_FOUND`.
    Deleted,
    /// OK.
    Ok,
    /// VERSION and a text.
    Version,
    /// STAT lines, then END.
    Stats,
    /// RESET.
    Reset,
    /// HD, VA with data, EN.
    MetaGet,
    /// HD, NS, EX, NF.
    MetaSet,
    /// HD, NF, EX.
    MetaDelete,
    /// HD, VA with data, NF, NS, EX.
    MetaArithmetic,
    /// MN.
    MetaNoop,
    /// ME and a text, EN.
    MetaDebug,
    /// Any reply to a text command, whatever the request, as nutcracker 0.5.0 accepts. For users who prefer
    /// its leniency; a reply that does not fit its request means that the connection is out of step.
    AnyText,
    /// No reply: the command is never sent to a server.
    Never,
}

impl ReplyKind {
    /// True for replies that may name the request's key and opaque: those to meta commands.
    pub fn is_meta(self) -> bool {
        matches!(
            self,
            ReplyKind::MetaGet
                | ReplyKind::MetaSet
                | ReplyKind::MetaDelete
                | ReplyKind::MetaArithmetic
                | ReplyKind::MetaDebug
        )
    }
}

/// Form that a reply to a given request must have. See [`super::Request::expect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// Its form.
    pub kind: ReplyKind,
    /// Most VALUE blocks, for the `get` family.
    pub keys: u32,
}

/// The first word of a reply's last line, or of its only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Status {
    End,
    Stored,
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Touched,
    Ok,
    Number,
    Version,
    Reset,
    /// HD
    Header,
    /// VA
    Value,
    /// EN
    Miss,
    /// NS
    MetaNotStored,
    /// EX
    MetaExists,
    /// NF
    MetaNotFound,
    /// MN
    Noop,
    /// ME
    Debug,
    /// ERROR: the request was not understood.
    Error,
    /// `CLIENT_ERROR`: the client's fault.
    ClientError,
    /// `SERVER_ERROR`: the server's fault.
    ServerError,
}

impl Status {
    /// True for `ERROR`, `CLIENT_ERROR` and `SERVER_ERROR`.
    pub fn is_error(self) -> bool {
        matches!(self, Status::Error | Status::ClientError | Status::ServerError)
    }
}

/// A complete reply, as places in its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its meaning.
    pub status: Status,
    /// Its length in bytes, line ends included.
    pub len: usize,
    /// Number of its VALUE blocks. They take the bytes before [`Reply::last_line`].
    pub blocks: u32,
    /// The last line with its line end: END, the error, or the only line. For VA the line before the data.
    pub last_line: Range<usize>,
}

/// The reason bytes are not a reply to the request. The connection is out of step and must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadReply {
    /// A line longer than any reply has, or one that does not end in CR LF.
    Line,
    /// A line that does not fit this request.
    Unexpected,
    /// A length that is malformed or above the limit.
    Length,
    /// A data block without CR LF at its end.
    Data,
    /// More VALUE blocks than requested keys.
    TooManyBlocks,
    /// A key or an opaque that differs from the request's.
    NotAsked,
    /// A STAT reply above its limit.
    TooLong,
}
