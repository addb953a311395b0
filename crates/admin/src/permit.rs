//! Users at the admin port: `admin = "view"` sees pages, metrics and status, `operate` may also act.
//!
//! Health stays open: orchestrators have no password. If no user has a right here, everything is open.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use http::{Caller, LoginDesk, Right};

/// Admits a request if its user may send it.
pub(crate) async fn permit(
    State(desk): State<Option<Arc<LoginDesk>>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(desk) = desk.filter(|desk| desk.has_operators()) {
        let right = right(request.method(), request.uri().path());
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        if let Err(refusal) = desk.permit(right, request.headers(), &caller).await {
            return refusal.answer();
        }
    }
    next.run(request).await
}

fn right(method: &Method, path: &str) -> Right {
    match (method, path) {
        (&Method::GET | &Method::HEAD, "/live" | "/ready" | "/health" | "/favicon.ico") => Right::Anybody,
        (&Method::GET | &Method::HEAD, _) => Right::View,
        _ => Right::Operate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_for_operators() {
        for (method, path, expected) in [
            (Method::GET, "/", Right::View),
            (Method::HEAD, "/", Right::View),
            (Method::GET, "/metrics", Right::View),
            (Method::GET, "/api/status", Right::View),
            (Method::GET, "/health", Right::Anybody),
            (Method::GET, "/ready", Right::Anybody),
            (Method::GET, "/live", Right::Anybody),
            (Method::GET, "/health/", Right::View),
            (Method::POST, "/health", Right::Operate),
            (Method::POST, "/api/reload", Right::Operate),
            (Method::DELETE, "/", Right::Operate),
        ] {
            assert_eq!(right(&method, path), expected, "{method} {path}");
        }
    }
}
