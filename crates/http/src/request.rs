//! A routed request and its client.
//!
//! Handlers get it with the body still unread; its sender is known from the connection.

use std::net::IpAddr;
use std::sync::Arc;

use access::User;
use axum::body::Body;
use axum::http::{HeaderMap, Uri};

use crate::answer::HttpRefusal;
use crate::caller::Caller;
use crate::query::Query;

/// The peer of a connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Address and port; `@` for a unix socket.
    pub remote: String,
    /// True for TLS.
    pub tls: bool,
    /// The peer as logins see it.
    pub caller: Caller,
    /// True for a request of this process itself, which has checked its user.
    pub own: bool,
}

impl Link {
    /// The link of requests that this process makes without a socket. They need no login here.
    pub fn of_process() -> Link {
        Link { own: true, ..Link::new("process", true) }
    }

    /// The peer with this address.
    pub fn new(remote: impl Into<String>, tls: bool) -> Link {
        let mut link = Link { remote: remote.into(), tls, caller: Caller::default(), own: false };
        link.caller.ip = link.host().trim_matches(['[', ']']).parse().ok();
        link
    }

    /// The address without its port; identical for all clients of a unix socket.
    pub fn host(&self) -> &str {
        self.remote.rsplit_once(':').map_or(&self.remote, |(host, _)| host)
    }

    /// The IP address; `None` for a unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.caller.ip
    }
}

/// A routed request.
#[derive(Debug)]
pub struct Asked {
    /// The words matched by the row's `:` parts, in order.
    pub words: Vec<String>,
    /// The client.
    pub link: Link,
    /// Path and query.
    pub uri: Uri,
    /// As sent.
    pub headers: HeaderMap,
    /// The unread body; see [`crate::Budget::read`].
    pub body: Body,
    /// The logged-in user; `None` where no login is needed.
    pub user: Option<Arc<User>>,
}

impl Asked {
    /// The query string.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST` if it is malformed.
    pub fn query(&self) -> Result<Query, HttpRefusal> {
        Query::parse(self.uri.query().unwrap_or_default()).map_err(|_| HttpRefusal::bad("INVALID_REQUEST"))
    }

    /// The first matched word, or an empty text if the row has none.
    pub fn word(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}
