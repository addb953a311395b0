//! Forms of the pages: `POST /change` with the fields of a form, answered with a redirect to the page that
//! shows the result, or with a page that says why nothing changed.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::Query;
use maud::html;
use ui::Level;
use ui::parts::note;
use ui::respond;
use ui::text::path;

use crate::Watch;
use crate::actions::{self, Action, Actor, Author};
use crate::page::Site;
use crate::reload::Outcome;

/// Largest form, in bytes.
const FORM_BYTES_MAX: usize = 16 << 10;

/// Answers `POST /change`.
pub(crate) async fn change(
    State(watch): State<Arc<Watch>>,
    Extension(actor): Extension<Option<Arc<dyn Actor>>>,
    Extension(Author(by)): Extension<Author>,
    request: Request,
) -> Response {
    let form = match form(request.into_body()).await {
        Ok(form) => form,
        Err(reason) => return refused(&watch, StatusCode::BAD_REQUEST, reason).await,
    };
    let (action, word, back) = match action(&form) {
        Ok(found) => found,
        Err(reason) => return refused(&watch, StatusCode::BAD_REQUEST, &reason).await,
    };
    let Some(actor) = actor else {
        return refused(&watch, StatusCode::NOT_IMPLEMENTED, "this process carries out no actions").await;
    };
    match actor.act(action, by).await {
        Some(Outcome { ok: true, .. }) => respond::see(&format!("{back}?did={word}")).into_response(),
        Some(Outcome { error, .. }) => {
            let reason = error.unwrap_or_else(|| "nothing was changed".into());
            refused(&watch, StatusCode::UNPROCESSABLE_ENTITY, &reason).await
        }
        None => refused(&watch, StatusCode::SERVICE_UNAVAILABLE, "the process is stopping").await,
    }
}

async fn form(body: Body) -> Result<Query, &'static str> {
    let bytes = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| "the form is too large")?;
    Query::parse(&String::from_utf8_lossy(&bytes)).map_err(|_| "the form is malformed")
}

/// The action, its word on the page after it, and the path of that page.
fn action(form: &Query) -> Result<(Action, &'static str, String), String> {
    let server = |word: &'static str| {
        let action = actions::of_server(word, form)?;
        let (pool, server) = (actions::name(form, "pool")?, actions::name(form, "server")?);
        Ok((action, word, path("", &["pools", &pool, &server])))
    };
    match form.text("change").unwrap_or_default() {
        "eject" => server("eject"),
        "drain" => server("drain"),
        "return" => server("return"),
        "weight" => server("weight"),
        "reload" => Ok((Action::Reload { dry_run: false }, "reload", "/configuration".into())),
        "level" => Ok((Action::LogLevel(actions::name(form, "level")?), "level", "/configuration".into())),
        other => Err(format!("no change is called {other:?}")),
    }
}

async fn refused(watch: &Watch, status: StatusCode, reason: &str) -> Response {
    let now = watch.look().await;
    let site = Site { status: &now, watch, did: None };
    let content = html! {
        (note(Level::Warning, reason))
        p { "Nothing was changed. Go back with your browser, or to the " a href="/" { "overview" } "." }
    };
    respond::with_status(status, site.standing_page("Not done", content).into_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::ServerChange;

    #[test]
    fn forms() {
        let read = |text: &str| action(&Query::parse(text).expect("a form"));
        let server = |change| Action::Server { pool: "p".into(), server: "a/b".into(), change };
        for (text, expected) in [
            (
                "change=eject&pool=p&server=a/b",
                Ok((server(ServerChange::Eject), "eject", "/pools/p/a%2Fb".into())),
            ),
            (
                "change=weight&pool=p&server=a/b&weight=",
                Ok((server(ServerChange::Weight(None)), "weight", "/pools/p/a%2Fb".into())),
            ),
            ("change=reload", Ok((Action::Reload { dry_run: false }, "reload", "/configuration".into()))),
            ("change=level", Err("the parameter level is missing".into())),
            ("change=nosuch", Err("no change is called \"nosuch\"".into())),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
