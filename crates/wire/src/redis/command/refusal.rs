//! A request that is answered with an error by the proxy, and the text of that error.
//!
//! Where Redis would refuse the same request the words are Redis'. The request was framed well, so the
//! connection can go on, unless the command is [stateful](Command::stateful): then nothing behind it may be
//! executed.

use bytes::BufMut;

use super::{Command, KeyError, Reason};
use crate::redis::Args;
use crate::redis::encode::{self, printed};

/// Redis prints so many bytes of an unknown command's name, and about as many of its arguments together.
const PRINTED_MAX: usize = 128;

/// A well-framed request that gets an error from the proxy and reaches no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// No such command: the whole request.
    Unknown(Args<'a>),
    /// No such subcommand of that container.
    UnknownSubcommand(&'static str, &'a [u8]),
    /// A wrong number of arguments for that command.
    Arity(&'static Command),
    /// A command that is known and not served.
    Unsupported(&'static Command, Reason),
    /// Its keys cannot be found.
    Keys(&'static Command, KeyError),
}

impl Refusal<'_> {
    /// True if the command as such is not served, rather than this request of it being wrong.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Refusal::Unknown(_) | Refusal::UnknownSubcommand(..) | Refusal::Unsupported(..) => true,
            Refusal::Keys(_, error) => matches!(error, KeyError::Blocks | KeyError::NoKey),
            Refusal::Arity(_) => false,
        }
    }

    /// The command because of which the connection must end: see [`Command::stateful`]. Never an unknown one,
    /// since client libraries try commands of later versions and go on without them.
    pub fn stateful(&self) -> Option<&'static Command> {
        match *self {
            Refusal::Unknown(_) | Refusal::UnknownSubcommand(..) => None,
            Refusal::Arity(command) | Refusal::Unsupported(command, _) | Refusal::Keys(command, _) => {
                Some(command).filter(|command| command.stateful)
            }
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
            Refusal::Arity(command) => {
                format!("ERR wrong number of arguments for '{}' command", command.name).into_bytes()
            }
            Refusal::Unsupported(command, reason) => {
                let (name, why) = (command.name, reason.text());
                format!("ERR unknown command '{name}', unsupported by this proxy: {why}").into_bytes()
            }
            Refusal::Keys(command, error) => format!("ERR {}", error.text(command.name)).into_bytes(),
        }
    }
}

/// Redis' words, with the beginning of the arguments.
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
