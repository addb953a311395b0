//! One request, as places in its frame.

mod bad;
mod line;
mod meta;
mod number;
mod scanner;
mod text;
mod token;

pub use bad::{BadRequest, Cause};
pub use number::{signed, unsigned};
pub use scanner::RequestScanner;
pub use token::{Keys, MetaFlags};

use super::{Command, Expect, FlagSet, KEY_BYTES_MAX, Retry, Row, Shape, Span, base64};
pub(super) use token::Tokens;

/// A well-formed request. It holds only places: methods that return bytes take the frame it was scanned from.
///
/// ```text
/// ..set k 0 0 5 noreply  CRLF hello CRLF        . is a space
///   command              line end
///       key  arguments          data
///              quiet token (with the space before it)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    command: Command,
    noreply: bool,
    binary_key: bool,
    bare_lf: bool,
    flags: FlagSet,
    key_count: u32,
    name: Span,
    key: Span,
    quiet_token: Span,
    text_end: u32,
    line_len: u32,
    data: Span,
    frame_len: u32,
}

impl Request {
    /// The command.
    pub fn command(&self) -> Command {
        self.command
    }

    /// Its row in the table.
    pub fn row(&self) -> &'static Row {
        self.command.row()
    }

    /// Length of the whole request, data block and line ends included.
    pub fn frame_len(&self) -> usize {
        self.frame_len as usize
    }

    /// The first key, as written. Empty if the command has none.
    pub fn key(&self) -> Span {
        self.key
    }

    /// Number of keys; more than one only for the `get` family.
    pub fn key_count(&self) -> usize {
        self.key_count as usize
    }

    /// All keys, in order.
    pub fn keys<'a>(&self, frame: &'a [u8]) -> Keys<'a> {
        Keys::new(&frame[..self.text_end as usize], self.key, self.key_count)
    }

    /// The key to route by: the key itself, or its decoded form if it is in base64 (flag `b`). `buffer` holds
    /// the decoded bytes.
    pub fn routing_key<'a>(&self, frame: &'a [u8], buffer: &'a mut [u8; KEY_BYTES_MAX]) -> &'a [u8] {
        let key = self.key.of(frame);
        if !self.binary_key {
            return key;
        }
        match base64::decode_key(key, buffer) {
            Some(len) => &buffer[..len],
            None => key,
        }
    }

    /// True if the key is in base64.
    pub fn binary_key(&self) -> bool {
        self.binary_key
    }

    /// Text before the first key, with the name and without leading spaces: `get `, `gat 60 `. A part of a
    /// split request is this, some of the keys, and CR LF.
    pub fn head<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        &frame[self.name.start as usize..self.key.start as usize]
    }

    /// The words after the first key (for commands without keys: after the name). For a storage command these
    /// are flags, exptime, bytes, and so on; `noreply` is among them.
    pub fn arguments<'a>(&self, frame: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let text = &frame[..self.text_end as usize];
        let from = if self.key.is_empty() { self.name.end } else { self.key.end };
        Tokens::from(text, from as usize).map(move |token| token.of(text))
    }

    /// The meta flags with their arguments; none for text commands and `me`.
    pub fn meta_flags<'a>(&self, frame: &'a [u8]) -> MetaFlags<'a> {
        let text = &frame[..self.text_end as usize];
        let from = if self.flags == FlagSet::default() { text.len() } else { self.key.end as usize };
        let mut tokens = Tokens::from(text, from);
        if self.command == Command::MetaSet {
            tokens.next(); // the byte count
        }
        MetaFlags::new(text, tokens)
    }

    /// The letters of the meta flags.
    pub fn flags(&self) -> FlagSet {
        self.flags
    }

    /// The data block of a storage command without its CR LF; empty for others.
    pub fn data(&self) -> Span {
        self.data
    }

    /// The command line without its line end.
    pub fn line(&self) -> Span {
        Span { start: 0, end: self.text_end }
    }

    /// True if the client wants no reply at all.
    pub fn noreply(&self) -> bool {
        self.noreply
    }

    /// True if the client wants no reply in the expected case (meta flag `q`).
    pub fn quiet(&self) -> bool {
        self.flags.has(b'q')
    }

    /// True if it may be resent when its connection died before any byte of the reply.
    pub fn retry_safe(&self) -> bool {
        match self.row().retry {
            Retry::Safe => true,
            Retry::SafeWithout(letters) => !self.flags.has_any(letters),
            Retry::No => false,
        }
    }

    /// Form its reply must have.
    pub fn expect(&self) -> Expect {
        Expect { kind: self.row().reply, keys: self.key_count }
    }

    /// Range of the forwarded frame that its reply may name: the keys of the `get` family; for a meta command
    /// that wants its key or opaque back, the line from the key on. Empty for others.
    pub fn asked(&self) -> Span {
        let text_end = self.text_end - self.quiet_token.len() as u32;
        let end = match self.row().shape {
            Shape::Keys { .. } => text_end,
            Shape::Meta | Shape::MetaStorage if self.flags.has_any(b"kO") => text_end,
            Shape::MetaDebug if !self.binary_key => self.key.end,
            _ => self.key.start,
        };
        Span { start: self.key.start, end }
    }

    /// True if the frame can be forwarded unchanged: no `noreply`, no `q`, and a line that ends in CR LF.
    pub fn is_verbatim(&self) -> bool {
        self.quiet_token.is_empty() && !self.bare_lf
    }

    /// The forwarded frame: without `noreply` or `q`, with CR LF at the end of the line. The slices, sent in
    /// order, are a request with exactly one reply. Slices may be empty.
    pub fn forward<'a>(&self, frame: &'a [u8]) -> [&'a [u8]; 4] {
        let frame = &frame[..self.frame_len as usize];
        if self.is_verbatim() {
            return [frame, b"", b"", b""];
        }
        let text = &frame[..self.text_end as usize];
        let (before, after) = if self.quiet_token.is_empty() {
            (text, &b""[..])
        } else {
            (&text[..self.quiet_token.start as usize], &text[self.quiet_token.end as usize..])
        };
        [before, after, b"\r\n", &frame[self.line_len as usize..]]
    }
}
