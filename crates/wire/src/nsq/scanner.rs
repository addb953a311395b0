//! Bytes in, a command out: the server's side of V2.
//!
//! ```text
//! PUB topic\n │ i32 size │ body        words are parted by single spaces; one \r before the \n is dropped
//! ```
//! [`Scanner::scan`] takes the unconsumed bytes of a connection, beginning with a command, again whenever
//! more have arrived; it resumes where it stopped. Checks are made in nsqd's order and as early as in nsqd: a
//! bad topic is refused before the body was sent, a wrong state before the words are parsed. The [`Gate`]
//! supplies what the scanner cannot know; the two checks of MPUB in between (authorization, creation of the
//! topic) are the caller's at [`Scan::Topic`].
//!
//! It stores no bytes and allocates nothing. After [`Scan::Bad`] and [`Scan::LineTooLong`] the connection
//! must be closed.

use super::auth::SecretBytes;
use super::batch::{BatchStop, BatchWalk};
use super::decimal;
use super::{ClientState, Command, LINE_BYTES_MAX, Limits, MAGIC_V2, Missing, Refusal, Verb, valid_name};

/// Restrictions by the connection's history. It must not change while one command arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gate {
    /// State of the client.
    pub state: ClientState,
    /// TLS is required and not yet established: only IDENTIFY is allowed.
    pub tls_missing: bool,
    /// The client has disabled heartbeats: it cannot subscribe.
    pub heartbeats_off: bool,
}

/// Outcome of scanning the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan<'a> {
    /// Scanning needs at least `want` bytes in total; they may only reveal a bad size.
    NeedMore {
        /// Bytes from the first of the command on; more than are available.
        want: usize,
    },
    /// An MPUB for this topic begins: once per command, before its sizes are checked. Authorize, create the
    /// topic, then scan the same bytes again.
    Topic(&'a str),
    /// A complete command in the first `len` bytes. Consume them.
    Done {
        /// The command.
        command: Command<'a>,
        /// Its length.
        len: usize,
    },
    /// Send this error and close.
    Bad(Refusal<'a>),
    /// No line feed in [`LINE_BYTES_MAX`] bytes: close without an error, as nsqd does.
    LineTooLong,
}

/// The state of one connection's command stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scanner {
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// No line feed in the first `searched` bytes.
    Line { searched: usize },
    /// The line is complete and accepted; `missing` is the part of the rest awaited.
    Body { verb: Verb, line: usize, missing: Missing },
    /// The line of an MPUB is complete and its topic was reported.
    Batch { line: usize, sized: bool, walk: BatchWalk, missing: Missing },
}

impl Default for Stage {
    fn default() -> Self {
        Stage::Line { searched: 0 }
    }
}

/// The reason no command is complete yet.
enum Stop<'a> {
    NeedMore { want: usize, missing: Missing },
    Bad(Refusal<'a>),
}

