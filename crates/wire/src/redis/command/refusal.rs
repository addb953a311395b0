//! A request that is answered with an error by the proxy, and the text of that error.
//!
//! Where Redis would refuse the same request the words are Redis'. A refusal concerns one request: it was framed well, so
//! the connection goes on.

use bytes::BufMut;

use super::{KeyError, Reason};
use crate::redis::encode;

/// A well-framed request that gets an error from the proxy and reaches no server. The client's connection stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// No such command.
    Unknown(&'a [u8]),
    /// No such subcommand of that container.
    UnknownSubcommand(&'static str, &'a [u8]),
    /// A wrong number of arguments for that command.
    Arity(&'static str),
    /// A command that is known and not served.
    Unsupported(&'static str, Reason),
    /// Its keys cannot be found.
    Keys(&'static str, KeyError),
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
            Refusal::Arity(name) => {
                format!("ERR wrong number of arguments for '{name}' command").into_bytes()
            }
            Refusal::Unsupported(name, reason) => {
                format!("ERR unknown or unsupported command '{name}': {}", reason.text()).into_bytes()
            }
            Refusal::Keys(name, error) => format!("ERR {}", error.text(name)).into_bytes(),
        }
    }
}
