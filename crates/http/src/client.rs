//! The client of the control thread: HTTP/1.1 over pooled connections, with a limit on everything.
//!
//! ```text
//! Call ▸ pool (hyper-util) ▸ connector (name, socket, TLS; connect deadline) ▸ request deadline ▸ body (limit, account) ▸ Reply
//! ```
//! It asks authorization servers, nsqlookupds, nsqds, graphite, and whoever is to be notified. Every part of
//! an answer has a limit: the time until its last byte, the size of its head and of its body, and what all
//! bodies hold together. It follows no redirects. Credentials of a URL are sent only if the call says so.
//!
//! Connections are kept for a few seconds: less long than any server of ours keeps them, so that a request
//! hardly ever meets one that is about to close. If it does before anything was sent, it is sent again on a
//! new one.

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
pub use self::url::{endpoint, host_port, without_secrets};
use crate::account::{Account, Charge};

/// Content type of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Content type of a form.
pub const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// The version of NSQ's HTTP API, as its clients name it.
const ACCEPT_NSQ: HeaderValue = HeaderValue::from_static("application/vnd.nsq; version=1.0");

/// Time an idle connection is kept.
const IDLE: Duration = Duration::from_secs(10);
/// Idle connections to one server.
const IDLE_MAX: usize = 4;
/// Bytes that bodies of answers may hold together; those of one server half of it.
const TOTAL_BYTES_MAX: usize = 256 << 20;
/// Largest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Deadline in place of zero, which means none to the programs whose flags say it.
const LONGEST: Duration = Duration::from_mins(1);

/// Limits of a client.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time to connect (`http-client-connect-timeout`), a TLS handshake included. Zero is a minute.
    pub connect_timeout: Duration,
    /// Time for a whole exchange (`http-client-request-timeout`), until its last byte. Zero is a minute.
    pub request_timeout: Duration,
    /// Largest body of an answer, bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    /// nsqd's times, and a body of 4 MiB.
    fn default() -> Limits {
        Limits {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            body_bytes_max: 4 << 20,
        }
    }
}

/// The client; clones share its connections. It must be used within a tokio runtime, and is made outside as
/// well.
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
#[derive(Debug, Clone)]
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
    /// Its body, whole.
    pub body: Bytes,
    /// The body's share of the account.
    _charge: Charge,
}

impl Call {
    /// A GET without any header of its own.
    pub fn get(url: impl Into<String>) -> Call {
        Call {
            method: Method::GET,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            credentials: false,
        }
    }

    /// A POST of a body of this content type.
    pub fn post(url: impl Into<String>, kind: HeaderValue, body: impl Into<Bytes>) -> Call {
        let call = Call::get(url).header(CONTENT_TYPE, kind);
        Call { method: Method::POST, body: body.into(), ..call }
    }

    /// A POST of bytes whose content type is a header of its own, or not said.
    pub fn post_bytes(url: impl Into<String>, body: impl Into<Bytes>) -> Call {
        Call { method: Method::POST, body: body.into(), ..Call::get(url) }
    }

    /// A POST without a body.
    pub fn post_nothing(url: impl Into<String>) -> Call {
        Call { method: Method::POST, ..Call::get(url) }
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Call {
        self.headers.insert(name, value);
        self
    }

    /// Speaking of NSQ's API, as all clients of NSQ's daemons do.
    #[must_use]
    pub fn nsq(self) -> Call {
        self.header(ACCEPT, ACCEPT_NSQ)
    }

    /// With a token as credentials (`Authorization: Bearer`). One that no header can carry is left out.
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

    /// With the user and the password that the URL names, if it does.
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

    /// A client that keeps so many idle connections to one server: as many as it has requests under way.
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

    /// Sends a request and reads its answer whole.
    ///
    /// # Errors
    /// The reason there is no answer. The request may have arrived all the same, but for
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

    /// Sends a request and reads its answer for the status only. What the body says does not matter, nor
    /// whether it ever ends or is too large: then the connection is not used again.
    ///
    /// # Errors
    /// As [`Client::send`], until the status is there.
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

    /// The body of a GET in NSQ's manner that is answered with 200.
    ///
    /// # Errors
    /// As [`Client::send`], and [`ClientError::Status`] for another status.
    pub async fn get(&self, url: &str) -> Result<Bytes, ClientError> {
        self.send(Call::get(url).nsq()).await?.success()
    }

    /// The body of a POST of JSON in NSQ's manner that is answered with 200.
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
