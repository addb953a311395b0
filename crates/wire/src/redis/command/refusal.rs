//! A request that is answered with an error by the proxy, and the text of that error.
//!
//! Where Redis would refuse the same request the words are Redis'. The request was framed well, so the connection can go
//! on, unless the command is [stateful](Command::stateful): then nothing behind it may be executed.

use bytes::BufMut;

use super::{Command, KeyError, Reason};
use crate::redis::encode;

/// A well-framed request that gets an error from the proxy and reaches no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// No such command.
    Unknown(&'a [u8]),
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

    /// The command because of which the connection must end: see [`Command::stateful`]. Never an unknown one, since client
    /// libraries try commands of later versions and go on without them.
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
        match self {
            Refusal::Unknown(name) => {
                let mut text = b"ERR unknown or unsupported command ".to_vec();
                encode::quoted(&mut text, name);
                text
            }
            Refusal::UnknownSubcommand(container, name) => {
                let mut text = b"ERR unknown or unsupported subcommand ".to_vec();
                encode::quoted(&mut text, name);
                text.extend_from_slice(format!(" of '{container}'").as_bytes());
                text
            }
            Refusal::Arity(command) => {
                format!("ERR wrong number of arguments for '{}' command", command.name).into_bytes()
            }
            Refusal::Unsupported(command, reason) => {
                format!("ERR unknown or unsupported command '{}': {}", command.name, reason.text())
                    .into_bytes()
            }
            Refusal::Keys(command, error) => format!("ERR {}", error.text(command.name)).into_bytes(),
        }
    }
}