/// A line, split and checked.
enum Head<'a> {
    Whole(Command<'a>),
    Body(BodyHead<'a>),
    Mpub { topic: &'a str },
}

/// Contents of the line of a command with a plain body.
#[derive(Clone, Copy)]
enum BodyHead<'a> {
    Identify,
    Auth,
    Pub { topic: &'a str },
    Dpub { topic: &'a str, delay_ms: u64 },
}

impl Scanner {
    /// Scans all unconsumed bytes of the connection.
    pub fn scan<'a>(&mut self, bytes: &'a [u8], limits: &Limits, gate: Gate) -> Scan<'a> {
        let line = match self.stage {
            Stage::Line { searched } => match self.find_line(bytes, searched) {
                Ok(line) => line,
                Err(scan) => return scan,
            },
            Stage::Body { line, .. } => line,
            Stage::Batch { .. } => return self.scan_batch(bytes, limits),
        };
        match parse_line(&bytes[..line], limits, gate) {
            Err(refusal) => Scan::Bad(refusal),
            Ok(Head::Whole(command)) => self.done(command, line),
            Ok(Head::Body(head)) => self.scan_body(bytes, line, head, limits),
            Ok(Head::Mpub { topic }) => {
                self.stage =
                    Stage::Batch { line, sized: false, walk: BatchWalk::default(), missing: Missing::Size };
                Scan::Topic(topic)
            }
        }
    }

    /// The error to send if the client ends its side here; none between commands and inside a line.
    pub fn ended(&self) -> Option<Refusal<'static>> {
        match self.stage {
            Stage::Line { .. } => None,
            Stage::Body { verb, missing, .. } => Some(Refusal::Ended(verb, missing)),
            Stage::Batch { missing, .. } => Some(Refusal::Ended(Verb::Mpub, missing)),
        }
    }

    /// True while the line of a command has arrived and its body is incomplete.
    pub fn in_body(&self) -> bool {
        !matches!(self.stage, Stage::Line { .. })
    }

    fn find_line<'a>(&mut self, bytes: &[u8], searched: usize) -> Result<usize, Scan<'a>> {
        let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
        match memchr::memchr(b'\n', window.get(searched..).unwrap_or_default()) {
            Some(at) => Ok(searched + at + 1),
            None if window.len() == LINE_BYTES_MAX => Err(Scan::LineTooLong),
            None => {
                self.stage = Stage::Line { searched: window.len() };
                Err(Scan::NeedMore { want: bytes.len() + 1 })
            }
        }
    }

    fn done<'a>(&mut self, command: Command<'a>, len: usize) -> Scan<'a> {
        self.stage = Stage::default();
        Scan::Done { command, len }
    }

    fn scan_body<'a>(
        &mut self,
        bytes: &'a [u8],
        line: usize,
        head: BodyHead<'a>,
        limits: &Limits,
    ) -> Scan<'a> {
        let (verb, max) = match head {
            BodyHead::Identify => (Verb::Identify, limits.body_bytes_max),
            BodyHead::Auth => (Verb::Auth, limits.body_bytes_max),
            BodyHead::Pub { .. } => (Verb::Pub, limits.message_bytes_max),
            BodyHead::Dpub { .. } => (Verb::Dpub, limits.message_bytes_max),
        };
        let body = match sized_body(bytes, line, verb, max) {
            Ok(body) => body,
            Err(Stop::Bad(refusal)) => return Scan::Bad(refusal),
            Err(Stop::NeedMore { want, missing }) => {
                self.stage = Stage::Body { verb, line, missing };
                return Scan::NeedMore { want };
            }
        };
        let command = match head {
            BodyHead::Identify => Command::Identify { body },
            BodyHead::Auth => Command::Auth { secret: SecretBytes(body) },
            BodyHead::Pub { topic } => Command::Pub { topic, body },
            BodyHead::Dpub { topic, delay_ms } => Command::Dpub { topic, delay_ms, body },
        };
        self.done(command, line + 4 + body.len())
    }

    fn scan_batch<'a>(&mut self, bytes: &'a [u8], limits: &Limits) -> Scan<'a> {
        let Stage::Batch { line, sized, walk, missing } = &mut self.stage else {
            unreachable!("called in this stage only")
        };
        if !*sized {
            match size_at(bytes, *line, Verb::Mpub, limits.body_bytes_max) {
                Ok(_) => *sized = true,
                Err(Stop::Bad(refusal)) => return Scan::Bad(refusal),
                Err(Stop::NeedMore { want, .. }) => return Scan::NeedMore { want },
            }
        }
        let start = *line + 4;
        match walk.advance(&bytes[start..], limits.message_bytes_max, limits.body_bytes_max) {
            Err(BatchStop::Bad(refusal)) => Scan::Bad(refusal),
            Err(BatchStop::NeedMore(want, what)) => {
                *missing = what;
                Scan::NeedMore { want: start + want }
            }
            Ok((messages, len)) => {
                // the line was checked when the topic was reported
                let Some(topic) = words(&bytes[..*line]).nth(1).and_then(valid_name) else {
                    unreachable!("the line has not changed")
                };
                self.done(Command::Mpub { topic, messages }, start + len)
            }
        }
    }
}

/// The words of a line that ends in a line feed.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = &line[..line.len() - 1];
    line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b' ')
}

