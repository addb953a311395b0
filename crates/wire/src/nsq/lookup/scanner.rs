//! Bytes in, a command out: the server's side of V1.
//!
//! A line is trimmed of white space, then split at single spaces. Limits that the original lacks: a line has
//! at most [`LINE_BYTES_MAX`] bytes (longer ones close the connection), an IDENTIFY at most
//! [`IDENTIFY_BYTES_MAX`].

use super::{IDENTIFY_BYTES_MAX, Node};
use crate::nsq::go::write;
use crate::nsq::{LINE_BYTES_MAX, valid_name};

/// A node's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Sign of life. Allowed before IDENTIFY.
    Ping,
    /// The node's complete identity. Once per connection.
    Identify(Node),
    /// Registers a topic, or a topic and channel.
    Register {
        /// A valid name.
        topic: &'a str,
        /// A valid name.
        channel: Option<&'a str>,
    },
    /// Unregisters a channel; without one, the topic.
    Unregister {
        /// A valid name.
        topic: &'a str,
        /// A valid name.
        channel: Option<&'a str>,
    },
}

/// Outcome of scanning the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scan<'a> {
    /// Scanning needs at least `want` bytes in total.
    NeedMore {
        /// Bytes from the first of the command on.
        want: usize,
    },
    /// A complete command in the first `len` bytes.
    Done {
        /// The command.
        command: Command<'a>,
        /// Its length.
        len: usize,
    },
    /// Send this error and close.
    Bad(Refusal<'a>),
    /// No line feed in [`LINE_BYTES_MAX`] bytes: close.
    LineTooLong,
}

/// An error for an nsqd. All are fatal. `&'static str` is the command's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The first four bytes were not `  V1`.
    Protocol,
    /// No such command; the word as received.
    Unknown(&'a [u8]),
    /// A second IDENTIFY.
    IdentifiedAlready,
    /// REGISTER or UNREGISTER before IDENTIFY.
    NotIdentified,
    /// Missing topic.
    Params(&'static str),
    /// Invalid topic name.
    Topic(&'static str, &'a [u8]),
    /// Invalid channel name.
    Channel(&'static str, &'a [u8]),
    /// The connection ended inside the size of IDENTIFY.
    SizeEnded,
    /// The connection ended inside the body of IDENTIFY.
    BodyEnded,
    /// A size below zero (the original crashes).
    SizeInvalid(i32),
    /// A size over [`IDENTIFY_BYTES_MAX`].
    SizeTooBig(u32),
    /// IDENTIFY with malformed JSON.
    Json,
    /// IDENTIFY without broadcast address, port or version.
    FieldsMissing,
}

impl Refusal<'_> {
    /// Appends the data of the response: code, space, description.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Refusal::Protocol => write(out, format_args!("E_BAD_PROTOCOL")),
            Refusal::Unknown(word) => {
                write(out, format_args!("E_INVALID invalid command "));
                out.extend_from_slice(word);
            }
            Refusal::IdentifiedAlready => write(out, format_args!("E_INVALID cannot IDENTIFY again")),
            Refusal::NotIdentified => write(out, format_args!("E_INVALID client must IDENTIFY")),
            Refusal::Params(verb) => {
                write(out, format_args!("E_INVALID {verb} insufficient number of params"));
            }
            Refusal::Topic(verb, name) => write_name(out, format_args!("E_BAD_TOPIC {verb} topic"), name),
            Refusal::Channel(verb, name) => {
                write_name(out, format_args!("E_BAD_CHANNEL {verb} channel"), name);
            }
            Refusal::SizeEnded => write(out, format_args!("E_BAD_BODY IDENTIFY failed to read body size")),
            Refusal::BodyEnded => write(out, format_args!("E_BAD_BODY IDENTIFY failed to read body")),
            Refusal::SizeInvalid(size) => {
                write(out, format_args!("E_BAD_BODY IDENTIFY invalid body size {size}"));
            }
            Refusal::SizeTooBig(size) => {
                write(out, format_args!("E_BAD_BODY IDENTIFY body too big {size} > {IDENTIFY_BYTES_MAX}"));
            }
            Refusal::Json => write(out, format_args!("E_BAD_BODY IDENTIFY failed to decode JSON body")),
            Refusal::FieldsMissing => write(out, format_args!("E_BAD_BODY IDENTIFY missing fields")),
        }
    }
}

fn write_name(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>, name: &[u8]) {
    write(out, format_args!("{what} name '"));
    out.extend_from_slice(name);
    out.extend_from_slice(b"' is not valid");
}

/// The state of one connection's command stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scanner {
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// No line feed in the first bytes, by number.
    Line(usize),
    /// Waiting for the size after IDENTIFY's line of this length.
    Size(usize),
    /// Waiting for its body.
    Body(usize),
}

impl Default for Stage {
    fn default() -> Self {
        Stage::Line(0)
    }
}

