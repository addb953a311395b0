//! The options of `SET` and `GETEX`: conditions, the old value, and the new time to live.
//!
//! The exclusions are exactly Redis': the same option may be repeated, but `NX` excludes `XX`, and so do
//! different forms of the time to live.

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::entry::NEVER;

/// The command of the options: each has some that the other lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// `SET key value …`
    Set,
    /// `GETEX key …`
    Getex,
}

/// Condition on the key's existence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Condition {
    #[default]
    None,
    /// `NX`
    Absent,
    /// `XX`
    Present,
}

/// Form of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// `EX`: seconds from now.
    Ex,
    /// `PX`: milliseconds from now.
    Px,
    /// `EXAT`: seconds since 1970.
    Exat,
    /// `PXAT`: milliseconds since 1970.
    Pxat,
}

/// Effect on the time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Life<'a> {
    /// No option: `SET` clears it, `GETEX` leaves it.
    #[default]
    Plain,
    /// `KEEPTTL`
    Keep,
    /// `PERSIST`
    Persist,
    /// A time, not yet parsed.
    Until(Clock, &'a [u8]),
}

/// Parsed options.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options<'a> {
    pub(super) condition: Condition,
    /// `GET`: reply with the old value.
    pub(super) get: bool,
    pub(super) life: Life<'a>,
}

impl<'a> Options<'a> {
    /// Parses the options that begin at argument `start`, with Redis' exclusions.
    pub(super) fn parse(args: &[&'a [u8]], start: usize, of: Of) -> Result<Options<'a>, Fault> {
        let mut options = Options::default();
        let mut rest = args.iter().skip(start);
        while let Some(word) = rest.next() {
            let life = match keyword(word, of).ok_or(Fault::Syntax)? {
                Keyword::Get => {
                    options.get = true;
                    continue;
                }
                Keyword::When(condition) => {
                    if options.condition != Condition::None && options.condition != condition {
                        return Err(Fault::Syntax);
                    }
                    options.condition = condition;
                    continue;
                }
                Keyword::Keep => Life::Keep,
                Keyword::Persist => Life::Persist,
                Keyword::Time(clock) => Life::Until(clock, rest.next().ok_or(Fault::Syntax)?),
            };
            options.life = options.life.then(life).ok_or(Fault::Syntax)?;
        }
        Ok(options)
    }
}

impl<'a> Life<'a> {
    /// Adds another option: one of the same kind replaces it, another kind is refused.
    fn then(self, next: Life<'a>) -> Option<Life<'a>> {
        let same = match (self, next) {
            (Life::Plain, _) => true,
            (Life::Until(a, _), Life::Until(b, _)) => a == b,
            (a, b) => a == b,
        };
        same.then_some(next)
    }
}

enum Keyword {
    Get,
    When(Condition),
    Keep,
    Persist,
    Time(Clock),
}

fn keyword(word: &[u8], of: Of) -> Option<Keyword> {
    let set = of == Of::Set;
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    match word.len() {
        2 if is(b"EX") => Some(Keyword::Time(Clock::Ex)),
        2 if is(b"PX") => Some(Keyword::Time(Clock::Px)),
        2 if is(b"NX") && set => Some(Keyword::When(Condition::Absent)),
        2 if is(b"XX") && set => Some(Keyword::When(Condition::Present)),
        3 if is(b"GET") && set => Some(Keyword::Get),
        4 if is(b"EXAT") => Some(Keyword::Time(Clock::Exat)),
        4 if is(b"PXAT") => Some(Keyword::Time(Clock::Pxat)),
        7 if is(b"KEEPTTL") && set => Some(Keyword::Keep),
        7 if is(b"PERSIST") && !set => Some(Keyword::Persist),
        _ => None,
    }
}

impl Call<'_> {
    /// The deadline for a time option: positive, and within 64 bits of milliseconds.
    pub(super) fn deadline(&self, clock: Clock, text: &[u8]) -> Result<u64, Fault> {
        let given = integer(text)?;
        let wrong = || Fault::ExpireTime(self.name);
        let given = u64::try_from(given).ok().filter(|&given| given > 0).ok_or_else(wrong)?;
        let scaled = match clock {
            Clock::Ex | Clock::Exat => given.checked_mul(1000),
            Clock::Px | Clock::Pxat => Some(given),
        };
        let from = match clock {
            Clock::Ex | Clock::Px => self.now_ms,
            Clock::Exat | Clock::Pxat => 0,
        };
        let deadline = scaled.and_then(|ms| ms.checked_add(from)).ok_or_else(wrong)?;
        if deadline > i64::MAX as u64 { Err(wrong()) } else { Ok(deadline) }
    }

    /// The deadline of a value written by `SET`.
    pub(super) fn deadline_of_set(&mut self, key: &[u8], life: Life<'_>) -> Result<u64, Fault> {
        match life {
            Life::Until(clock, text) => self.deadline(clock, text),
            Life::Keep => Ok(self.peek(key).map_or(NEVER, |entry| entry.deadline_ms)),
            Life::Plain | Life::Persist => Ok(NEVER),
        }
    }
}
