//! nutcracker.yml, with exactly the files that nutcracker 0.5.0 accepts and its reasons for the others.
//!
//! ```text
//! bytes ─▶ yaml::leaves (one document, allowed tokens, shape) ─▶ directive::set ─▶ validate ─▶ Vec<Pool>
//! ```
//! The original stops at its first complaint; here parsing goes on where that makes sense, so that [`Refusal::reasons`]
//! names everything. The first reason is always the original's, in its words.
//!
//! C's habits are part of the file format: numbers wrap at 32 bits, a unix socket's mode may be junk, `listen` names
//! are resolved when the file is read.

mod address;
mod directive;
mod number;
mod validate;
mod text;
mod yaml;

use std::fmt;
use std::net::ToSocketAddrs;
use std::path::Path;

use crate::checked::Pool;
use crate::fault::Position;

pub use number::atoi;

/// Resolves the host and port of a `listen` directive; the error is the resolver's text.
pub type Resolve<'a> = &'a dyn Fn(&str, u16) -> Result<(), String>;

/// The reason a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its position, as far as that is known.
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
    /// Settings nutcracker accepts and then ignores.
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

/// Parses a file; `file` is its name in the reasons.
///
/// # Errors
///
/// The reason nutcracker would refuse it.
pub fn parse(bytes: &[u8], file: &str, resolve: Resolve<'_>) -> Result<Accepted, Refusal> {
    let (sections, empty) = yaml::leaves(bytes, file).map_err(|reasons| Refusal { reasons })?;
    let pools = directive::pools(sections, empty, resolve).map_err(|reasons| Refusal { reasons })?;
    validate::pools(pools, file).map_err(|reasons| Refusal { reasons })
}

/// Parses the content of a file, asking the system's resolver, blocking.
///
/// # Errors
///
/// The reason nutcracker would refuse it.
pub fn parse_bytes(bytes: &[u8], file: &str) -> Result<Accepted, Refusal> {
    parse(bytes, file, &system_resolve)
}

/// Reads and parses a file.
///
/// # Errors
///
/// The outer error: it cannot be opened. The inner one: why nutcracker would refuse it.
pub fn parse_file(path: &Path) -> std::io::Result<Result<Accepted, Refusal>> {
    use std::io::Read;
    let mut file = std::fs::File::open(path)?;
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    if file.read_to_end(&mut bytes).is_err() {
        return Ok(Err(Refusal { reasons: vec![yaml::unreadable()] }));
    }
    Ok(parse_bytes(&bytes, &shown))
}

/// Asks the system's resolver, blocking.
///
/// # Errors
///
/// The resolver's text.
pub fn system_resolve(host: &str, port: u16) -> Result<(), String> {
    match (host, port).to_socket_addrs() {
        Ok(mut addresses) => addresses.next().map(|_| ()).ok_or_else(|| "Name or service not known".into()),
        Err(error) => {
            let text = error.to_string();
            Err(text.rsplit_once(": ").map_or(text.clone(), |(_, reason)| reason.to_string()))
        }
    }
}

impl Reason {
    fn new(position: Option<Position>, logged: String) -> Reason {
        Reason { position, logged: vec![logged], text: "" }
    }

    fn silent(position: Option<Position>, text: &'static str) -> Reason {
        Reason { position, logged: Vec::new(), text }
    }
}

/// The reason in one line, without the place.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.logged.join("; "))?;
        if !self.logged.is_empty() && !self.text.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests;
