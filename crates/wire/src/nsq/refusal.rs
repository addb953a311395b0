//! Every error for V2 clients: its code, its exact text, and whether it closes the connection.
//!
//! An error frame carries `CODE description`. Texts repeat the client's own words, which need not be UTF-8,
//! so they are bytes. All errors are fatal except the three about a message that the client can no longer
//! finish.

use super::Verb;
use super::go::{write, write_quoted};
use super::message_id::RawId;

/// The first word of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its own name on the wire")]
pub enum Code {
    Invalid,
    BadProtocol,
    BadTopic,
    BadChannel,
    BadBody,
    BadMessage,
    IdentifyFailed,
    SubFailed,
    PubFailed,
    MpubFailed,
    DpubFailed,
    FinFailed,
    ReqFailed,
    TouchFailed,
    AuthDisabled,
    AuthFailed,
    AuthFirst,
    AuthError,
    Unauthorized,
}

/// Code, name on the wire, fatal.
const CODES: [(Code, &str, bool); 19] = [
    (Code::Invalid, "E_INVALID", true),
    (Code::BadProtocol, "E_BAD_PROTOCOL", true),
    (Code::BadTopic, "E_BAD_TOPIC", true),
    (Code::BadChannel, "E_BAD_CHANNEL", true),
    (Code::BadBody, "E_BAD_BODY", true),
    (Code::BadMessage, "E_BAD_MESSAGE", true),
    (Code::IdentifyFailed, "E_IDENTIFY_FAILED", true),
    (Code::SubFailed, "E_SUB_FAILED", true),
    (Code::PubFailed, "E_PUB_FAILED", true),
    (Code::MpubFailed, "E_MPUB_FAILED", true),
    (Code::DpubFailed, "E_DPUB_FAILED", true),
    (Code::FinFailed, "E_FIN_FAILED", false),
    (Code::ReqFailed, "E_REQ_FAILED", false),
    (Code::TouchFailed, "E_TOUCH_FAILED", false),
    (Code::AuthDisabled, "E_AUTH_DISABLED", true),
    (Code::AuthFailed, "E_AUTH_FAILED", true),
    (Code::AuthFirst, "E_AUTH_FIRST", true),
    (Code::AuthError, "E_AUTH_ERROR", true),
    (Code::Unauthorized, "E_UNAUTHORIZED", true),
];

impl Code {
    /// The name on the wire, such as `E_INVALID`.
    pub fn name(self) -> &'static str {
        CODES[self as usize].1
    }

    /// True if the connection is closed after an error with this code.
    pub fn fatal(self) -> bool {
        CODES[self as usize].2
    }
}

/// The part of a command missing when the client ended its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The length of the body.
    Size,
    /// The body.
    Body,
    /// The number of messages of an MPUB.
    Count,
    /// The length of a message of an MPUB, by index.
    MessageSize(u32),
    /// A message of an MPUB.
    Message,
}

