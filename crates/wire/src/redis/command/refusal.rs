//! Why a request is answered with an error by the proxy, and the text of that error.
//!
//! Where Redis would refuse the same request the words are Redis'. A refusal concerns one request: it was framed well, so
//! the connection goes on.

use bytes::BufMut;

use super::KeyError;
use crate::redis::encode;

/// Why a command cannot be served over connections that many clients share, or across many servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It waits, and everybody behind it on the server's connection would wait with it.
    Blocking,
    /// Publish and subscribe.
    PubSub,
    /// `MULTI` and what belongs to it: state on a connection that is not the client's own.
    Transaction,
    /// It names no key, so it concerns every server or none in particular.
    Keyless,
    /// Scripts and functions are loaded on single servers; `EVAL` and `EVALSHA` with keys are served.
    Scripting,
    /// Running and inspecting one server.
    Admin,
    /// Redis Cluster's own commands.
    Cluster,
    /// State or output of a connection: `MONITOR`, `CLIENT TRACKING` ….
    Connection,
}

impl Reason {
    /// The reason in words, for an error or a table.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Blocking => "it would block a connection that clients share",
            Reason::PubSub => "publish/subscribe is not proxied",
            Reason::Transaction => "transactions need a connection of their own",
            Reason::Keyless => "it names no key to find a server by",
            Reason::Scripting => "scripts and functions are managed on each server",
            Reason::Admin => "it administers one server",
            Reason::Cluster => "it belongs to Redis Cluster",
            Reason::Connection => "it changes a connection that clients share",
        }
    }
}

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
