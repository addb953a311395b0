//! Outcome of reading a file: pools, or the reasons it is refused.
//!
//! The first reason is nutcracker's own, in its words; the others save a second attempt.

use std::fmt;

use crate::checked::Pool;
use crate::fault::Position;

/// Resolves the host and port of a `listen` directive; the error is the resolver's text.
pub type Resolve<'a> = &'a dyn Fn(&str, u16) -> Result<(), String>;

/// The reason a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its position, if known.
    pub position: Option<Position>,
    /// Lines that nutcracker logs; empty for the few faults that it does not explain.
    pub logged: Vec<String>,
    /// The fault, if `logged` does not name it.
    pub text: &'static str,
}

/// A file that nutcracker would not start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reasons; the first one is nutcracker's.
    pub reasons: Vec<Reason>,
}

/// Pools of an accepted file.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// Pools and their servers in nutcracker's order.
    pub pools: Vec<Pool>,
    /// Settings that nutcracker accepts but ignores.
    pub ignored: Vec<Ignored>,
}

/// A directive without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The pool.
    pub pool: String,
    /// The directive.
    pub directive: &'static str,
    /// Its place.
    pub position: Position,
}

impl Reason {
    pub(super) fn new(position: Option<Position>, logged: String) -> Reason {
        Reason { position, logged: vec![logged], text: "" }
    }

    pub(super) fn silent(position: Option<Position>, text: &'static str) -> Reason {
        Reason { position, logged: Vec::new(), text }
    }
}

/// The reason in one line, without the position.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.logged.join("; "))?;
        if !self.logged.is_empty() && !self.text.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(self.text)
    }
}
