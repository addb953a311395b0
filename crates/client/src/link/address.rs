//! Addresses of nsqds: host and port, or the path of a unix socket.

use std::fmt;
use std::path::PathBuf;

use wire::url::host_port;

/// Address of an nsqd.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum NodeAddress {
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

impl NodeAddress {
    /// Parses `HOST:PORT`, `[IPV6]:PORT` or a path. An empty host is this machine.
    pub(crate) fn parse(text: &str) -> Option<NodeAddress> {
        if text.contains('/') {
            return Some(NodeAddress::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) => host,
            None if host.contains(':') => return None,
            None if host.is_empty() => "127.0.0.1",
            None => host,
        };
        Some(NodeAddress::Tcp { host: host.to_owned(), port: port.parse().ok().filter(|port| *port != 0)? })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeAddress::Tcp { host, port } => f.write_str(&host_port(host, port)),
            NodeAddress::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_read() {
        for text in ["127.0.0.1:4150", "node.example:1", "[::1]:65535", "/run/nsqd.sock", "./s"] {
            assert_eq!(NodeAddress::parse(text).map(|address| address.to_string()).as_deref(), Some(text));
        }
        assert_eq!(NodeAddress::parse(":4150").unwrap().to_string(), "127.0.0.1:4150");
        for bad in ["", "host", "host:", "host:0", "host:65536", "::1:4150", "host:x"] {
            assert_eq!(NodeAddress::parse(bad), None, "{bad}");
        }
    }
}
