//! Authorization: asks authorization servers over HTTP and keeps their answers.
//!
//! ```text
//! AUTH secret ▸ Authenticator::query ▸ {"ttl", "identity", "authorizations": […]} ▸ Rights ▸ Grant::allows
//! ```
//! Queries run on the control thread; the [`Rights`] go back to the client's shard as a [`Grant`], which is
//! checked at SUB and when publishing, and renewed once it has expired. All rules are nsqd's, including the
//! odd one: to publish, some channel expression has to match the empty string.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;
use telemetry::warn;
use wire::nsq::auth::AuthRequest;

use crate::authority::{Access, AuthAnswer, AuthQuery, Grant};
use http::client::{Client, ClientError, without_secrets};

/// Largest compiled size of an expression from a server, bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Method of the request (`auth-http-request-method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// Parameters in the query string.
    #[default]
    Get,
    /// Parameters as JSON.
    Post,
}

/// The authorization servers.
#[derive(Debug, Clone)]
pub struct Authenticator {
    /// `host:port`, or anything with `://` in it, which is then the whole URL.
    pub servers: Vec<String>,
    /// HTTP method of queries.
    pub method: Method,
    /// HTTP client for queries.
    pub http: Client,
}

/// The reason no authorization server answered for a client. The client always gets "AUTH failed".
#[derive(Debug)]
pub enum AuthError {
    /// No server is configured.
    NoServer,
    /// The server could not be reached, or its status was not 200.
    Http(ClientError),
    /// The answer is not the expected JSON.
    Json(serde_json::Error),
    /// The answer's ttl is zero or less.
    Ttl(i64),
    /// The answer has a permission other than `subscribe` and `publish`.
    Permission(String),
    /// The answer has an expression that cannot be compiled.
    Regex(regex::Error),
}

impl std::fmt::Display for AuthError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AuthError::NoServer => f.write_str("no authorization server"),
            AuthError::Http(error) => error.fmt(f),
            AuthError::Json(error) => write!(f, "invalid response: {error}"),
            AuthError::Ttl(ttl) => write!(f, "invalid ttl {ttl}"),
            AuthError::Permission(what) => write!(f, "unknown permission {what}"),
            AuthError::Regex(error) => write!(f, "invalid regular expression: {error}"),
        }
    }
}

impl std::error::Error for AuthError {}

impl Authenticator {
    /// Answers a shard's request.
    pub async fn answer(&self, query: AuthQuery) -> AuthAnswer {
        let AuthQuery { remote_ip, tls, common_name, secret } = query;
        match self.query(&AuthRequest { common_name, remote_ip, secret, tls }).await {
            Ok(rights) => Ok(Box::new(rights)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Queries the servers, starting with a random one, until one gives a usable answer. Returns the last
    /// one's error if none does.
    pub async fn query(&self, request: &AuthRequest) -> Result<Rights, AuthError> {
        let count = self.servers.len();
        let start = any_number() % count.max(1);
        let mut last = AuthError::NoServer;
        for server in self.servers.iter().cycle().skip(start).take(count) {
            match self.query_one(server, request).await {
                Ok(rights) => return Ok(rights),
                Err(error) => {
                    warn!(server = %without_secrets(server), %error, "authorization failed");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn query_one(&self, server: &str, request: &AuthRequest) -> Result<Rights, AuthError> {
        let mut url =
            if server.contains("://") { server.to_owned() } else { format!("http://{server}/auth") };
        let mut text = Vec::new();
        let answer = match self.method {
            Method::Get => {
                request.write_query(&mut text);
                url.push('?');
                url.push_str(&String::from_utf8_lossy(&text));
                self.http.get(&url).await
            }
            Method::Post => {
                request.write_json(&mut text);
                self.http.post_json(&url, text).await
            }
        };
        Rights::parse(&answer.map_err(AuthError::Http)?)
    }
}

/// A number random enough to spread clients over servers.
fn any_number() -> usize {
    RandomState::new().build_hasher().finish() as usize
}

/// The answer as received.
#[derive(Deserialize)]
struct Written {
    ttl: Option<i64>,
    identity: Option<String>,
    identity_url: Option<String>,
    authorizations: Option<Vec<WrittenEntry>>,
}

#[derive(Deserialize)]
struct WrittenEntry {
    topic: Option<String>,
    channels: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

/// Rights of a client, and how long they are valid.
#[derive(Debug, Clone)]
pub struct Rights {
    ttl: Duration,
    identity: String,
    identity_url: String,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    topic: Regex,
    channels: Vec<Regex>,
    subscribe: bool,
    publish: bool,
}

impl Rights {
    /// Reads a server's answer.
    pub fn parse(body: &[u8]) -> Result<Rights, AuthError> {
        let written: Value = serde_json::from_slice(body).map_err(AuthError::Json)?;
        let written: Written = serde_json::from_value(lowered(written)).map_err(AuthError::Json)?;
        let entries = written.authorizations.unwrap_or_default().into_iter().map(Entry::new);
        let entries = entries.collect::<Result<_, _>>()?;
        let ttl = written.ttl.unwrap_or(0);
        let seconds = u64::try_from(ttl).ok().filter(|seconds| *seconds > 0).ok_or(AuthError::Ttl(ttl))?;
        Ok(Rights {
            ttl: Duration::from_secs(seconds),
            identity: written.identity.unwrap_or_default(),
            identity_url: written.identity_url.unwrap_or_default(),
            entries,
        })
    }
}

/// A copy with the keys of all objects in lower case: Go matches keys whatever their case.
fn lowered(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), lowered(value))).collect()
        }
        Value::Array(list) => list.into_iter().map(lowered).collect(),
        value => value,
    }
}

impl Grant for Rights {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn identity_url(&self) -> &str {
        &self.identity_url
    }

    fn permission_count(&self) -> usize {
        self.entries.len()
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    fn allows(&self, access: Access, topic: &str, channel: &str) -> bool {
        self.entries.iter().any(|entry| entry.permits(access) && entry.covers(topic, channel))
    }
}

impl Entry {
    fn new(written: WrittenEntry) -> Result<Entry, AuthError> {
        let permissions = written.permissions.unwrap_or_default();
        if let Some(unknown) =
            permissions.iter().find(|name| !matches!(name.as_str(), "subscribe" | "publish"))
        {
            return Err(AuthError::Permission(unknown.clone()));
        }
        let has = |name| permissions.iter().any(|permission| permission == name);
        let channels = written.channels.unwrap_or_default();
        Ok(Entry {
            topic: compile(&written.topic.unwrap_or_default())?,
            channels: channels.iter().map(|channel| compile(channel)).collect::<Result<_, _>>()?,
            subscribe: has("subscribe"),
            publish: has("publish"),
        })
    }

    fn permits(&self, access: Access) -> bool {
        match access {
            Access::Subscribe => self.subscribe,
            Access::Publish => self.publish,
        }
    }

    /// True if this is allowed. Expressions match anywhere in a name unless anchored.
    fn covers(&self, topic: &str, channel: &str) -> bool {
        self.topic.is_match(topic) && self.channels.iter().any(|expression| expression.is_match(channel))
    }
}

fn compile(expression: &str) -> Result<Regex, AuthError> {
    RegexBuilder::new(expression).size_limit(REGEX_BYTES_MAX).build().map_err(AuthError::Regex)
}

#[cfg(test)]
mod tests;
