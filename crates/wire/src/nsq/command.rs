//! A complete command, with all checks that the bytes alone allow.
//!
//! The contents of a [`Command`] lie in the input: names are valid, numbers are within their limits, bodies
//! are neither empty nor too large. The queue checks whether topic, channel and message exist.

use super::Verb;
use super::auth::SecretBytes;
use super::batch::Messages;
use super::message_id::RawId;

/// A client's request. Text and bodies lie in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// The body is for [`super::identify::Identify::parse`].
    Identify {
        /// JSON, 1 byte to `max-body-size`.
        body: &'a [u8],
    },
    /// A secret for the authorization server.
    Auth {
        /// 1 byte to `max-body-size`.
        secret: SecretBytes<'a>,
    },
    /// Subscribe.
    Sub {
        /// A valid name.
        topic: &'a str,
        /// A valid name.
        channel: &'a str,
    },
    /// Allows this many messages in flight. Not produced in state Closing, where RDY is a [`Command::Nop`].
    Rdy {
        /// 0 to `max-rdy-count`.
        count: u64,
    },
    /// Finishes a message.
    Fin {
        /// As received.
        id: RawId,
    },
    /// Requeues a message.
    Req {
        /// As received.
        id: RawId,
        /// Delay in milliseconds, 0 to `max-req-timeout` (longer ones were clamped).
        delay_ms: u64,
    },
    /// Restarts the message's timeout.
    Touch {
        /// As received.
        id: RawId,
    },
    /// Ends deliveries.
    Cls,
    /// Does nothing.
    Nop,
    /// Publish.
    Pub {
        /// A valid name.
        topic: &'a str,
        /// 1 byte to `max-msg-size`; the command's last bytes.
        body: &'a [u8],
    },
    /// Publish with a delay.
    Dpub {
        /// A valid name.
        topic: &'a str,
        /// 0 to the limit.
        delay_ms: u64,
        /// 1 byte to `max-msg-size`; the command's last bytes.
        body: &'a [u8],
    },
    /// Publishes all messages or none.
    Mpub {
        /// A valid name.
        topic: &'a str,
        /// At least one.
        messages: Messages<'a>,
    },
}

impl Command<'_> {
    /// The command's name.
    pub fn verb(&self) -> Verb {
        match self {
            Command::Identify { .. } => Verb::Identify,
            Command::Auth { .. } => Verb::Auth,
            Command::Sub { .. } => Verb::Sub,
            Command::Rdy { .. } => Verb::Rdy,
            Command::Fin { .. } => Verb::Fin,
            Command::Req { .. } => Verb::Req,
            Command::Touch { .. } => Verb::Touch,
            Command::Cls => Verb::Cls,
            Command::Nop => Verb::Nop,
            Command::Pub { .. } => Verb::Pub,
            Command::Dpub { .. } => Verb::Dpub,
            Command::Mpub { .. } => Verb::Mpub,
        }
    }

    /// Appends the command as a client sends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        use super::go::write;
        let name = self.verb().name();
        match *self {
            Command::Identify { body } => write_body(out, format_args!("IDENTIFY\n"), body),
            Command::Auth { secret } => write_body(out, format_args!("AUTH\n"), secret.0),
            Command::Sub { topic, channel } => write(out, format_args!("SUB {topic} {channel}\n")),
            Command::Rdy { count } => write(out, format_args!("RDY {count}\n")),
            Command::Fin { id } | Command::Touch { id } => {
                write(out, format_args!("{name} "));
                out.extend_from_slice(&id);
                out.push(b'\n');
            }
            Command::Req { id, delay_ms } => {
                out.extend_from_slice(b"REQ ");
                out.extend_from_slice(&id);
                write(out, format_args!(" {delay_ms}\n"));
            }
            Command::Cls | Command::Nop => write(out, format_args!("{name}\n")),
            Command::Pub { topic, body } => write_body(out, format_args!("PUB {topic}\n"), body),
            Command::Dpub { topic, delay_ms, body } => {
                write_body(out, format_args!("DPUB {topic} {delay_ms}\n"), body);
            }
            Command::Mpub { topic, messages } => write_mpub(out, topic, messages),
        }
    }
}

fn write_body(out: &mut Vec<u8>, line: std::fmt::Arguments<'_>, body: &[u8]) {
    super::go::write(out, line);
    out.extend_from_slice(&length(body.len()));
    out.extend_from_slice(body);
}

/// Appends MPUB with these messages; the caller keeps count and sizes under 2^31.
pub fn write_mpub<'m>(out: &mut Vec<u8>, topic: &str, messages: impl Iterator<Item = &'m [u8]>) {
    super::go::write(out, format_args!("MPUB {topic}\n"));
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut count = 0;
    for message in messages {
        out.extend_from_slice(&length(message.len()));
        out.extend_from_slice(message);
        count += 1;
    }
    let total = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&total);
    out[start + 4..start + 8].copy_from_slice(&length(count));
}

/// A length as four bytes. Bodies written here are far below 2^31 bytes; a longer one would be our own bug.
pub(super) fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a body below 4 GiB").to_be_bytes()
}
