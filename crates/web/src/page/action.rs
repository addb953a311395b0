//! A submitted form: makes the change, then redirects the browser to the page that shows it.

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Response, StatusCode};
use http::{Asked, HttpRefusal, Query};

use super::html::Html;
use super::{answer, at, note, page};
use crate::api::{Api, Warnings, changes};
use crate::fleet::Change;
use crate::request::form;

pub(crate) async fn action(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (sender, body, link) = match api.admit(asked) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refused(api, &refusal)),
    };
    let form = form(&api.budget, link.host(), &sender.headers, body).await?;
    let change = match change(&form) {
        Ok(change) => change,
        Err(refusal) => return Ok(refused(api, &refusal)),
    };
    let result = result(api, &change);
    match api.change(change, &sender).await {
        Ok(warnings) if warnings.message().is_empty() => Ok(see(&result)),
        Ok(warnings) => {
            let mut html = Html::default();
            html.raw("<p>").link(&result, "Go on").raw("</p>\n");
            Ok(page(api, "Not everybody took it", &warnings, html))
        }
        Err(reason) => Ok(refused(api, &reason.into())),
    }
}

fn change(form: &Query) -> Result<Change, HttpRefusal> {
    let text = |name| form.text(name).unwrap_or_default().to_owned();
    let (topic, channel) = (text("topic"), Some(text("channel")).filter(|channel| !channel.is_empty()));
    match form.text("change").unwrap_or_default() {
        "create" => changes::create(&topic, channel.as_deref()),
        "delete" => Ok(Change::Delete(topic, channel)),
        "tombstone" => changes::tombstone(&topic, text("node")),
        word => changes::action(word, topic, channel),
    }
}

/// Page that shows the result of a change.
fn result(api: &Api, change: &Change) -> String {
    match change {
        Change::Create(..) | Change::Delete(_, None) => at(api, &["topics"]),
        Change::Delete(topic, Some(_)) => at(api, &["topics", topic]),
        Change::Tombstone(_, node) => at(api, &["nodes", node]),
        Change::Pause(topic, channel) | Change::Unpause(topic, channel) | Change::Empty(topic, channel) => {
            let words = ["topics", topic].into_iter().chain(channel.as_deref());
            at(api, &words.collect::<Vec<_>>())
        }
    }
}

fn see(place: &str) -> Response<Body> {
    let mut answer = answer(Html::default());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
}

fn refused(api: &Api, refusal: &HttpRefusal) -> Response<Body> {
    let mut answer = page(api, "Refused", &Warnings::default(), note(refusal.message()));
    *answer.status_mut() = refusal.status();
    answer
}
