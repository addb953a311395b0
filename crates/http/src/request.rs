//! A request that has found its row, and its client.
//!
//! Handlers get it whole, with the body still to be read; who sent it is known from the connection.

use std::net::IpAddr;
use std::sync::Arc;

use access::User;
use axum::body::Body;
use axum::http::{HeaderMap, Uri};

use crate::answer::HttpRefusal;
use crate::query::Query;

/// The peer of a connection.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// Address and port; `@` for a unix socket.
    pub remote: String,
    /// True if TLS is spoken.
    pub tls: bool,
}

impl Link {
    /// The address without its port; all of a unix socket's clients have the same.
    pub fn host(&self) -> &str {
        self.remote.rsplit_once(':').map_or(&self.remote, |(host, _)| host)
    }

    /// The address by itself; `None` of a unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }
}

/// A request that has found its row.
#[derive(Debug)]
pub struct Asked {
    /// The words that stood for the parts of the path that may be any, in order.
    pub words: Vec<String>,
    /// The client.
    pub link: Link,
    /// Path and query.
    pub uri: Uri,
    /// As sent.
    pub headers: HeaderMap,
    /// Not read yet; see [`crate::Budget::read`].
    pub body: Body,
    /// The user that has logged in; `None` where nobody needs to.
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

    /// The first word, or nothing where the row has none.
    pub fn word(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}
