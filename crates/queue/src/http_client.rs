//! A small HTTP/1.1 client for the control thread: one request, one connection, a limit on everything.
//!
//! It asks authorization servers and nsqlookupds. It follows no redirects and sends no credentials from the URL.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Largest body of an answer, bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// The version of NSQ's HTTP API, as its clients name it.
const ACCEPT_NSQ: &str = "application/vnd.nsq; version=1.0";

/// A client and its limits; the defaults are nsqd's.
#[derive(Debug, Clone)]
pub struct HttpClient {
    /// How long connecting may take (`http-client-connect-timeout`), a TLS handshake included.
    pub connect_timeout: Duration,
    /// How long a request may take once connected (`http-client-request-timeout`), until its last byte.
    pub request_timeout: Duration,
    /// For `https` addresses; without it they fail.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        HttpClient {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            tls: None,
        }
    }
}

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// Not an `http` or `https` address with a host.
    Address,
    /// Connecting failed or took too long.
    Connect(String),
    /// The connection failed, or the answer was no HTTP or too large.
    Request(String),
    /// The answer took too long.
    Timeout,
    /// Another status than 200.
    Status(u16),
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HttpError::Address => f.write_str("bad address"),
            HttpError::Connect(why) => write!(f, "cannot connect: {why}"),
            HttpError::Request(why) => write!(f, "request failed: {why}"),
            HttpError::Timeout => f.write_str("no answer in time"),
            HttpError::Status(status) => write!(f, "got response {status}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl HttpClient {
    /// The body that `url` answers a GET with, if the status is 200.
    pub async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        self.request(Method::GET, url, Bytes::new()).await
    }

    /// The body that `url` answers a POST of this JSON with, if the status is 200.
    pub async fn post_json(&self, url: &str, json: Vec<u8>) -> Result<Bytes, HttpError> {
        self.request(Method::POST, url, Bytes::from(json)).await
    }

    async fn request(&self, method: Method, url: &str, body: Bytes) -> Result<Bytes, HttpError> {
        let uri: Uri = url.parse().map_err(|_| HttpError::Address)?;
        let target = Target::of(&uri).ok_or(HttpError::Address)?;
        let connect = |why: std::io::Error| HttpError::Connect(why.to_string());
        let late = |_| HttpError::Connect(String::from("took too long"));
        let socket = timeout(self.connect_timeout, TcpStream::connect((target.host, target.port)))
            .await
            .map_err(late)?
            .map_err(connect)?;
        let request = Request::builder()
            .method(method)
            .uri(target.path)
            .header(HOST, target.authority)
            .header(ACCEPT, ACCEPT_NSQ)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|_| HttpError::Address)?;
        if !target.tls {
            return self.exchange(socket, request).await;
        }
        let tls = self.tls.clone().ok_or(HttpError::Connect(String::from("no TLS configuration")))?;
        let name = ServerName::try_from(target.host.to_owned()).map_err(|_| HttpError::Address)?;
        let socket =
            timeout(self.connect_timeout, tokio_rustls::TlsConnector::from(tls).connect(name, socket))
                .await
                .map_err(late)?
                .map_err(connect)?;
        self.exchange(socket, request).await
    }

    async fn exchange(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin,
        request: Request<Full<Bytes>>,
    ) -> Result<Bytes, HttpError> {
        let failed = |error: hyper::Error| HttpError::Request(error.to_string());
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(failed)?;
            let answer = async {
                let response = sender.send_request(request).await.map_err(failed)?;
                let status = response.status().as_u16();
                let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
                let body = body.map_err(|error| HttpError::Request(error.to_string()))?.to_bytes();
                if status == 200 { Ok(body) } else { Err(HttpError::Status(status)) }
            };
            tokio::pin!(answer);
            tokio::select! {
                answer = &mut answer => answer,
                // the connection's end may come first; the answer then knows whether it is whole
                _ = connection => answer.await,
            }
        };
        timeout(self.request_timeout, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }
}

/// A URL or address as it may be shown: with `***` for a user and a password before the host, and for the query.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let mark = if scheme.is_empty() { "" } else { "://" };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let place = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, place)| format!("***@{place}"));
    let tail = tail.split_once('?').map_or(tail.to_owned(), |(path, _)| format!("{path}?***"));
    format!("{scheme}{mark}{place}{tail}")
}

/// Where a request goes.
struct Target<'a> {
    tls: bool,
    /// Without brackets.
    host: &'a str,
    port: u16,
    /// For the header.
    authority: &'a str,
    path: &'a str,
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Option<Target<'a>> {
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        let authority = authority.rsplit_once('@').map_or(authority, |(_credentials, place)| place);
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        (!host.is_empty()).then_some(Target { tls, host, port, authority, path })
    }
}

#[cfg(test)]
pub(crate) mod stub;

#[cfg(test)]
mod tests;
