//! Users at the admin port: `admin = "view"` sees pages, metrics and status, `operate` may also act.
//!
//! Health stays open: orchestrators have no password. If no user has a right here, everything is open.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http::{Caller, LoginDesk, Names, Right, browser};

use crate::Watch;
use crate::actions::{self, Author, Origin};
use crate::reload::Outcome;

/// Rules that every request is checked against.
#[derive(Clone)]
pub(crate) struct Gate {
    pub watch: Arc<Watch>,
    pub desk: Option<Arc<LoginDesk>>,
}

/// Option that lists further names of this machine.
const NAMES_OPTION: &str = "http_names in [admin]";

/// Admits a request if its page and its user may send it: browsers under our own names only, changes for
/// pages of ours, from this machine or by an operator who has logged in.
pub(crate) async fn permit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let right = right(request.method(), request.uri().path());
    let facts = gate.watch.facts();
    let names =
        Names { known: [&facts.hostname, "localhost"], listed: &facts.http_names, option: NAMES_OPTION };
    if right != Right::Anybody
        && let Err(refusal) = browser::refuse_foreign_names(request.headers(), &names)
    {
        return refusal.answer();
    }
    let mut user = None;
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    if let Some(desk) = gate.desk.as_ref().filter(|desk| desk.has_operators()) {
        match desk.permit(right, request.headers(), &caller).await {
            Ok(found) => user = found,
            Err(refusal) => return refusal.answer(),
        }
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let origin = request.extensions().get::<Origin>().copied().unwrap_or(Origin::Remote);
        if let Err(reason) = actions::may_act(origin, user.is_some(), request.headers(), &names) {
            let outcome = Outcome::failed(0, reason);
            return actions::answer(StatusCode::FORBIDDEN, outcome);
        }
        let author = Author::of(user.as_ref().map(|user| user.name()), caller.ip, request.headers());
        request.extensions_mut().insert(author);
    }
    next.run(request).await
}

/// Paths that show messages or keys.
const DATA: [&str; 5] = ["/messages/", "/slowlog/", "/api/slowlog/", "/keys/", "/api/keys/"];

fn right(method: &Method, path: &str) -> Right {
    match (method, path) {
        (&Method::GET | &Method::HEAD, "/live" | "/ready" | "/startup" | "/health" | "/favicon.ico") => {
            Right::Anybody
        }
        // Messages and keys are data of others, which viewers of figures do not get.
        (_, path) if DATA.iter().any(|data| path.starts_with(data)) => Right::Operate,
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
            (Method::GET, "/startup", Right::Anybody),
            (Method::GET, "/messages/t/c", Right::Operate),
            (Method::GET, "/slowlog/p", Right::Operate),
            (Method::GET, "/keys/p", Right::Operate),
            (Method::GET, "/api/keys/p", Right::Operate),
            (Method::GET, "/api/slowlog/p", Right::Operate),
            (Method::POST, "/action", Right::Operate),
            (Method::GET, "/health/", Right::View),
            (Method::POST, "/health", Right::Operate),
            (Method::POST, "/api/reload", Right::Operate),
            (Method::DELETE, "/", Right::Operate),
        ] {
            assert_eq!(right(&method, path), expected, "{method} {path}");
        }
    }
}
