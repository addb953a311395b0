//! A request to a daemon, and the failure that its answer may be.

use axum::http::StatusCode;
use bytes::Bytes;
use config::go_flags::number::quote;

/// Characters shown of a body that is not a valid answer.
const SHOWN_CHARS_MAX: usize = 300;

/// A request to a daemon.
#[derive(Debug, Clone)]
pub enum DaemonRequest {
    /// A GET.
    Get,
    /// A POST without a body.
    Post,
    /// A POST of a message.
    Publish(Bytes),
    /// A PUT of JSON.
    Put(Bytes),
}

/// The failure that an answer with another status is.
pub(super) fn unexpected(status: StatusCode, body: &[u8]) -> String {
    let body: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect();
    let reason = status.canonical_reason().unwrap_or_default();
    format!("got response {} {reason} {}", status.as_str(), quote(&body))
}
