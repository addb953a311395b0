//! Parses the whole line of a meta command.
//!
//! Checks and error texts in the order of memcached 1.6.18: an unknown or repeated flag stops parsing, a bad
//! token does not, so the last fault is reported; `md` and `ma` use one text for all.

use super::bad::{self, BadRequest, Cause};
use super::line::{Line, data_bytes, swallow, with_data};
use super::token::Tokens;
use super::{Request, base64, signed, unsigned};
use crate::memcache::flag::{Flag, TokenKind};
use crate::memcache::{Command, FlagSet, KEY_BYTES_MAX, Limits, Span};

/// Most words on a line, name and key included.
const WORDS_MAX: usize = 19;
/// Longest opaque flag, its letter included.
const OPAQUE_BYTES_MAX: usize = 32;

/// `mg`, `md`, `ma`: a key and flags.
pub(super) fn keyed(line: &Line<'_>) -> Result<Request, BadRequest> {
    let mut tokens = line.arguments();
    let key = tokens.next().ok_or(line.bad(Cause::Unknown, bad::ERROR))?;
    if key.len() > KEY_BYTES_MAX {
        return Err(line.bad(Cause::Argument, bad::META_FORMAT));
    }
    if tokens.clone().count() + 2 > WORDS_MAX {
        let get = line.command == Command::MetaGet;
        return Err(line.bad(Cause::Argument, if get { bad::META_TOO_MANY_GET } else { bad::META_TOO_MANY }));
    }
    let mut flags = Flags::default();
    flags
        .read(line.text, key, tokens)
        .map_err(|text| match line.command {
            Command::MetaGet => text,
            _ => bad::META_INVALID_OR_DUPLICATE,
        })
        .and_then(|()| flags.check(line.command))
        .map_err(|text| line.bad(Cause::Argument, text))?;
    Ok(flags.apply(line.keyed(key)))
}

/// `ms`: a key, a byte count, flags, and a data block.
pub(super) fn storage(line: &Line<'_>, limits: &Limits) -> Result<Request, BadRequest> {
    let mut tokens = line.arguments();
    let key = tokens.next().ok_or(line.bad(Cause::Unknown, bad::ERROR))?;
    let bytes = tokens.next().and_then(|token| data_bytes(token.of(line.text)));
    let bytes = bytes.ok_or(BadRequest::close(Cause::Argument, bad::META_FORMAT))?;
    let fail = |text| swallow(line, bytes, Cause::Argument, text);
    if key.len() > KEY_BYTES_MAX {
        return Err(fail(bad::META_FORMAT));
    }
    if tokens.clone().count() + 3 > WORDS_MAX {
        return Err(fail(bad::META_TOO_MANY));
    }
    let mut flags = Flags::default();
    flags.read(line.text, key, tokens).and_then(|()| flags.check(line.command)).map_err(fail)?;
    with_data(line, flags.apply(line.keyed(key)), bytes, limits)
}

/// `me`: a key, and `b` if it is in base64. Other words are ignored.
pub(super) fn debug(line: &Line<'_>) -> Result<Request, BadRequest> {
    let mut tokens = line.arguments();
    let fault = line.bad(Cause::Argument, bad::META_FORMAT);
    let key = tokens.next().filter(|key| key.len() <= KEY_BYTES_MAX).ok_or(fault)?;
    let binary_key = tokens.next().is_some_and(|token| token.of(line.text) == b"b");
    if binary_key && !is_base64(line.text, key) {
        return Err(fault);
    }
    Ok(Request { binary_key, ..line.keyed(key) })
}

/// Contents of a line's flags.
#[derive(Default)]
struct Flags {
    seen: FlagSet,
    mode: u8,
    opaque_len: usize,
    quiet_token: Span,
}

impl Flags {
    /// Parses all flags; the error is the text for `mg` and `ms`.
    fn read(&mut self, text: &[u8], key: Span, tokens: Tokens<'_>) -> Result<(), &'static [u8]> {
        let mut fault = None;
        let mut last_text = bad::META_FORMAT;
        for token in tokens {
            let word = token.of(text);
            let letter = word[0];
            if letter >= 0x7f || !self.seen.add(letter) {
                return Err(bad::META_DUPLICATE);
            }
            let kind = Flag::token_of(letter).ok_or(bad::META_INVALID)?;
            if let Err(told) = self.token(kind, word) {
                last_text = told.unwrap_or(last_text);
                fault = Some(last_text);
            }
            if letter == b'b' && !is_base64(text, key) {
                last_text = bad::META_KEY;
                fault = Some(last_text);
            }
            if letter == b'q' {
                self.quiet_token = Span { start: end_before(text, token), end: token.end };
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Checks a flag's argument. The error is the flag's own text, if it has one.
    fn token(&mut self, kind: TokenKind, word: &[u8]) -> Result<(), Option<&'static [u8]>> {
        let token = &word[1..];
        let valid = match kind {
            TokenKind::None => true,
            TokenKind::Seconds => signed(token).is_some(),
            TokenKind::Unsigned => unsigned(token).is_some(),
            TokenKind::Mode => {
                self.mode = token.first().copied().unwrap_or(0);
                token.len() == 1
            }
            TokenKind::Opaque => {
                self.opaque_len = word.len();
                true
            }
        };
        if valid {
            return Ok(());
        }
        Err(match word[0] {
            b'F' => None,
            b'M' => Some(bad::META_MODE_LENGTH),
            b'J' => Some(bad::META_INITIAL),
            b'D' => Some(bad::META_DELTA),
            _ => Some(bad::META_TOKEN),
        })
    }

    /// Checks that need all flags.
    fn check(&self, command: Command) -> Result<(), &'static [u8]> {
        match (command, self.mode) {
            (Command::MetaSet, 0 | b'E' | b'A' | b'P' | b'R' | b'S') => {}
            (Command::MetaSet, _) => return Err(bad::META_MODE_SET),
            (Command::MetaArithmetic, 0 | b'I' | b'+' | b'D' | b'-') => {}
            (Command::MetaArithmetic, _) => return Err(bad::META_MODE_ARITHMETIC),
            _ => {}
        }
        if self.opaque_len > OPAQUE_BYTES_MAX { Err(bad::META_OPAQUE) } else { Ok(()) }
    }

    fn apply(&self, request: Request) -> Request {
        Request {
            flags: self.seen,
            binary_key: self.seen.has(b'b'),
            quiet_token: self.quiet_token,
            ..request
        }
    }
}

/// End of the word before `token`.
fn end_before(text: &[u8], token: Span) -> u32 {
    let spaces = text[..token.start as usize].iter().rev().take_while(|&&byte| byte == b' ').count();
    token.start - spaces as u32
}

fn is_base64(text: &[u8], key: Span) -> bool {
    base64::decode_key(key.of(text), &mut [0; KEY_BYTES_MAX]).is_some()
}
