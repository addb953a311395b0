//! Flags of a meta command: parsed once, with at most one error, and walked again for the answer.
//!
//! All five commands share one list of flags; those without a meaning for a command are ignored. Each may
//! appear once.

use std::borrow::Cow;

use wire::memcache::base64;

use super::super::exptime::deadline_ms;
use super::super::number::{signed_32, unsigned, unsigned_32};
use super::super::refusal::{BAD_FORMAT, Refusal};
use super::super::request::{Request, Words};

/// Most words of a meta command, including name and key.
const WORDS_MAX: usize = 19;

const BAD_TOKEN: Refusal = "CLIENT_ERROR bad token in command line format";

/// Values of the flags.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags<'r> {
    words: Vec<&'r [u8]>,
    /// The key, decoded from base64 if `b` is set.
    pub(super) key: Cow<'r, [u8]>,
    /// `b`
    pub(super) key_base64: bool,
    /// `v`: return the value.
    pub(super) value: bool,
    /// `q`: no answer in the expected case.
    pub(super) quiet: bool,
    /// `u`: does not count as use.
    pub(super) no_bump: bool,
    /// `I`: mark as stale, or accept an older cas unique.
    pub(super) invalidate: bool,
    /// `N`: create the item if absent, with this deadline.
    pub(super) vivify_ms: Option<u64>,
    /// `T`: a new deadline.
    pub(super) deadline_ms: Option<u64>,
    /// `R`: refill if the item expires before this.
    pub(super) recache_ms: Option<u64>,
    /// `C`: the required cas unique.
    pub(super) cas: Option<u64>,
    /// `F`: client flags.
    pub(super) client_flags: u32,
    /// `M`: the mode, one character.
    pub(super) mode: Option<u8>,
    /// `J`: first value of a number.
    pub(super) initial: u64,
    /// `D`: the step.
    pub(super) delta: Option<u64>,
}

impl<'r> Flags<'r> {
    /// Parses the flags that begin at word `start`. `too_long` is the error for too many words.
    pub(super) fn of(request: &Request<'r>, start: usize, too_long: Refusal) -> Result<Flags<'r>, Refusal> {
        check_line(request, too_long)?;
        Flags::parse(request, start)
    }

    /// Parses the flags of a checked line. An unknown or repeated flag stops parsing; of other faults the
    /// last one is reported.
    pub(super) fn parse(request: &Request<'r>, start: usize) -> Result<Flags<'r>, Refusal> {
        let words: &Words<'r> = &request.words;
        let mut flags =
            Flags { words: words.kept_from(start).to_vec(), key: request.key()?.into(), ..Flags::default() };
        let mut seen = [false; 127];
        let mut fault = Ok(());
        for word in words.kept_from(start) {
            let (&flag, argument) = word.split_first().unwrap_or((&0, b""));
            let first_time =
                seen.get_mut(usize::from(flag)).is_some_and(|seen| !std::mem::replace(seen, true));
            if !first_time {
                return Err("CLIENT_ERROR duplicate flag");
            }
            match flags.read(flag, argument, request.now_s) {
                Ok(()) => {}
                Err(Fault::Unknown) => return Err("CLIENT_ERROR invalid flag"),
                Err(Fault::Said(text)) => fault = Err(text),
                Err(Fault::Unsaid) => fault = fault.and(Err(BAD_FORMAT)),
            }
        }
        fault.map(|()| flags)
    }

    /// The flags in their original order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'r [u8]> + '_ {
        self.words.iter().copied()
    }

    fn read(&mut self, flag: u8, argument: &[u8], now_s: u64) -> Result<(), Fault> {
        let time =
            || signed_32(argument).map(|exptime| deadline_ms(exptime, now_s)).ok_or(Fault::Said(BAD_TOKEN));
        match flag {
            b'O' | b'P' | b'L' | b'k' | b's' | b't' | b'c' | b'f' | b'l' | b'h' => {}
            b'b' => {
                self.key_base64 = true;
                let key = base64::decode(&self.key);
                self.key = key.ok_or(Fault::Said("CLIENT_ERROR error decoding key"))?.into();
            }
            b'v' => self.value = true,
            b'q' => self.quiet = true,
            b'u' => self.no_bump = true,
            b'I' => self.invalidate = true,
            b'N' => self.vivify_ms = Some(time()?),
            b'T' => self.deadline_ms = Some(time()?),
            b'R' => self.recache_ms = Some(time()?),
            b'C' => self.cas = Some(unsigned(argument).ok_or(Fault::Said(BAD_TOKEN))?),
            b'F' => self.client_flags = unsigned_32(argument).ok_or(Fault::Unsaid)?,
            b'M' => match argument {
                [mode] => self.mode = Some(*mode),
                _ => return Err(Fault::Said("CLIENT_ERROR incorrect length for M token")),
            },
            b'J' => {
                self.initial =
                    unsigned(argument).ok_or(Fault::Said("CLIENT_ERROR invalid numeric initial value"))?;
            }
            b'D' => {
                let delta = unsigned(argument);
                self.delta = Some(delta.ok_or(Fault::Said("CLIENT_ERROR invalid numeric delta value"))?);
            }
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }
}

/// Fails if the key is too long or there are too many words.
pub(super) fn check_line(request: &Request<'_>, too_long: Refusal) -> Result<(), Refusal> {
    request.key()?;
    if request.words.count() > WORDS_MAX { Err(too_long) } else { Ok(()) }
}

enum Fault {
    /// Not a flag of any meta command.
    Unknown,
    /// A flag with an error text of its own.
    Said(Refusal),
    /// A flag that leaves the error text to an earlier one.
    Unsaid,
}
