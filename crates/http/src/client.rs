//! The control thread's HTTP/1.1 client: pooled connections, limits on everything.
//!
//! ```text
//! Call ▸ pool (hyper-util) ▸ connector (name, socket, TLS; connect deadline) ▸ request deadline ▸ body (limit, account) ▸ Reply
//! ```
//! It queries authorization servers, nsqlookupds, nsqds, graphite and notification endpoints. Answers are
//! limited in time, in the size of head and body, and in the memory of all bodies together. It follows no
//! redirects. It sends a URL's credentials only if the call requests that.
//!
//! Connections are kept for a few seconds, less than any of our servers keeps them, so that a request hardly
//! ever meets a closing one. If it does, and nothing was sent, it is retried on a new connection.

mod connector;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod stub;
#[cfg(test)]
mod tests;
mod url;

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};

use self::connector::Connector;
pub use self::error::ClientError;
use self::url::Target;
pub use self::url::endpoint;
pub use wire::url::{host_port, without_secrets};

use crate::account::{Account, Charge};

/// Content type of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Content type of a form.
pub const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// Version of NSQ's HTTP API, as its clients send it.
const ACCEPT_NSQ: HeaderValue = HeaderValue::from_static("application/vnd.nsq; version=1.0");

/// Longest time that an idle connection is kept.
const IDLE: Duration = Duration::from_secs(10);
/// Most idle connections to one server.
const IDLE_MAX: usize = 4;
/// Limit on all answer bodies together; one server gets half of it.
const TOTAL_BYTES_MAX: usize = 256 << 20;
/// Largest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Deadline in place of zero, which means no deadline in the flags of other programs.
const LONGEST: Duration = Duration::from_mins(1);

/// Limits of a client.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connect timeout (`http-client-connect-timeout`), including the TLS handshake. Zero means one minute.
    pub connect_timeout: Duration,
    /// Timeout of a whole exchange (`http-client-request-timeout`), to its last byte. Zero means one minute.
    pub request_timeout: Duration,
    /// Largest body of an answer, in bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    /// nsqd's timeouts, and bodies up to 4 MiB.
    fn default() -> Limits {
        Limits {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            body_bytes_max: 4 << 20,
        }
    }
}

/// The client; clones share its connections. Its requests need a tokio runtime, its construction does not.
#[derive(Clone)]
pub struct Client {
    pool: legacy::Client<Connector, Full<Bytes>>,
    account: Arc<Account>,
    limits: Limits,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client {{ {:?} }}", self.limits)
    }
}

/// A request.
#[derive(Clone)]
pub struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    credentials: bool,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// As sent.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The body's charge to the account.
    _charge: Charge,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call {{ {} {} }}", self.method, without_secrets(&self.url))
    }
}

impl Call {
    /// A GET without extra headers.
    pub fn get(url: impl Into<String>) -> Call {
        Call {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            credentials: false,
        }
    }

    /// A POST with a body of this content type.
    pub fn post(url: impl Into<String>, kind: HeaderValue, body: impl Into<Bytes>) -> Call {
        let call = Call::get(url).header(CONTENT_TYPE, kind);
        Call { method: Method::POST, body: body.into(), ..call }
    }

    /// A PUT with a body of this content type.
    pub fn put(url: impl Into<String>, kind: HeaderValue, body: impl Into<Bytes>) -> Call {
        Call { method: Method::PUT, ..Call::post(url, kind, body) }
    }

    /// A POST whose content type is an extra header, or absent.
    pub fn post_bytes(url: impl Into<String>, body: impl Into<Bytes>) -> Call {
        Call { method: Method::POST, body: body.into(), ..Call::get(url) }
    }

    /// A POST without a body.
    pub fn post_nothing(url: impl Into<String>) -> Call {
        Call { method: Method::POST, ..Call::get(url) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Call {
        self.headers.insert(name, value);
        self
    }

    /// Adds the version of NSQ's API, as all clients of NSQ's daemons do.
    #[must_use]
    pub fn nsq(self) -> Call {
        self.header(ACCEPT, ACCEPT_NSQ)
    }

    /// Adds a token as `Authorization: Bearer`. Leaves out one that no header can carry.
    #[must_use]
    pub fn bearer(self, token: &str) -> Call {
        match HeaderValue::from_str(&format!("Bearer {token}")) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.header(AUTHORIZATION, value)
            }
            Err(_) => self,
        }
    }

