//! Start errors worded for each face: the native one names the option, the others use
//! the texts of the original programs.

use std::fmt;
use std::io;
use std::path::PathBuf;

use config::checked::Listen;
use config::endpoint::show_listen;
use config::go_flags::{GoValue, GoValues};
use config::nsqd::machine::error_text;
use net::BindError;

/// Reason the start failed.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be bound.
    Listen(Place, Listen, BindError),
    /// The queue's directory cannot be opened.
    DataPath(PathBuf, io::Error),
    /// The queue's directory cannot be locked; `None` if another process holds the lock.
    Lock(PathBuf, Option<io::Error>),
    /// The queue's directory cannot be read or written.
    Store(String),
    /// Anything else, as a sentence.
    Other(String),
}

/// Kind of listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A pool, by its name.
    Pool(String),
    /// nutcracker's statistics.
    Stats,
    /// The admin port.
    Admin,
    /// The V2 protocol.
    QueueTcp,
    /// The HTTP API.
    QueueHttp,
    /// The HTTP API over TLS.
    QueueHttps,
    /// The protocol of nsqlookupd.
    LookupTcp,
    /// nsqlookupd's HTTP API.
    LookupHttp,
    /// nsqadmin.
    Nsqadmin,
}

impl Place {
    /// The option of nuthatch.toml that sets the address.
    pub fn option(&self) -> String {
        match self {
            Place::Pool(name) => format!("[pool.{name}] listen"),
            Place::Stats => "[stats] listen".into(),
            Place::Admin => "[admin] listen".into(),
            Place::QueueTcp => "[queue] tcp".into(),
            Place::QueueHttp => "[queue] http".into(),
            Place::QueueHttps => "[queue] https".into(),
            Place::LookupTcp => "[lookup] tcp".into(),
            Place::LookupHttp => "[lookup] http".into(),
            Place::Nsqadmin => "nsqadmin's http-address".into(),
        }
    }

    /// The nsqd flag that sets the address, if there is one.
    fn flag(&self) -> Option<&'static str> {
        match self {
            Place::QueueTcp => Some("tcp-address"),
            Place::QueueHttp | Place::Nsqadmin => Some("http-address"),
            Place::QueueHttps => Some("https-address"),
            Place::Pool(_) | Place::Stats | Place::Admin | Place::LookupTcp | Place::LookupHttp => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Pool(name) => write!(f, "pool '{name}'"),
            Place::Stats => f.write_str("statistics"),
            Place::Admin => f.write_str("admin"),
            Place::QueueTcp => f.write_str("queue"),
            Place::QueueHttp => f.write_str("queue, HTTP"),
            Place::QueueHttps => f.write_str("queue, HTTPS"),
            Place::LookupTcp => f.write_str("lookup"),
            Place::LookupHttp => f.write_str("lookup, HTTP"),
            Place::Nsqadmin => f.write_str("nsqadmin, HTTP"),
        }
    }
}

impl From<String> for StartError {
    fn from(text: String) -> StartError {
        StartError::Other(text)
    }
}

impl StartError {
    /// Text for the author of a nuthatch.toml.
    pub fn native(&self) -> String {
        match self {
            StartError::Listen(place, listen, error) => {
                format!("{}: cannot listen on {}: {error}", place.option(), show_listen(listen))
            }
            StartError::DataPath(path, error) => {
                format!("[queue] data_path: cannot open {}: {error}", path.display())
            }
            StartError::Lock(path, None) => {
                format!("[queue] data_path: {} is in use by another process", path.display())
            }
            StartError::Lock(path, Some(error)) => {
                format!("[queue] data_path: cannot lock {}: {error}", path.display())
            }
            StartError::Store(text) => format!("[queue] data_path: {text}"),
            StartError::Other(text) => text.clone(),
        }
    }

    /// Text for users of nutcracker.
    pub fn nutcracker(&self) -> String {
        match self {
            StartError::Listen(place, listen, error) => {
                format!("{place} cannot listen on {}: {error}", show_listen(listen))
            }
            other => other.native(),
        }
    }