/// An error for a V2 client. [`Refusal::write`] gives the bytes of the error frame's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The first four bytes were not `  V2`.
    Protocol,
    /// No such command; the word as received.
    Unknown(&'a [u8]),
    /// The command is not allowed after, or before, SUB.
    State(Verb),
    /// TLS is required and was not negotiated; the word as received.
    TlsRequired(&'a [u8]),
    /// Missing words.
    Params(Verb),
    /// AUTH with extra words.
    AuthParams,
    /// SUB from a client that switched heartbeats off.
    HeartbeatsOff,
    /// Invalid topic name.
    Topic(Verb, &'a [u8]),
    /// Invalid channel name.
    Channel(&'a [u8]),
    /// The client ended its side in the middle of the command.
    Ended(Verb, Missing),
    /// A length of zero or less.
    SizeInvalid(Verb, i32),
    /// A body (for PUB and DPUB a message) over its limit: size, limit.
    SizeTooBig(Verb, u64, u64),
    /// MPUB with fewer than 1 or too many messages.
    CountInvalid(i32),
    /// A message of an MPUB with a length of zero or less: index, size.
    MessageInvalid(u32, i32),
    /// A message of an MPUB over the limit: size, limit.
    MessageTooBig(u64, u64),
    /// RDY with a count that is not digits.
    ReadyCount(&'a [u8]),
    /// RDY over the limit: count, limit.
    ReadyRange(i64, u64),
    /// An id that is not 16 bytes long.
    MessageId,
    /// REQ or DPUB with a delay that is not digits.
    Delay(Verb, &'a [u8]),
    /// DPUB with a delay above the limit: milliseconds, limit.
    DelayRange(i64, u64),
    /// IDENTIFY with malformed JSON.
    IdentifyJson,
    /// IDENTIFY with a value out of range: its name and value.
    IdentifyValue(&'static str, i64),
    /// Snappy and deflate were both requested and both are enabled.
    BothCompressions,
    /// The change to TLS or a compression failed.
    UpgradeFailed(&'a str),
    /// FIN, REQ, TOUCH of a message that is not in flight. Not fatal.
    NotInFlight(Verb, RawId),
    /// FIN, REQ, TOUCH of a message that is in flight to another client. Not fatal.
    NotOwner(Verb, RawId),
    /// PUB, MPUB, DPUB or SUB failed; nsqd's own reasons are [`Refusal::EXITING`] and disk errors.
    Failed(Verb, &'a str),
    /// SUB of a channel that has its maximum number of consumers.
    TooManyConsumers(&'a str, &'a str, u64),
    /// Authorization is enabled and the client has not sent AUTH.
    AuthFirst(Verb),
    /// The client's authorization does not cover this: topic, channel (empty when publishing).
    Unauthorized(Verb, &'a str, &'a str),
    /// AUTH without a configured authorization server.
    AuthDisabled,
    /// No authorization server answered, or it refused.
    AuthFailed,
    /// A second AUTH.
    AuthAlreadySet,
    /// The authorization server granted the client nothing.
    AuthNothing,
    /// The answer to AUTH could not be encoded.
    AuthError(&'a str),
}

impl Refusal<'_> {
    /// The reason a command fails on a topic or channel that is being deleted.
    pub const EXITING: &'static str = "exiting";
    /// The reason SUB fails when its topic or channel keeps being deleted.
    pub const DELETED: &'static str = "to deleted topic/channel";

    /// The error's code.
    pub fn code(&self) -> Code {
        match *self {
            Refusal::Protocol => Code::BadProtocol,
            Refusal::Unknown(_)
            | Refusal::State(_)
            | Refusal::TlsRequired(_)
            | Refusal::Params(_)
            | Refusal::AuthParams
            | Refusal::HeartbeatsOff
            | Refusal::ReadyCount(_)
            | Refusal::ReadyRange(..)
            | Refusal::MessageId
            | Refusal::Delay(..)
            | Refusal::DelayRange(..)
            | Refusal::AuthAlreadySet => Code::Invalid,
            Refusal::Topic(..) => Code::BadTopic,
            Refusal::Channel(_) => Code::BadChannel,
            Refusal::Ended(verb, Missing::Size | Missing::Body)
            | Refusal::SizeInvalid(verb, _)
            | Refusal::SizeTooBig(verb, ..) => match verb {
                Verb::Pub | Verb::Dpub => Code::BadMessage,
                _ => Code::BadBody,
            },
            Refusal::Ended(_, Missing::Count)
            | Refusal::CountInvalid(_)
            | Refusal::IdentifyJson
            | Refusal::IdentifyValue(..) => Code::BadBody,
            Refusal::Ended(_, Missing::MessageSize(_) | Missing::Message)
            | Refusal::MessageInvalid(..)
            | Refusal::MessageTooBig(..) => Code::BadMessage,
            Refusal::BothCompressions | Refusal::UpgradeFailed(_) => Code::IdentifyFailed,
            Refusal::NotInFlight(verb, _) | Refusal::NotOwner(verb, _) | Refusal::Failed(verb, _) => {
                failed_code(verb)
            }
            Refusal::TooManyConsumers(..) => Code::SubFailed,
            Refusal::AuthFirst(_) => Code::AuthFirst,
            Refusal::Unauthorized(..) | Refusal::AuthNothing => Code::Unauthorized,
            Refusal::AuthDisabled => Code::AuthDisabled,
            Refusal::AuthFailed => Code::AuthFailed,
            Refusal::AuthError(_) => Code::AuthError,
        }
    }

    /// True if the connection is closed after this error.
    pub fn fatal(&self) -> bool {
        self.code().fatal()
    }

    /// Appends the data of the error frame: code, space, description.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.code().name().as_bytes());
        if *self != Refusal::Protocol {
            out.push(b' ');
            self.write_description(out);
        }
    }

    fn write_description(&self, out: &mut Vec<u8>) {
        match *self {
            Refusal::Protocol => {}
            Refusal::Unknown(word) => write_around(out, "invalid command ", word, ""),
            Refusal::State(verb) => write(out, format_args!("cannot {} in current state", verb.name())),
            Refusal::TlsRequired(word) => {
                write_around(out, "cannot ", word, " in current state (TLS required)");
            }
            Refusal::Params(verb) => {
                let noun =
                    if matches!(verb, Verb::Fin | Verb::Req | Verb::Touch) { "params" } else { "parameters" };
                write(out, format_args!("{} insufficient number of {noun}", verb.name()));
            }
            Refusal::AuthParams => write(out, format_args!("AUTH invalid number of parameters")),
            Refusal::HeartbeatsOff => write(out, format_args!("cannot SUB with heartbeats disabled")),
            Refusal::Topic(verb, name) => {
                // nsqd repeats the code here
                let doubled = if verb == Verb::Mpub { "E_BAD_TOPIC " } else { "" };
                write(out, format_args!("{doubled}{} topic name ", verb.name()));
                write_quoted(out, name);
                out.extend_from_slice(b" is not valid");
            }
            Refusal::Channel(name) => {
                out.extend_from_slice(b"SUB channel name ");
                write_quoted(out, name);
                out.extend_from_slice(b" is not valid");
            }
            Refusal::ReadyCount(word) => write_around(out, "RDY could not parse count ", word, ""),
            Refusal::ReadyRange(count, max) => {
                write(out, format_args!("RDY count {count} out of range 0-{max}"));
            }
            Refusal::MessageId => write(out, format_args!("invalid message ID")),
            Refusal::Delay(verb, word) => {
                write(out, format_args!("{} could not parse timeout ", verb.name()));
                out.extend_from_slice(word);
            }
            Refusal::DelayRange(ms, max) => {
                write(out, format_args!("DPUB timeout {ms} out of range 0-{max}"));
            }
            Refusal::IdentifyJson => write(out, format_args!("IDENTIFY failed to decode JSON body")),
            Refusal::IdentifyValue(what, value) => {
                write(out, format_args!("IDENTIFY {what} ({value}) is invalid"));
            }
            Refusal::BothCompressions => {
                write(out, format_args!("cannot enable both deflate and snappy compression"));
            }
            Refusal::UpgradeFailed(why) => write(out, format_args!("IDENTIFY failed {why}")),
            Refusal::NotInFlight(verb, id) => write_about_message(out, verb, &id, "ID not in flight"),
            Refusal::NotOwner(verb, id) => write_about_message(out, verb, &id, "client does not own message"),
            Refusal::Failed(verb, why) => write(out, format_args!("{} failed {why}", verb.name())),
            Refusal::TooManyConsumers(topic, channel, max) => {
                write(out, format_args!("SUB failed consumers for {topic}:{channel} exceeds limit of {max}"));
            }
            Refusal::AuthFirst(verb) => write(out, format_args!("AUTH required before {}", verb.name())),
            Refusal::Unauthorized(verb, topic, channel) => {
                write(out, format_args!("AUTH failed for {} on \"{topic}\" \"{channel}\"", verb.name()));
            }
            Refusal::AuthDisabled => write(out, format_args!("AUTH disabled")),
            Refusal::AuthFailed => write(out, format_args!("AUTH failed")),
            Refusal::AuthAlreadySet => write(out, format_args!("AUTH already set")),
            Refusal::AuthNothing => write(out, format_args!("AUTH no authorizations found")),
            Refusal::AuthError(why) => write(out, format_args!("AUTH error {why}")),
            Refusal::Ended(..)
            | Refusal::SizeInvalid(..)
            | Refusal::SizeTooBig(..)
            | Refusal::CountInvalid(_)
            | Refusal::MessageInvalid(..)
            | Refusal::MessageTooBig(..) => self.write_about_body(out),
        }
    }

    fn write_about_body(&self, out: &mut Vec<u8>) {
        match *self {
            Refusal::Ended(verb, missing) => {
                write(out, format_args!("{} failed to read ", verb.name()));
                let message = if matches!(verb, Verb::Pub | Verb::Dpub) { "message " } else { "" };
                match missing {
                    Missing::Size => write(out, format_args!("{message}body size")),
                    Missing::Body => write(out, format_args!("{message}body")),
                    Missing::Count => write(out, format_args!("message count")),
                    Missing::MessageSize(index) => write(out, format_args!("message({index}) body size")),
                    Missing::Message => write(out, format_args!("message body")),
                }
            }
            Refusal::SizeInvalid(verb, size) => {
                let message = if matches!(verb, Verb::Pub | Verb::Dpub) { "message " } else { "" };
                write(out, format_args!("{} invalid {message}body size {size}", verb.name()));
            }
            Refusal::SizeTooBig(verb, size, max) => {
                let noun = if matches!(verb, Verb::Pub | Verb::Dpub) { "message" } else { "body" };
                write(out, format_args!("{} {noun} too big {size} > {max}", verb.name()));
            }
            Refusal::CountInvalid(count) => write(out, format_args!("MPUB invalid message count {count}")),
            Refusal::MessageInvalid(index, size) => {
                write(out, format_args!("MPUB invalid message({index}) body size {size}"));
            }
            Refusal::MessageTooBig(size, max) => {
                write(out, format_args!("MPUB message too big {size} > {max}"));
            }
            _ => {}
        }
    }
}

fn failed_code(verb: Verb) -> Code {
    match verb {
        Verb::Fin => Code::FinFailed,
        Verb::Req => Code::ReqFailed,
        Verb::Touch => Code::TouchFailed,
        Verb::Sub => Code::SubFailed,
        Verb::Pub => Code::PubFailed,
        Verb::Mpub => Code::MpubFailed,
        Verb::Dpub => Code::DpubFailed,
        Verb::Identify => Code::IdentifyFailed,
        Verb::Auth => Code::AuthFailed,
        Verb::Rdy | Verb::Cls | Verb::Nop => Code::Invalid,
    }
}

fn write_around(out: &mut Vec<u8>, before: &str, word: &[u8], after: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(after.as_bytes());
}

fn write_about_message(out: &mut Vec<u8>, verb: Verb, id: &RawId, why: &str) {
    write(out, format_args!("{} ", verb.name()));
    out.extend_from_slice(id);
    write(out, format_args!(" failed {why}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order() {
        for (index, (code, ..)) in CODES.iter().enumerate() {
            assert_eq!(*code as usize, index);
        }
        let harmless: Vec<_> =
            CODES.iter().filter(|(_, _, fatal)| !fatal).map(|(_, name, _)| *name).collect();
        assert_eq!(harmless, ["E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"]);
    }

    /// nsqd's texts for every error that the scanner does not produce itself (its own are tested there).
    #[test]
    fn texts() {
        let id = *b"0123456789abcdef";
        let cases: [(Refusal<'_>, &str); 22] = [
            (Refusal::Protocol, "E_BAD_PROTOCOL"),
            (Refusal::IdentifyJson, "E_BAD_BODY IDENTIFY failed to decode JSON body"),
            (Refusal::IdentifyValue("sample rate", 100), "E_BAD_BODY IDENTIFY sample rate (100) is invalid"),
            (
                Refusal::BothCompressions,
                "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression",
            ),
            (Refusal::UpgradeFailed("eof"), "E_IDENTIFY_FAILED IDENTIFY failed eof"),
            (
                Refusal::NotInFlight(Verb::Fin, id),
                "E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight",
            ),
            (
                Refusal::NotOwner(Verb::Req, id),
                "E_REQ_FAILED REQ 0123456789abcdef failed client does not own message",
            ),
            (
                Refusal::NotOwner(Verb::Touch, id),
                "E_TOUCH_FAILED TOUCH 0123456789abcdef failed client does not own message",
            ),
            (Refusal::Failed(Verb::Pub, Refusal::EXITING), "E_PUB_FAILED PUB failed exiting"),
            (Refusal::Failed(Verb::Mpub, Refusal::EXITING), "E_MPUB_FAILED MPUB failed exiting"),
            (Refusal::Failed(Verb::Dpub, Refusal::EXITING), "E_DPUB_FAILED DPUB failed exiting"),
            (Refusal::Failed(Verb::Sub, Refusal::EXITING), "E_SUB_FAILED SUB failed exiting"),
            (
                Refusal::Failed(Verb::Sub, Refusal::DELETED),
                "E_SUB_FAILED SUB failed to deleted topic/channel",
            ),
            (
                Refusal::TooManyConsumers("t", "c", 3),
                "E_SUB_FAILED SUB failed consumers for t:c exceeds limit of 3",
            ),
            (Refusal::AuthFirst(Verb::Mpub), "E_AUTH_FIRST AUTH required before MPUB"),
            (Refusal::Unauthorized(Verb::Sub, "t", "c"), "E_UNAUTHORIZED AUTH failed for SUB on \"t\" \"c\""),
            (Refusal::Unauthorized(Verb::Pub, "t", ""), "E_UNAUTHORIZED AUTH failed for PUB on \"t\" \"\""),
            (Refusal::AuthDisabled, "E_AUTH_DISABLED AUTH disabled"),
            (Refusal::AuthFailed, "E_AUTH_FAILED AUTH failed"),
            (Refusal::AuthAlreadySet, "E_INVALID AUTH already set"),
            (Refusal::AuthNothing, "E_UNAUTHORIZED AUTH no authorizations found"),
            (Refusal::AuthError("x"), "E_AUTH_ERROR AUTH error x"),
        ];
        for (refusal, text) in cases {
            let mut out = Vec::new();
            refusal.write(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), text);
            assert_eq!(refusal.fatal(), !matches!(refusal, Refusal::NotInFlight(..) | Refusal::NotOwner(..)));
        }
    }
}
