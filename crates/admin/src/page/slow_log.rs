//! The slow log of a pool: requests over its threshold, newest first.

use std::sync::Arc;

use maud::{Markup, html};
use telemetry::SlowRequest;
use ui::format::{bytes, micros};
use ui::parts::{empty, moment, scroll};
use ui::text::{clean, path};

use super::Site;
use crate::status::PoolStatus;

/// `/slowlog/POOL`.
pub(crate) fn slow_log(site: &Site<'_>, pool: &PoolStatus, entries: &[Arc<SlowRequest>]) -> Markup {
    let content = html! {
        section #slowlog data-live {
            p.facts {
                "Requests that took " code { "slowlog_threshold" } " or longer, newest first; the last " code { "slowlog_len" }
                " of them. " code { "SLOWLOG RESET" } " empties it."
            }
            @if entries.is_empty() {
                (empty("No request was slow.", html! { "A lower " code { "slowlog_threshold" } " in the pool's section shows more." }))
            } @else { (scroll("Slow requests", table(pool, entries))) }
        }
    };
    let trail = [("Pools", "/pools".to_owned()), (pool.name.as_str(), path("", &["pools", &pool.name]))];
    site.page("pools", &format!("Slow log of {}", pool.name), &trail, content)
}

fn table(pool: &PoolStatus, entries: &[Arc<SlowRequest>]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Command" } th scope="col" { "Key" }
                th.n scope="col" title="from acceptance to the writing to the server" { "Queue" }
                th.n scope="col" title="from then to the reply" { "Server took" }
                th scope="col" { "Server" } th.n.wide scope="col" { "Reply" } th.wide scope="col" { "Client" }
            } }
            tbody {
                @for entry in entries {
                    tr {
                        td { (moment(entry.at_ms)) }
                        th scope="row" { (clean(&entry.command())) }
                        td { @if let Some(key) = entry.key() { code { (key) } } @else { "–" } }
                        td.n { (micros(entry.queue_us)) }
                        td.n { (micros(entry.response_us)) }
                        td { a href=(path("", &["pools", &pool.name, &entry.server])) { (clean(&entry.server)) } }
                        td.n.wide { @if let Some(size) = entry.reply_bytes { (bytes(size)) } @else { "none" } }
                        td.wide { (clean(&entry.client)) " " (clean(&entry.client_name)) }
                    }
                }
            }
        }
    }
}
