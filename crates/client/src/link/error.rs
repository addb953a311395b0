//! Errors of a connection.

use std::fmt;

/// The reason a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// Nobody listens, or the host cannot be reached.
    Dial(String),
    /// A timeout in this step.
    Late(&'static str),
    /// The server closed it.
    Closed,
    /// Another error of the system.
    Io(String),
    /// TLS or a compression failed.
    Layer(String),
    /// The peer does not speak NSQ, or violates its protocol.
    Protocol(String),
    /// A frame over `max_frame_size`, or malformed.
    Frame(usize),
    /// An error frame of the server.
    Server(String),
    /// TLS was requested and not granted.
    NoTls,
    /// The server requires AUTH, and no `auth_secret` is set.
    NoSecret,
}

impl LinkError {
    pub(crate) fn server(data: &[u8]) -> LinkError {
        const SHOWN_BYTES_MAX: usize = 1_024;
        let text = String::from_utf8_lossy(&data[..data.len().min(SHOWN_BYTES_MAX)]);
        // the text goes to logs and terminals
        LinkError::Server(text.replace(char::is_control, "\u{fffd}"))
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Dial(why) => write!(f, "cannot connect: {why}"),
            LinkError::Late(what) => write!(f, "{what} took too long"),
            LinkError::Closed => f.write_str("the server closed the connection"),
            LinkError::Io(why) => write!(f, "connection lost: {why}"),
            LinkError::Layer(why) => f.write_str(why),
            LinkError::Protocol(what) => write!(f, "protocol violated: {what}"),
            LinkError::Frame(max) => {
                write!(f, "protocol violated: not a frame of at most {max} bytes (see max_frame_size)")
            }
            LinkError::Server(text) => f.write_str(text),
            LinkError::NoTls => {
                f.write_str("the server does not offer TLS: it has no certificate, or take tls_v1 out")
            }
            LinkError::NoSecret => f.write_str("the server requires authorization: set auth_secret"),
        }
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_shown_without_control_characters() {
        let shown = |data: &[u8]| LinkError::server(data).to_string();
        assert_eq!(shown(b"E_BAD_TOPIC PUB topic"), "E_BAD_TOPIC PUB topic");
        assert_eq!(shown(b"E_X \x1b[2J\nfake line\xff"), "E_X \u{fffd}[2J\u{fffd}fake line\u{fffd}");
        assert_eq!(shown(&[b'x'; 5_000]).len(), 1_024);
    }
}