    /// Adds the user and password from the URL, if it has any.
    #[must_use]
    pub fn with_credentials(self) -> Call {
        Call { credentials: true, ..self }
    }

    fn request(self, target: &Target) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder().method(self.method).uri(target.uri.clone());
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers;
            if let Some(basic) = target.basic.clone().filter(|_| self.credentials) {
                headers.insert(AUTHORIZATION, basic);
            }
        }
        request.body(Full::new(self.body)).map_err(|_| ClientError::Address)
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new(Limits::default(), None)
    }
}

impl Client {
    /// A client; without `tls` it fails for `https` addresses.
    pub fn new(limits: Limits, tls: Option<Arc<rustls::ClientConfig>>) -> Client {
        Client::keeping(limits, tls, IDLE_MAX)
    }

    /// A client that keeps at most `idle_max` idle connections per server: its number of concurrent requests.
    pub fn keeping(limits: Limits, tls: Option<Arc<rustls::ClientConfig>>, idle_max: usize) -> Client {
        let given = |time: Duration| if time.is_zero() { LONGEST } else { time };
        let limits = Limits {
            connect_timeout: given(limits.connect_timeout),
            request_timeout: given(limits.request_timeout),
            ..limits
        };
        let connector = Connector::new(limits.connect_timeout, tls);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle_max)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Client { pool, account: Account::new(TOTAL_BYTES_MAX), limits }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The reason there is no answer. The request may have arrived nevertheless, except for
    /// [`ClientError::Address`] and [`ClientError::Connect`].
    pub async fn send(&self, call: Call) -> Result<Reply, ClientError> {
        let target = Target::of(&call.url)?;
        let request = call.request(&target)?;
        let exchange = async {
            let answer = self.pool.request(request).await.map_err(|error| ClientError::of(&error))?;
            let (parts, body) = answer.into_parts();
            let (body, charge) = self.collect(&target.host, body).await?;
            Ok(Reply { status: parts.status, headers: parts.headers, body, _charge: charge })
        };
        timeout(self.limits.request_timeout, exchange).await.unwrap_or(Err(ClientError::Timeout))
    }

    /// Sends a request and returns only the status. The body is ignored; if it is endless or too large, the
    /// connection is not reused.
    ///
    /// # Errors
    /// As [`Client::send`], until the status has arrived.
    pub async fn status(&self, call: Call) -> Result<StatusCode, ClientError> {
        let target = Target::of(&call.url)?;
        let request = call.request(&target)?;
        let deadline = Instant::now() + self.limits.request_timeout;
        let answer = timeout_at(deadline, self.pool.request(request)).await;
        let answer = answer.map_err(|_| ClientError::Timeout)?.map_err(|error| ClientError::of(&error))?;
        let (parts, mut body) = answer.into_parts();
        let rest = async {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await
                && read <= self.limits.body_bytes_max
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        let _ = timeout_at(deadline, rest).await;
        Ok(parts.status)
    }

    /// Sends an NSQ-style GET and returns the body of a 200 answer.
    ///
    /// # Errors
    /// As [`Client::send`], and [`ClientError::Status`] for another status.
    pub async fn get(&self, url: &str) -> Result<Bytes, ClientError> {
        self.send(Call::get(url).nsq()).await?.success()
    }

    /// Sends an NSQ-style POST of JSON and returns the body of a 200 answer.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post_json(&self, url: &str, json: Vec<u8>) -> Result<Bytes, ClientError> {
        self.send(Call::post(url, JSON, json).nsq()).await?.success()
    }

    async fn collect(&self, from: &str, mut body: Incoming) -> Result<(Bytes, Charge), ClientError> {
        let mut charge = self.account.open(from);
        let mut all = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| ClientError::of(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = all.len().saturating_add(data.len());
            if length > self.limits.body_bytes_max {
                return Err(ClientError::TooLarge(self.limits.body_bytes_max));
            }
            if length > all.capacity() {
                let capacity = all.capacity().saturating_mul(2).clamp(length, self.limits.body_bytes_max);
                charge.grow_to(capacity).map_err(|_| ClientError::Busy)?;
                all.reserve_exact(capacity - all.len());
            }
            all.extend_from_slice(&data);
        }
        Ok((all.into(), charge))
    }
}

impl Reply {
    fn success(self) -> Result<Bytes, ClientError> {
        if self.status == StatusCode::OK {
            Ok(self.body)
        } else {
            Err(ClientError::Status(self.status.as_u16()))
        }
    }
}
