//! The files that every page loads: style, script and icon.
//!
//! Their addresses carry a hash of the content, so browsers may keep them and still get a new version's.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/script.js");
const ICON: &str = include_str!("assets/icon.svg");

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (STYLE, SCRIPT, ICON).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// Address of a file below the base path.
pub(crate) fn address(base: &str, name: &str) -> String {
    format!("{base}/static/{name}?v={}", *VERSION)
}

/// Answers a request for the file `name`; None if there is none.
pub fn answer(name: &str) -> Option<Response<Body>> {
    let (content, content_type) = match name {
        "style.css" => (STYLE, "text/css; charset=utf-8"),
        "script.js" => (SCRIPT, "text/javascript; charset=utf-8"),
        "icon.svg" => (ICON, "image/svg+xml"),
        _ => return None,
    };
    let mut answer = Response::new(Body::from(content));
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "public, max-age=86400"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(answer)
}