impl Scanner {
    /// Scans all unconsumed bytes of the connection. `identified`: a previous IDENTIFY succeeded.
    pub fn scan<'a>(&mut self, bytes: &'a [u8], identified: bool) -> Scan<'a> {
        let line = match self.stage {
            Stage::Line(searched) => {
                let window = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
                match memchr::memchr(b'\n', window.get(searched..).unwrap_or_default()) {
                    Some(at) => searched + at + 1,
                    None if window.len() == LINE_BYTES_MAX => return Scan::LineTooLong,
                    None => {
                        self.stage = Stage::Line(window.len());
                        return Scan::NeedMore { want: bytes.len() + 1 };
                    }
                }
            }
            Stage::Size(line) | Stage::Body(line) => return self.scan_identify(bytes, line),
        };
        match parse_line(&bytes[..line], identified) {
            Ok(Some(command)) => self.done(command, line),
            Ok(None) => self.scan_identify(bytes, line),
            Err(refusal) => Scan::Bad(refusal),
        }
    }

    /// The error to send if the peer ends its side here; none between commands and inside a line.
    pub fn ended(&self) -> Option<Refusal<'static>> {
        match self.stage {
            Stage::Line(_) => None,
            Stage::Size(_) => Some(Refusal::SizeEnded),
            Stage::Body(_) => Some(Refusal::BodyEnded),
        }
    }

    fn done<'a>(&mut self, command: Command<'a>, len: usize) -> Scan<'a> {
        self.stage = Stage::default();
        Scan::Done { command, len }
    }

    fn scan_identify<'a>(&mut self, bytes: &'a [u8], line: usize) -> Scan<'a> {
        let Some(word) = bytes[line..].first_chunk() else {
            self.stage = Stage::Size(line);
            return Scan::NeedMore { want: line + 4 };
        };
        let size = i32::from_be_bytes(*word);
        let Ok(size) = u32::try_from(size) else { return Scan::Bad(Refusal::SizeInvalid(size)) };
        if size > IDENTIFY_BYTES_MAX {
            return Scan::Bad(Refusal::SizeTooBig(size));
        }
        let end = line + 4 + size as usize;
        let Some(body) = bytes.get(line + 4..end) else {
            self.stage = Stage::Body(line);
            return Scan::NeedMore { want: end };
        };
        match Node::parse(body) {
            None => Scan::Bad(Refusal::Json),
            Some(node) if !node.complete() => Scan::Bad(Refusal::FieldsMissing),
            Some(node) => self.done(Command::Identify(node), end),
        }
    }
}

/// Parses the command of a line; `None` for an IDENTIFY, whose body follows.
fn parse_line(line: &[u8], identified: bool) -> Result<Option<Command<'_>>, Refusal<'_>> {
    let mut words = trim(line).split(|byte| *byte == b' ');
    match words.next().unwrap_or_default() {
        b"PING" => Ok(Some(Command::Ping)),
        b"IDENTIFY" if identified => Err(Refusal::IdentifiedAlready),
        b"IDENTIFY" => Ok(None),
        b"REGISTER" => {
            let (topic, channel) = names("REGISTER", words, identified)?;
            Ok(Some(Command::Register { topic, channel }))
        }
        b"UNREGISTER" => {
            let (topic, channel) = names("UNREGISTER", words, identified)?;
            Ok(Some(Command::Unregister { topic, channel }))
        }
        word => Err(Refusal::Unknown(word)),
    }
}

/// Topic and channel; an empty channel counts as none.
fn names<'a>(
    verb: &'static str,
    mut words: impl Iterator<Item = &'a [u8]>,
    identified: bool,
) -> Result<(&'a str, Option<&'a str>), Refusal<'a>> {
    if !identified {
        return Err(Refusal::NotIdentified);
    }
    let topic = words.next().ok_or(Refusal::Params(verb))?;
    let topic = valid_name(topic).ok_or(Refusal::Topic(verb, topic))?;
    let channel = match words.next() {
        None | Some(b"") => None,
        Some(channel) => Some(valid_name(channel).ok_or(Refusal::Channel(verb, channel))?),
    };
    Ok((topic, channel))
}

/// Trims white space, including Unicode's, from both ends.
fn trim(mut line: &[u8]) -> &[u8] {
    let space = |bytes: &[u8]| str::from_utf8(bytes).is_ok_and(|text| text.trim().is_empty());
    let spaces = |line: &[u8]| (1..=line.len().min(3)).find(|n| space(&line[..*n]));
    let spaces_back = |line: &[u8]| (1..=line.len().min(3)).find(|n| space(&line[line.len() - n..]));
    while let Some(n) = spaces(line) {
        line = &line[n..];
    }
    while let Some(n) = spaces_back(line) {
        line = &line[..line.len() - n];
    }
    line
}
