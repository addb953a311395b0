//! A request to a daemon, and the failure that its answer may be.

use axum::http::StatusCode;
use bytes::Bytes;
use config::go_flags::number::quote;

/// Characters shown of a body that is not a valid answer.
const SHOWN_CHARS_MAX: usize = 300;
/// Begin of the failure.
const UNEXPECTED: &str = "got response";

/// A request to a daemon.
#[derive(Debug, Clone)]
pub enum DaemonRequest {
    /// A GET.
    Get,
    /// A POST without a body.
    Post,
    /// A POST to an admin port, for a client of another machine, if one is named.
    PostFor(Option<String>),
    /// A POST of a message.
    Publish(Bytes),
    /// A PUT of JSON.
    Put(Bytes),
}

/// The failure that an answer with another status is.
pub(super) fn unexpected(status: StatusCode, body: &[u8]) -> String {
    let body: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect();
    let reason = status.canonical_reason().unwrap_or_default();
    format!("{UNEXPECTED} {} {reason} {}", status.as_str(), quote(&body))
}

/// True if that failure says that the daemon has no such path.
pub(super) fn is_missing(failure: &str) -> bool {
    failure.strip_prefix(UNEXPECTED).is_some_and(|rest| rest.starts_with(" 404 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_daemon_does_not_have() {
        assert!(is_missing(&unexpected(StatusCode::NOT_FOUND, b"{\"message\":\"NOT_FOUND\"}")));
        assert!(!is_missing(&unexpected(StatusCode::FORBIDDEN, b" 404 ")));
        assert!(!is_missing("dial tcp: 404 "));
    }
}
