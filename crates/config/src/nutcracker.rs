//! nutcracker.yml: exactly the files that nutcracker 0.5.0 accepts, and its errors for the others.
//!
//! ```text
//! bytes ─▶ yaml::leaves (one document, allowed tokens, shape) ─▶ directive::set ─▶ validate ─▶ Vec<Pool>
//! ```
//! The original stops at its first error; here parsing continues where possible, so that [`Refusal::reasons`]
//! lists all. The first reason is always the original's, in its words.
//!
//! C's habits are part of the file format: numbers wrap at 32 bits, a unix socket's mode may be junk, and
//! `listen` names are resolved when the file is read.

mod outcome;

mod address;
mod directive;
mod number;
mod validate;
mod text;
mod yaml;

use std::net::ToSocketAddrs;
use std::path::Path;

pub use number::atoi;
pub use outcome::{Accepted, Ignored, Reason, Refusal, Resolve};

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

/// Parses the content of a file with the system's resolver; blocks.
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
/// Outer error: the file cannot be opened. Inner error: the reason nutcracker would refuse it.
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

/// Resolves a name with the system's resolver; blocks.
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

#[cfg(test)]
mod tests;
