//! Addresses in the native file: of listeners, and of the servers of a pool.
//!
//! ```text
//! listen   HOST:PORT   [IPV6]:PORT   IPV6:PORT   /PATH   /PATH MODE
//! server   HOST:PORT[:WEIGHT] [NAME]   [IPV6]:PORT[:WEIGHT] [NAME]   /PATH[:WEIGHT] [NAME]   local [NAME]
//! ```
//! nutcracker's forms are accepted with the same meaning; in addition the weight may be omitted and an IPv6
//! address may have brackets. [`crate::nutcracker`] has the forms that nutcracker itself accepts.
//!
//! The identity of a server (the hashed bytes) follows nutcracker's rule: the name; else host and port; else
//! the host alone if the port is 11211; `/PATH:` for a unix socket.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use wire::url::host_port;

use crate::checked::{Listen, Server, Target};

/// Longest path of a unix socket in bytes (Linux' `sun_path` without its final zero byte).
pub const UNIX_PATH_MAX: usize = 107;

/// The port that libmemcached omits from a server's identity.
pub const MEMCACHED_PORT: u16 = 11211;

/// Parses the address of a listener.
///
/// # Errors
///
/// The fault, and its remedy.
pub fn listen(text: &str) -> Result<Listen, (String, String)> {
    if text.starts_with('/') {
        let (path, mode) = match text.rsplit_once(' ') {
            Some((path, mode)) => (path, Some(octal_mode(mode)?)),
            None => (text, None),
        };
        return Ok(Listen::Unix { path: unix_path(path)?, mode });
    }
    let (host, port) = host_and_port(text, 0)?;
    let host = if host == "*" { "0.0.0.0".into() } else { host };
    Ok(Listen::Tcp { host, port })
}

/// Parses a server of a pool.
///
/// # Errors
///
/// The fault, and its remedy.
pub fn server(text: &str) -> Result<Server, (String, String)> {
    let (address, name) = match text.rsplit_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (text, None),
    };
    if address.contains(' ') || name.is_some_and(str::is_empty) {
        let help = "write \"HOST:PORT:WEIGHT NAME\" with one space; a name cannot contain spaces";
        return Err((format!("\"{text}\" has more than one space"), help.into()));
    }
    let (target, weight) = target_and_weight(address)?;
    Ok(Server {
        identity: name.map_or_else(|| identity(&target), Into::into),
        target,
        weight,
        password: None,
    })
}

/// Parses a target without weight or name.
///
/// # Errors
///
/// The fault, and its remedy.
pub fn target(text: &str) -> Result<Target, (String, String)> {
    if text == "local" {
        return Ok(Target::Local);
    }
    if text.starts_with('/') {
        return Ok(Target::Unix(unix_path(text)?));
    }
    let (host, port) = host_and_port(text, 1)?;
    Ok(Target::Tcp { host, port })
}

/// The hashed name of a server without a name.
pub fn identity(target: &Target) -> String {
    match target {
        Target::Local => "local".into(),
        Target::Master => String::new(),
        Target::Unix(path) => format!("{}:", path.display()),
        Target::Tcp { host, port: MEMCACHED_PORT } => host.clone(),
        Target::Tcp { host, port } => format!("{host}:{port}"),
    }
}

/// Splits off the weight, if any.
fn target_and_weight(address: &str) -> Result<(Target, u32), (String, String)> {
    if address == "local" {
        return Ok((Target::Local, 1));
    }
    let colons = match address.rfind(']') {
        Some(bracket) => 1 + address[bracket..].matches(':').count().saturating_sub(1),
        None => address.matches(':').count(),
    };
    let unix = address.starts_with('/');
    let weighted = if unix { colons >= 1 } else { colons >= 2 };
    match address.rsplit_once(':').filter(|_| weighted) {
        Some((rest, weight)) => {
            let weight = weight
                .parse::<u32>()
                .ok()
                .filter(|w| *w >= 1 && i32::try_from(*w).is_ok())
                .ok_or_else(|| {
                    let help = "a weight is a whole number, at least 1; put brackets around an IPv6 address";
                    (format!("\"{address}\" has an invalid weight"), help.to_string())
                })?;
            Ok((target(rest)?, weight))
        }
        None => Ok((target(address)?, 1)),
    }
}

/// Splits `HOST:PORT`, and removes brackets around the host.
fn host_and_port(text: &str, port_min: u16) -> Result<(String, u16), (String, String)> {
    const HELP: &str =
        "write HOST:PORT, such as \"127.0.0.1:22121\" or \"[::1]:22121\", or a path that begins with /";
    let wrong = |what: &str| (format!("\"{text}\" {what}"), HELP.to_string());
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("has no port"))?;
    let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => {
            inner.parse::<Ipv6Addr>().map(|_| inner).map_err(|_| wrong("is not an IPv6 address"))?
        }
        Some(None) => return Err(wrong("has an opening bracket only")),
        None if host.contains(':') => {
            host.parse::<Ipv6Addr>().map(|_| host).map_err(|_| wrong("has too many colons"))?
        }
        None => host,
    };
    if host.is_empty() {
        return Err(wrong("has no host (0.0.0.0 stands for all addresses)"));
    }
    if host.contains(char::is_whitespace) || host.contains('/') {
        return Err(wrong("is not an address"));
    }
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse::<u16>().ok().filter(|port| digits && *port >= port_min);
    Ok((host.to_string(), port.ok_or_else(|| wrong("has an invalid port"))?))
}

