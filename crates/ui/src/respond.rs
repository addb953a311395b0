//! A page as an HTTP response: its type, its policy, and its `ETag`, so that a page that did not change is
//! not sent again.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use maud::Markup;

/// Nothing inline, nothing from another host, nothing embedded elsewhere.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page; 304 if the browser has it already.
pub fn page(headers: &HeaderMap, page: Markup) -> Response<Body> {
    let page = page.into_string();
    let mut hasher = DefaultHasher::new();
    page.hash(&mut hasher);
    let etag = format!("\"{:016x}\"", hasher.finish());
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut answer = if known {
        with_status(StatusCode::NOT_MODIFIED, String::new())
    } else {
        with_status(StatusCode::OK, page)
    };
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer.headers_mut().insert(ETAG, etag);
    }
    answer
}

/// A page with another status, as after a failed change.
pub fn with_status(status: StatusCode, page: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(page));
    *answer.status_mut() = status;
    for (name, value) in [
        // As nsqadmin has it; the page itself names its charset.
        (CONTENT_TYPE, "text/html"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The redirect after a change, to the page that shows its result.
pub fn see(path: &str) -> Response<Body> {
    let mut answer = with_status(StatusCode::SEE_OTHER, String::new());
    if let Ok(path) = HeaderValue::from_str(path) {
        answer.headers_mut().insert(LOCATION, path);
    }
    answer
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn a_page_that_did_not_change_is_not_sent_again() {
        let first = page(&HeaderMap::new(), html! { p { "a" } });
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(page(&headers, html! { p { "a" } }).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(page(&headers, html! { p { "b" } }).status(), StatusCode::OK);
    }

    #[test]
    fn nothing_inline_is_allowed() {
        assert!(!POLICY.contains("unsafe"));
    }
}
