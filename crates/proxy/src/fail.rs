//! Reasons that a request gets an error instead of a reply, and their texts.
//!
//! The texts of the first group are nutcracker's (`strerror` of glibc), since log parsers and clients know
//! them; the others are for cases that nutcracker does not have.

use config::checked::Protocol;
use net::{Fault, LayerFault};

/// The reason a request got no reply from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server refused the connection, or all servers are ejected.
    Refused,
    /// The server reset the connection.
    Reset,
    /// The request's deadline passed, or connecting took too long.
    TimedOut,
    /// The server has failed, and a new connection to it has not answered yet.
    Unproven,
    /// The server closed the connection before it replied.
    Closed,
    /// The server's name cannot be resolved.
    Unresolved,
    /// TLS towards the server failed.
    Layer(LayerFault),
    /// The server answered in TLS, which the pool does not use towards it.
    SpeaksTls,
    /// The server's answer was no reply to the request.
    Garbage,
    /// Any other error of the operating system.
    Os(i32),
    /// The server's queue is full.
    Overloaded,
    /// All private connections to the server are in use.
    NoPrivate,
    /// The server did not accept the pool's password.
    Password,
    /// The server does not know HELLO 3. Clients of RESP2 can still use it.
    Version,
    /// The server has no such database.
    Database,
    /// No Sentinel has named the master yet.
    Unnamed,
    /// The server is not a master, or does not say what it is.
    Demoted,
    /// Sentinels have named another master in its place.
    Replaced,
    /// The reply needs too much memory to be held until its client's turn.
    TooLarge,
    /// The server was taken out of its pool.
    Removed,
    /// The node did not answer, and another has taken its place.
    Superseded,
    /// No node of the cluster served the key's slot before the deadline.
    Unserved,
    /// Nodes of the cluster sent the request from one to another until its deadline.
    Redirected,
    /// Its user is over its request limit.
    UserLimit,
    /// The pool is over its request limit.
    PoolLimit,
}

/// First bytes of a TLS alert; no reply begins with them.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

impl Failure {
    pub(crate) fn of(fault: Fault) -> Failure {
        match fault {
            Fault::Refused => Failure::Refused,
            Fault::Reset => Failure::Reset,
            Fault::Unresolved => Failure::Unresolved,
            Fault::ConnectTimeout => Failure::TimedOut,
            Fault::Layer(fault) => Failure::Layer(fault),
            Fault::Os(errno) => Failure::Os(errno),
        }
    }