/// Checks a line: the state first, then the words.
fn parse_line<'a>(line: &'a [u8], limits: &Limits, gate: Gate) -> Result<Head<'a>, Refusal<'a>> {
    let mut words = words(line);
    let word = words.next().unwrap_or_default();
    let verb = Verb::named(word);
    if gate.tls_missing && verb != Some(Verb::Identify) {
        return Err(Refusal::TlsRequired(word));
    }
    let verb = verb.ok_or(Refusal::Unknown(word))?;
    if verb == Verb::Rdy && gate.state == ClientState::Closing {
        return Ok(Head::Whole(Command::Nop));
    }
    if !verb.allowed(gate.state) {
        return Err(Refusal::State(verb));
    }
    let short = Refusal::Params(verb);
    let mut next = || words.next();
    Ok(match verb {
        Verb::Identify => Head::Body(BodyHead::Identify),
        Verb::Auth if next().is_some() => return Err(Refusal::AuthParams),
        Verb::Auth => Head::Body(BodyHead::Auth),
        Verb::Sub if gate.heartbeats_off => return Err(Refusal::HeartbeatsOff),
        Verb::Sub => {
            let (topic, channel) = next().zip(next()).ok_or(short)?;
            let topic = valid_name(topic).ok_or(Refusal::Topic(verb, topic))?;
            let channel = valid_name(channel).ok_or(Refusal::Channel(channel))?;
            Head::Whole(Command::Sub { topic, channel })
        }
        Verb::Rdy => Head::Whole(Command::Rdy { count: ready_count(next(), limits)? }),
        Verb::Fin => Head::Whole(Command::Fin { id: message_id(next().ok_or(short)?)? }),
        Verb::Touch => Head::Whole(Command::Touch { id: message_id(next().ok_or(short)?)? }),
        Verb::Req => {
            let (id, delay) = next().zip(next()).ok_or(short)?;
            let id = message_id(id)?;
            let delay_ms = requeue_delay(delay, limits)?;
            Head::Whole(Command::Req { id, delay_ms })
        }
        Verb::Cls => Head::Whole(Command::Cls),
        Verb::Nop => Head::Whole(Command::Nop),
        Verb::Pub => Head::Body(BodyHead::Pub { topic: topic(verb, next().ok_or(short)?)? }),
        Verb::Mpub => Head::Mpub { topic: topic(verb, next().ok_or(short)?)? },
        Verb::Dpub => {
            let (name, delay) = next().zip(next()).ok_or(short)?;
            let topic = topic(verb, name)?;
            Head::Body(BodyHead::Dpub { topic, delay_ms: defer_delay(delay, limits)? })
        }
    })
}

fn topic(verb: Verb, name: &[u8]) -> Result<&str, Refusal<'_>> {
    valid_name(name).ok_or(Refusal::Topic(verb, name))
}

fn message_id(word: &[u8]) -> Result<[u8; 16], Refusal<'_>> {
    word.try_into().map_err(|_| Refusal::MessageId)
}

/// The count of RDY, 1 if absent.
fn ready_count<'a>(word: Option<&'a [u8]>, limits: &Limits) -> Result<u64, Refusal<'a>> {
    let Some(word) = word else { return Ok(1) };
    let count = decimal::parse(word).ok_or(Refusal::ReadyCount(word))?;
    match u64::try_from(count) {
        Ok(count) if count <= limits.ready_max => Ok(count),
        _ => Err(Refusal::ReadyRange(count, limits.ready_max)),
    }
}

/// The delay of REQ, clamped to the limit.
fn requeue_delay<'a>(word: &'a [u8], limits: &Limits) -> Result<u64, Refusal<'a>> {
    let ms = decimal::parse(word).ok_or(Refusal::Delay(Verb::Req, word))?;
    Ok(u64::try_from(decimal::wrap_ms(ms)).unwrap_or(0).min(limits.requeue_ms_max))
}

/// The delay of DPUB: refused if out of range.
fn defer_delay<'a>(word: &'a [u8], limits: &Limits) -> Result<u64, Refusal<'a>> {
    let ms = decimal::parse(word).ok_or(Refusal::Delay(Verb::Dpub, word))?;
    match u64::try_from(decimal::wrap_ms(ms)) {
        Ok(wrapped) if wrapped <= limits.defer_ms_max => Ok(wrapped),
        _ => Err(Refusal::DelayRange(ms, limits.defer_ms_max)),
    }
}

/// The size after the line, checked.
fn size_at<'a>(bytes: &[u8], line: usize, verb: Verb, max: u64) -> Result<usize, Stop<'a>> {
    let Some(word) = bytes[line..].first_chunk() else {
        return Err(Stop::NeedMore { want: line + 4, missing: Missing::Size });
    };
    let size = i32::from_be_bytes(*word);
    if size <= 0 {
        return Err(Stop::Bad(Refusal::SizeInvalid(verb, size)));
    }
    let size = size.cast_unsigned();
    if u64::from(size) > max {
        return Err(Stop::Bad(Refusal::SizeTooBig(verb, u64::from(size), max)));
    }
    Ok(size as usize)
}

fn sized_body(bytes: &[u8], line: usize, verb: Verb, max: u64) -> Result<&[u8], Stop<'_>> {
    let size = size_at(bytes, line, verb, max)?;
    let end = line + 4 + size;
    bytes.get(line + 4..end).ok_or(Stop::NeedMore { want: end, missing: Missing::Body })
}

/// The first four bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Magic {
    /// Fewer than four bytes have arrived.
    NeedMore,
    /// `  V2`: consume it and scan commands.
    V2,
    /// Something else: send [`Refusal::Protocol`] and close.
    Bad,
}

/// Checks the first bytes of a connection. Like nsqd, it waits for four of them whatever they are.
pub fn magic(bytes: &[u8]) -> Magic {
    match bytes.first_chunk() {
        None => Magic::NeedMore,
        Some(MAGIC_V2) => Magic::V2,
        Some(_) => Magic::Bad,
    }
}

#[cfg(test)]
mod tests;
