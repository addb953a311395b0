//! A request that the proxy answers with an error, and the text of that error.
//!
//! The texts are Redis' own where Redis would refuse the same request. The request was framed correctly, so
//! the connection can continue, unless the command is [stateful](Command::stateful): then no later command
//! may be executed.

use bytes::BufMut;

use super::{Command, KeyError, Reason};
use crate::redis::Args;
use crate::redis::encode::{self, printed};

/// Bytes of an unknown command's name that Redis prints, and about as many of its arguments together.
const PRINTED_MAX: usize = 128;

/// A well-framed request that the proxy answers with an error and does not forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Unknown command: the whole request.
    Unknown(Args<'a>),
    /// Unknown subcommand of this container.
    UnknownSubcommand(&'static str, &'a [u8]),
    /// Wrong number of arguments for this command.
    Arity(&'static Command),
    /// A known command that is not served.
    Unsupported(&'static Command, Reason),
    /// Its keys cannot be found.
    Keys(&'static Command, KeyError),
    /// A command that this pool does not permit.
    NotPermitted(&'static Command),
}

impl Refusal<'_> {
    /// True if the command as such is not served, rather than this request being invalid.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Refusal::Unknown(_)
            | Refusal::UnknownSubcommand(..)
            | Refusal::Unsupported(..)
            | Refusal::NotPermitted(_) => true,
            Refusal::Keys(_, error) => matches!(error, KeyError::NoKey),
            Refusal::Arity(_) => false,
        }
    }

    /// The command that forces the connection to close: see [`Command::stateful`]. Never an unknown one,
    /// since client libraries try newer commands and continue without them.
    pub fn stateful(&self) -> Option<&'static Command> {
        match *self {
            Refusal::Unknown(_) | Refusal::UnknownSubcommand(..) => None,
            Refusal::Arity(command)
            | Refusal::Unsupported(command, _)
            | Refusal::Keys(command, _)
            | Refusal::NotPermitted(command) => Some(command).filter(|command| command.stateful),
        }
    }

    /// Appends the error as a reply: `-ERR …\r\n`.
    pub fn write(&self, out: &mut impl BufMut) {
        encode::error(out, &self.text());
    }

    fn text(&self) -> Vec<u8> {
        match *self {
            Refusal::Unknown(request) => unknown(request),
            Refusal::UnknownSubcommand(container, name) => {
                let help = format!("'. Try {} HELP.", container.to_ascii_uppercase());
                [b"ERR unknown subcommand '", printed(name, PRINTED_MAX), help.as_bytes()].concat()
            }
            // The transaction is over, whatever is wrong with its end.
            Refusal::Arity(command) if command.name == "exec" => {
                b"EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command"
                    .to_vec()
            }
            Refusal::Arity(command) => {
                format!("ERR wrong number of arguments for '{}' command", command.name).into_bytes()
            }
            Refusal::Unsupported(command, reason) => {
                let (name, why) = (command.name, reason.text());
                format!("ERR unknown command '{name}', unsupported by this proxy: {why}").into_bytes()
            }
            Refusal::Keys(command, error) => format!("ERR {}", error.text(command.name)).into_bytes(),
            Refusal::NotPermitted(command) => {
                let (name, permit) = (command.name, command.permit);
                let (why, word) = (permit.why(), permit.name());
                format!("ERR '{name}' is not allowed in this pool: {why}; if it is meant, set allow = [\"{word}\"] of the pool")
                    .into_bytes()
            }
        }
    }
}

/// Redis' text for an unknown command, with the beginning of the arguments.
fn unknown(mut request: Args<'_>) -> Vec<u8> {
    let name = request.next().map_or(&b""[..], |name| name.bytes());
    let mut text =
        [b"ERR unknown command '", printed(name, PRINTED_MAX), b"', with args beginning with: "].concat();
    let mut left = PRINTED_MAX;
    for argument in request {
        if left == 0 {
            break;
        }
        let word = printed(argument.bytes(), left);
        text.extend_from_slice(&[b"'", word, b"' "].concat());
        left = left.saturating_sub(word.len() + 3);
    }
    text
}