    /// nsqd's text under these flags, after `failed to instantiate nsqd - `.
    pub fn nsqd(&self, flags: &GoValues) -> String {
        match self {
            StartError::Listen(place, listen, error) => {
                let written = match place.flag().and_then(|flag| flags.get(flag)) {
                    Some(GoValue::Text(written)) => written.clone(),
                    _ => show_listen(listen),
                };
                format!("listen ({written}) failed - {}", go_listen_error(&written, error))
            }
            StartError::DataPath(path, error) => {
                format!("failed to lock data-path: open {}: {}", path.display(), error_text(error))
            }
            StartError::Lock(path, error) => {
                let reason = error.as_ref().map_or("resource temporarily unavailable".into(), error_text);
                format!(
                    "failed to lock data-path: cannot flock directory {} - {reason} (possibly in use by another instance \
                     of nsqd)",
                    path.display()
                )
            }
            StartError::Store(text) | StartError::Other(text) => text.clone(),
        }
    }
}

/// The error text of Go's `net.Listen` for an address as configured.
fn go_listen_error(written: &str, error: &BindError) -> String {
    match error {
        BindError::Name { host, error } => format!("listen tcp: lookup {host}: {}", go_lookup_error(error)),
        BindError::Tcp { address, error } => {
            // Go shows a wildcard address as configured, any other as resolved.
            let host = written.rsplit_once(':').map(|(host, _)| host);
            let shown = match host.filter(|_| address.ip().is_unspecified()) {
                Some(host) => format!("{host}:{}", address.port()),
                None => address.to_string(),
            };
            format!("listen tcp {shown}: bind: {}", error_text(error))
        }
        BindError::Unix { path, error } => {
            format!("listen unix {}: bind: {}", path.display(), error_text(error))
        }
    }
}

/// Go's text for a name that has no address.
fn go_lookup_error(error: &io::Error) -> String {
    let text = error.to_string();
    let reason = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match reason {
        "Name or service not known" | "No address associated with hostname" => "no such host".into(),
        "Temporary failure in name resolution" => reason.into(),
        _ => error_text(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn refused(address: &str, code: i32) -> BindError {
        let address: SocketAddr = address.parse().unwrap();
        BindError::Tcp { address, error: io::Error::from_raw_os_error(code) }
    }

    #[test]
    fn listeners_in_the_words_of_go() {
        let unknown = "failed to lookup address information: Name or service not known";
        let lookup = BindError::Name { host: "nosuch".into(), error: io::Error::other(unknown) };
        let socket =
            BindError::Unix { path: "/no/s".into(), error: io::Error::from_raw_os_error(libc::ENOENT) };
        for (written, error, said) in [
            (
                "127.0.0.1:4150",
                refused("127.0.0.1:4150", libc::EADDRINUSE),
                "listen tcp 127.0.0.1:4150: bind: address already in use",
            ),
            (
                "0.0.0.0:80",
                refused("[::]:80", libc::EACCES),
                "listen tcp 0.0.0.0:80: bind: permission denied",
            ),
            (
                ":4150",
                refused("[::]:4150", libc::EADDRINUSE),
                "listen tcp :4150: bind: address already in use",
            ),
            (
                "[::]:4150",
                refused("[::]:4150", libc::EADDRINUSE),
                "listen tcp [::]:4150: bind: address already in use",
            ),
            (
                "192.0.2.1:1",
                refused("192.0.2.1:1", libc::EADDRNOTAVAIL),
                "listen tcp 192.0.2.1:1: bind: cannot assign requested address",
            ),
            (
                "localhost:4150",
                refused("127.0.0.1:4150", libc::EADDRINUSE),
                "listen tcp 127.0.0.1:4150: bind: address already in use",
            ),
            ("nosuch:1", lookup, "listen tcp: lookup nosuch: no such host"),
            ("/no/s", socket, "listen unix /no/s: bind: no such file or directory"),
        ] {
            let flags = GoValues::from([("tcp-address", GoValue::Text(written.into()))]);
            let listen = Listen::Tcp { host: String::new(), port: 0 };
            let error = StartError::Listen(Place::QueueTcp, listen, error);
            assert_eq!(error.nsqd(&flags), format!("listen ({written}) failed - {said}"));
        }
    }
}