    /// True if the cause is this process, such as a lack of file descriptors, and not the server.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Failure::Os(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
    }

    /// True if requests lost this way may be resent on another connection.
    pub(crate) fn lets_repeat(self) -> bool {
        !matches!(self, Failure::TimedOut | Failure::Removed) && !self.is_handshake()
    }

    /// True if the connection never took a request.
    pub(crate) fn shows_no_request_was_sent(self) -> bool {
        let by_kind = matches!(
            self,
            Failure::Refused
                | Failure::Unproven
                | Failure::Unresolved
                | Failure::Layer(_)
                | Failure::SpeaksTls
                | Failure::Overloaded
        );
        by_kind || self.is_handshake()
    }

    /// True if the server answered the handshake with an error: another connection would get the same.
    pub(crate) fn is_handshake(self) -> bool {
        matches!(self, Failure::Password | Failure::Version | Failure::Database | Failure::Demoted)
    }

    /// Failure of a connection whose server sent `bytes` instead of a reply.
    pub(crate) fn of_reply(bytes: &[u8]) -> Failure {
        if bytes.starts_with(&TLS_ALERT) { Failure::SpeaksTls } else { Failure::Garbage }
    }

    pub(crate) fn text(self) -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed(match self {
            Failure::Refused => "Connection refused",
            Failure::Reset => "Connection reset by peer",
            Failure::TimedOut => "Connection timed out",
            Failure::Unproven => "the server has failed, and a new connection to it has not answered yet",
            Failure::Closed => "unknown",
            Failure::Unresolved => "Host is down",
            Failure::SpeaksTls => "the server speaks TLS, which the pool does not (server_tls)",
            Failure::Garbage => "Invalid argument",
            Failure::Os(errno) => return std::borrow::Cow::Owned(os_text(errno)),
            Failure::Layer(fault) => return std::borrow::Cow::Owned(format!("the server {fault}")),
            Failure::Overloaded => "too many requests wait for this server (server_queue_max)",
            Failure::TooLarge => {
                "the reply is too large to wait for its turn (memory_budget): ask for it alone"
            }
            Failure::Unnamed => "no Sentinel has named the master yet",
            Failure::Demoted => "the server is not a master, and the Sentinels are asked for another",
            Failure::Replaced => {
                "the master was replaced by another, and the request may or may not have been executed"
            }
            Failure::Removed => "the server was removed from the pool",
            Failure::Superseded => "the node did not answer before another took its place",
            Failure::Unserved => "no node is known that serves this key's slot",
            Failure::Redirected => {
                "the nodes redirected the request until its deadline, and none has executed it"
            }
            Failure::UserLimit => {
                "too many requests: limit_requests of this user is reached, try again later"
            }
            Failure::PoolLimit => {
                "too many requests: limit_requests of this pool is reached, try again later"
            }
            Failure::NoPrivate => {
                "all connections to this server for single clients are in use (private_connections): try again later"
            }
            Failure::Password => "the server did not accept the pool's password",
            Failure::Version => "the server does not speak RESP3 (HELLO 3)",
            Failure::Database => "the server did not accept the pool's database",
        })
    }

    /// The reason for the log, more precise than nutcracker's text where needed.
    pub(crate) fn reason(self) -> String {
        match self {
            Failure::Closed => "the server closed the connection".into(),
            Failure::Unresolved => "its name cannot be resolved".into(),
            Failure::Garbage => "it answered something that is no reply to what it was asked".into(),
            Failure::TooLarge => "its reply held more memory than there was (memory_budget)".into(),
            other => other.text().into_owned(),
        }
    }

    /// Writes the whole error reply.
    pub(crate) fn write(self, protocol: Protocol, out: &mut Vec<u8>) {
        out.extend_from_slice(match (protocol, self) {
            // The code of Redis for a missing password, which clients know.
            (Protocol::Redis, Failure::Password) => b"-NOAUTH ",
            (Protocol::Redis, Failure::Unserved | Failure::Redirected) => b"-CLUSTERDOWN ",
            (Protocol::Redis, _) => b"-ERR ",
            (Protocol::Memcache, _) => b"SERVER_ERROR ",
        });
        out.extend_from_slice(self.text().as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn reply(self, protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(protocol, &mut out);
        out
    }
}

/// The error for a client above `client_connections`.
pub(crate) fn too_many_clients(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Redis => b"-ERR max number of clients reached\r\n",
        Protocol::Memcache => b"SERVER_ERROR too many open connections\r\n",
    }
}

/// The error for clients of a pool that was removed.
pub(crate) fn pool_removed(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Redis => b"-ERR pool removed from the configuration\r\n",
        Protocol::Memcache => b"SERVER_ERROR pool removed from the configuration\r\n",
    }
}

/// The error for clients whose user was removed.
pub(crate) fn user_removed(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Redis => b"-ERR user removed from the configuration\r\n",
        Protocol::Memcache => b"SERVER_ERROR user removed from the configuration\r\n",
    }
}

/// The C library's text for an error number, as nutcracker prints it.
fn os_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_clients_see() {
        let cases = [
            (Failure::Refused, "Connection refused"),
            (Failure::Reset, "Connection reset by peer"),
            (Failure::TimedOut, "Connection timed out"),
            (Failure::Closed, "unknown"),
            (Failure::Unresolved, "Host is down"),
            (Failure::Garbage, "Invalid argument"),
            (Failure::Os(libc::ENOENT), "No such file or directory"),
            (
                Failure::of_reply(b"\x15\x03\x01\0\x02\x02\x46"),
                "the server speaks TLS, which the pool does not (server_tls)",
            ),
            (Failure::of_reply(b"\x15"), "Invalid argument"),
            (Failure::Layer(LayerFault::PlainText), "the server speaks plain text, not TLS"),
        ];
        for (failure, text) in cases {
            assert_eq!(failure.reply(Protocol::Redis), format!("-ERR {text}\r\n").into_bytes());
            assert_eq!(failure.reply(Protocol::Memcache), format!("SERVER_ERROR {text}\r\n").into_bytes());
        }
        let password = b"-NOAUTH the server did not accept the pool's password\r\n";
        assert_eq!(Failure::Password.reply(Protocol::Redis), password);
    }
}
