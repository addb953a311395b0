//! The two kinds of addresses of a nutcracker.yml, split from the right as in nutcracker.
//!
//! A missing part is not always an error: an empty name after a trailing space is a name, and a server's
//! empty host only shows when connecting. A listener's empty host is an error.

use std::path::PathBuf;

use super::{Resolve, number};
use crate::checked::{Listen, Server, Target};
use crate::endpoint::{MEMCACHED_PORT, UNIX_PATH_MAX};

/// `host:port`, split at the last colon, or `/path` with an optional octal mode after its last space.
///
/// # Errors
///
/// The lines that nutcracker logs before its error, and the error's phrase.
pub(super) fn listen(text: &str, resolve: Resolve<'_>) -> Result<Listen, (Option<String>, &'static str)> {
    if text.starts_with('/') {
        return unix_listen(text).map_err(|phrase| (None, phrase));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err((None, "has an invalid \"hostname:port\" format string"));
    };
    let Some(port) = number::port(port.as_bytes()) else {
        return Err((None, "has an invalid port in \"hostname:port\" format string"));
    };
    // nutcracker resolves the empty name, which fails; our resolver might return the wildcard address.
    let resolved =
        if host.is_empty() { Err("Name or service not known".into()) } else { resolve(host, port) };
    resolved.map_err(|reason| {
        let logged = format!("address resolution of node '{host}' service '{port}' failed: {reason}");
        (Some(logged), INVALID)
    })?;
    Ok(Listen::Tcp { host: host.into(), port })
}

/// nutcracker's generic phrase.
const INVALID: &str = "has an invalid value";

fn unix_listen(text: &str) -> Result<Listen, &'static str> {
    let (path, mode) = match text.rsplit_once(' ') {
        Some((path, mode)) => (path, number::octal_mode(mode.as_bytes()).filter(|mode| *mode <= 0o777)),
        None => (text, Some(0)),
    };
    let Some(mode) = mode else {
        return Err("has an invalid file permission in \"socket_path permission\" format string");
    };
    if path.len() > UNIX_PATH_MAX {
        return Err(INVALID);
    }
    Ok(Listen::Unix { path: PathBuf::from(path), mode: Some(mode).filter(|mode| *mode != 0) })
}

/// `host:port:weight[ name]` or `/path:weight[ name]`, split at the last space and the last colons.
///
/// # Errors
///
/// The phrase of nutcracker's error.
pub(super) fn server(text: &str) -> Result<Server, &'static str> {
    const FORMAT: &str =
        "has an invalid \"hostname:port:weight [name]\"or \"/path/unix_socket:weight [name]\" format string";
    const WEIGHT: &str = "has an invalid weight in \"hostname:port:weight [name]\" format string";
    const WEIGHT_ZERO: &str = "has a zero weight in \"hostname:port:weight [name]\" format string";
    const PORT: &str = "has an invalid port in \"hostname:port:weight [name]\" format string";
    let (address, name) = match text.rsplit_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (text, None),
    };
    let (address, weight) = address.rsplit_once(':').ok_or(FORMAT)?;
    let unix = text.starts_with('/');
    // A unix socket's path must not contain a colon.
    let parts = address.rsplit_once(':');
    if parts.is_some() == unix {
        return Err(FORMAT);
    }
    let weight = match number::atoi(weight.as_bytes()) {
        None => return Err(WEIGHT),
        Some(0) => return Err(WEIGHT_ZERO),
        Some(weight) => weight as u32,
    };
    let (target, unnamed) = match parts {
        None => (Target::Unix(PathBuf::from(address)), format!("{address}:")),
        Some((host, digits)) => {
            let port = number::port(digits.as_bytes()).ok_or(PORT)?;
            let unnamed = if port == MEMCACHED_PORT { host.to_string() } else { format!("{host}:{digits}") };
            // Without a host nutcracker connects to the wildcard address, which is this machine.
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            (Target::Tcp { host: host.into(), port }, unnamed)
        }
    };
    Ok(Server { identity: name.map_or(unnamed, Into::into), target, weight, password: None })
}
