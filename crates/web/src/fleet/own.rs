//! The queue of this process, asked without a socket.
//!
//! Figures over all topics are given as they are. What is about one topic, and every change, is a request to
//! the queue's HTTP API, which is called as a function: there the pages of the admin port are those of a
//! fleet of one, and a change has one implementation.

use std::pin::Pin;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use http::Link;
use tower_service::Service;

use super::request::{DaemonRequest, unexpected};
use crate::figures::{Count, TopicRow};

/// Limit on an answer, in bytes: statistics of a hundred thousand topics have tens of megabytes.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// The queue of this process.
pub trait OwnQueue: Send + Sync {
    /// Its HTTP API; None if no queue runs.
    fn api(&self) -> Option<Router>;

    /// All topics, by name; None if no queue runs, or it does not answer.
    fn rows(&self) -> OwnAnswer<'_, Vec<TopicRow>>;

    /// Messages of every channel; None as above.
    fn counts(&self) -> OwnAnswer<'_, Vec<Count>>;
}

/// An answer of the queue of this process.
pub type OwnAnswer<'a, T> = Pin<Box<dyn Future<Output = Option<T>> + Send + 'a>>;

/// Sends a request and returns the body of a 200 answer.
pub(super) async fn exchange(queue: &dyn OwnQueue, path: &str, ask: DaemonRequest) -> Result<Bytes, String> {
    let mut api = queue.api().ok_or("no queue runs in this process")?;
    let (method, body) = match ask {
        DaemonRequest::Get => (Method::GET, Bytes::new()),
        DaemonRequest::Post | DaemonRequest::PostFor(_) => (Method::POST, Bytes::new()),
        DaemonRequest::Publish(body) => (Method::POST, body),
        DaemonRequest::Put(body) => (Method::PUT, body),
    };
    let request = Request::builder().method(method).uri(path).extension(Link::of_process());
    let mut request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let Ok(answer) = api.call(request).await;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?;
    if status == StatusCode::OK { Ok(body) } else { Err(unexpected(status, &body)) }
}