fn unix_path(path: &str) -> Result<PathBuf, (String, String)> {
    if path.len() > UNIX_PATH_MAX || path.contains('\0') {
        let help = format!("the path of a unix socket has at most {UNIX_PATH_MAX} bytes");
        return Err((format!("\"{path}\" is not a usable path"), help));
    }
    Ok(PathBuf::from(path))
}

fn octal_mode(text: &str) -> Result<u32, (String, String)> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777 && !text.starts_with('+')).ok_or_else(
        || {
            (
                format!("\"{text}\" is not a file mode"),
                "write an octal number up to 0777, such as 0660".to_string(),
            )
        },
    )
}

/// The text of a listener's address, as [`listen`] parses it.
pub fn show_listen(listen: &Listen) -> String {
    match listen {
        Listen::Tcp { host, port } => host_port(host, port),
        Listen::Unix { path, mode: None } => path.display().to_string(),
        Listen::Unix { path, mode: Some(mode) } => format!("{} {mode:04o}", path.display()),
    }
}

/// The text of a server without its password, as [`server`] parses it.
pub fn show_server(server: &Server) -> String {
    let weight = server.weight;
    let place = match &server.target {
        Target::Master => return server.identity.clone(),
        Target::Local => "local".into(),
        target => format!("{}:{weight}", show_target(target)),
    };
    if server.identity == identity(&server.target) { place } else { format!("{place} {}", server.identity) }
}

/// The text of a target, as [`target`] parses it.
pub fn show_target(target: &Target) -> String {
    match target {
        Target::Tcp { host, port } => host_port(host, port),
        Target::Unix(path) => path.display().to_string(),
        Target::Local => "local".into(),
        Target::Master => "the address that Sentinels say".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Target {
        Target::Tcp { host: host.into(), port }
    }

    #[test]
    fn listens() {
        let ok = [
            ("127.0.0.1:22121", "127.0.0.1:22121"),
            ("[::1]:22121", "[::1]:22121"),
            ("::1:22121", "[::1]:22121"),
            ("localhost:0", "localhost:0"),
            ("*:80", "0.0.0.0:80"),
            ("/tmp/a.sock", "/tmp/a.sock"),
            ("/tmp/a b.sock 0660", "/tmp/a b.sock 0660"),
        ];
        for (text, shown) in ok {
            assert_eq!(show_listen(&listen(text).unwrap()), shown);
        }
        let long = format!("/{}", "x".repeat(107));
        for text in [
            "", "22121", ":22121", "a:", "a:x", "a:65536", "a:-1", "a:+1", "[::1:1", "::1", "a:b:1",
            "/a 0888", &long,
        ] {
            assert!(listen(text).is_err(), "{text}");
        }
    }

    #[test]
    fn servers() {
        let ok = [
            ("10.0.0.1:6379", "10.0.0.1:6379", tcp("10.0.0.1", 6379), 1),
            ("10.0.0.1:6379:3", "10.0.0.1:6379", tcp("10.0.0.1", 6379), 3),
            ("10.0.0.1:6379:3 one", "one", tcp("10.0.0.1", 6379), 3),
            ("10.0.0.1:6379 one", "one", tcp("10.0.0.1", 6379), 1),
            ("10.0.0.1:11211:1", "10.0.0.1", tcp("10.0.0.1", 11211), 1),
            ("::1:6379:1", "::1:6379", tcp("::1", 6379), 1),
            ("[::1]:6379", "::1:6379", tcp("::1", 6379), 1),
            ("[::1]:6379:2 six", "six", tcp("::1", 6379), 2),
            ("/tmp/r.sock:1", "/tmp/r.sock:", Target::Unix("/tmp/r.sock".into()), 1),
            ("/tmp/r.sock", "/tmp/r.sock:", Target::Unix("/tmp/r.sock".into()), 1),
            ("/tmp/r.sock:2 u", "u", Target::Unix("/tmp/r.sock".into()), 2),
            ("local", "local", Target::Local, 1),
            ("local near", "near", Target::Local, 1),
        ];
        for (text, identity, target, weight) in ok {
            let expected = Server { identity: identity.into(), target, weight, password: None };
            assert_eq!(server(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "host",
            "host:0",
            "host:1:0",
            "host:1:x",
            "host:1:1  two",
            "host:1:1 a b",
            "::1:6379",
            "host:1:1 ",
            "[::1]",
            "/a:x",
            "remote",
            "h:1:99999999999",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
