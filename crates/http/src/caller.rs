//! A connection as logins see it: its address, the names in its certificate, and the user that it counts for.
//!
//! The connection counts for the user of its last request until it ends (`limit_connections`), like a
//! connection to a pool or to the queue.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use access::{Connected, User};

/// A connection's client; clones stand for the same connection.
#[derive(Clone, Default)]
pub struct Caller {
    /// Its address; `None` on a unix socket.
    pub ip: Option<IpAddr>,
    /// Names in its certificate, if that was verified.
    pub names: Arc<[String]>,
    counted: Arc<Mutex<Option<Counted>>>,
}

/// The user that a connection counts for.
struct Counted {
    name: String,
    _connected: Connected,
}

impl Caller {
    /// The client of a new connection, without a certificate.
    pub fn new(ip: Option<IpAddr>) -> Caller {
        Caller { ip, ..Caller::default() }
    }

    /// The client with the names in its verified certificate.
    #[must_use]
    pub fn with_names(self, names: Arc<[String]>) -> Caller {
        Caller { names, ..self }
    }

    /// Counts the connection for this user; false at the user's limit.
    pub(crate) fn counts_for(&self, user: &User) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.as_ref().is_some_and(|counted| counted.name == user.name()) {
            return true;
        }
        *counted = None;
        *counted =
            user.connect().map(|connected| Counted { name: user.name().into(), _connected: connected });
        counted.is_some()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("ip", &self.ip).field("names", &self.names).finish_non_exhaustive()
    }
}
