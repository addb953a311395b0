//! Topics that the lookups know and no queue has; and the form that makes a topic.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::html;
use ui::Level;
use ui::parts::{note, scroll};
use ui::text::clean;

use super::{Page, controls};
use crate::api::{Api, Warnings};

pub(crate) async fn lookup(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let page = Page::new(api, "lookup", "Lookup");
    let mut warnings = Warnings::default();
    let inactive = match api.gather_inactive(&mut warnings).await {
        Ok(inactive) => inactive,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let content = html! {
        section #inactive data-live {
            h2 { "Topics without a producer" small { "the lookups know them and no queue has them" } }
            @if !api.fleet().has_lookups() {
                (note(Level::Notice, "No lookup is asked: queues are named by --nsqd-http-address."))
            } @else if inactive.is_empty() {
                p.calm { "None: every topic has a producer." }
            } @else {
                (scroll("Topics without a producer", html! {
                    table {
                        thead { tr { th scope="col" { "Topic" } th scope="col" { "Channels" } th scope="col" { "Actions" } } }
                        tbody {
                            @for (topic, channels) in &inactive {
                                tr {
                                    th scope="row" { (clean(topic)) }
                                    td { @for channel in channels.iter().flatten() { div.actions { (clean(channel)) " " (controls::forget(api, topic, Some(channel))) } } }
                                    td { (controls::forget(api, topic, None)) }
                                }
                            }
                        }
                    }
                }))
            }
        }
        (controls::create(api))
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}
