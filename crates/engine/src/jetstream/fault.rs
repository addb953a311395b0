//! Errors of `JetStream`: their text, and whether trying again can help.
//!
//! async-nats has an error type for each call; one is enough here.

use async_nats::jetstream;

use crate::request::EngineError;

/// Code of answers that say "not now": no leader, or no quorum.
const UNAVAILABLE: usize = 503;

/// An error of a call.
#[derive(Debug)]
pub struct Fault {
    /// The reason, for operators and clients.
    pub text: String,
    /// The server has refused; the same call will be refused again.
    pub lasting: bool,
}

impl Fault {
    /// A passing fault: a timeout, no responder, a lost connection.
    pub fn passing(error: &dyn std::fmt::Display) -> Fault {
        Fault { text: error.to_string(), lasting: false }
    }

    /// A refusal of ours.
    pub fn refused(text: &str) -> Fault {
        Fault { text: text.to_owned(), lasting: true }
    }

    /// An error that the server has sent.
    pub fn sent(what: &str, error: &jetstream::Error) -> Fault {
        Fault { text: format!("{what}: {error}"), lasting: error.code() != UNAVAILABLE }
    }
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> EngineError {
        EngineError::new(format!("engine: {}", fault.text))
    }
}
