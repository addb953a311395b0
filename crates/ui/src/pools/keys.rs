//! Slow log, hot keys and big replies of a pool, as `/api/slowlog/POOL` and `/api/keys/POOL` have them, and
//! as their pages show them.

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::chart::bar;
use crate::format::{bytes, micros, rate};
use crate::parts::{empty, moment, scroll};
use crate::text::clean;

/// Most rows of a page: another process may send more than it should.
const ROWS_MAX: usize = 1_000;

/// An entry of a slow log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SlowEntry {
    /// Its number: one more than that of the one before.
    pub id: u64,
    /// Time of its reply, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Address of its client, `unix` for a unix socket; empty if the client had gone.
    pub client: String,
    /// Name that its client has set.
    pub client_name: String,
    /// Name of its server.
    pub server: String,
    /// Its command.
    pub command: String,
    /// Its key, cut to 64 bytes, escaped; none if it has none, or none at the beginning.
    pub key: Option<String>,
    /// Its first arguments, cut and escaped as the key.
    pub arguments: Vec<String>,
    /// Number of further arguments.
    pub more_arguments: usize,
    /// Time it waited to be written to the server.
    pub queue_us: u64,
    /// Time from then to its reply.
    pub response_us: u64,
    /// Bytes of its reply; none if the connection was lost without one.
    pub reply_bytes: Option<u64>,
}

/// Hot keys and big replies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeysStatus {
    /// Time of the newest figures; 0 if there are none.
    pub at_ms: u64,
    /// Requests of the pool lately.
    pub requests_per_second: f64,
    /// The hottest keys, the hottest first; rates are estimated from a sample.
    pub keys: Vec<HotKeyStatus>,
    /// The biggest replies of the last minutes, the biggest first.
    pub replies: Vec<BigReplyStatus>,
}

/// A hot key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HotKeyStatus {
    /// Cut to 64 bytes, escaped.
    pub key: String,
    /// Name of its server.
    pub server: String,
    /// Reads of it.
    pub reads_per_second: f64,
    /// Writes of it.
    pub writes_per_second: f64,
    /// Bytes read.
    pub read_bytes_per_second: f64,
    /// Bytes written.
    pub write_bytes_per_second: f64,
}

/// A big reply.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BigReplyStatus {
    /// Its size.
    pub bytes: u64,
    /// The command.
    pub command: String,
    /// Cut to 64 bytes, escaped; none if the request has none at its beginning.
    pub key: Option<String>,
    /// Name of the server.
    pub server: String,
    /// Address of the client, `unix` for a unix socket; empty if it had gone.
    pub client: String,
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl HotKeyStatus {
    fn requests(&self) -> f64 {
        self.reads_per_second + self.writes_per_second
    }
}

/// Requests over the threshold, newest first.
pub(super) fn slow_log(place: &Place<'_>, pool: &str, entries: &[SlowEntry]) -> Markup {
    html! {
        section #slowlog data-live {
            p.facts {
                "Requests that took " code { "slowlog_threshold" } " or longer, newest first; the last " code { "slowlog_len" }
                " of them. " code { "SLOWLOG RESET" } " empties it."
            }
            @if entries.is_empty() {
                (empty("No request was slow.", html! { "A lower " code { "slowlog_threshold" } " in the pool's section shows more." }))
            } @else { (scroll("Slow requests", slow_requests(place, pool, entries))) }
        }
    }
}

fn slow_requests(place: &Place<'_>, pool: &str, entries: &[SlowEntry]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Command" } th scope="col" { "Key" }
                th.n scope="col" title="from acceptance to the writing to the server" { "Queue" }
                th.n scope="col" title="from then to the reply" { "Server took" }
                th scope="col" { "Server" } th.n.wide scope="col" { "Reply" } th.wide scope="col" { "Client" }
            } }
            tbody {
                @for entry in entries.iter().take(ROWS_MAX) {
                    tr {
                        td { (moment(entry.at_ms)) }
                        th scope="row" { (clean(&entry.command)) }
                        td.key { (key(entry.key.as_deref())) }
                        td.n { (micros(entry.queue_us)) }
                        td.n { (micros(entry.response_us)) }
                        td { a href=(place.of_server(pool, &entry.server)) { (clean(&entry.server)) } }
                        td.n.wide { @if let Some(size) = entry.reply_bytes { (bytes(size)) } @else { "none" } }
                        td.wide { (clean(&entry.client)) " " (clean(&entry.client_name)) }
                    }
                }
            }
        }
    }
}

fn key(key: Option<&str>) -> Markup {
    html! { @if let Some(key) = key { code { (clean(key)) } } @else { "–" } }
}

/// Keys that are used most, and the biggest replies.
pub(super) fn hot_keys(place: &Place<'_>, pool: &str, status: &KeysStatus) -> Markup {
    html! {
        section #keys data-live {
            h2 { "Hot keys" small { "estimated from a sample of the last 20 s or so" } }
            @if status.keys.is_empty() {
                (empty("No keys were used lately.", html! { code { "hot_keys = true" } " in the pool's section turns the watch on." }))
            } @else { (scroll("Hot keys", used_most(place, pool, status))) }
        }
        section #replies data-live {
            h2 { "Big replies" small { "the biggest of the last five to ten minutes, from 4 KiB on" } }
            @if status.replies.is_empty() { p.facts { "No reply was big lately." } }
            @else { (scroll("Big replies", replies(place, pool, status))) }
        }
    }
}

fn used_most(place: &Place<'_>, pool: &str, status: &KeysStatus) -> Markup {
    let seen: f64 = status.keys.iter().map(HotKeyStatus::requests).sum();
    let all = status.requests_per_second.max(seen).max(1.0);
    html! {
        table {
            thead { tr {
                th scope="col" { "Key" } th.n scope="col" title="of the requests of this pool" { "Share" }
                th.n scope="col" { "Reads" } th.n scope="col" { "Writes" } th.n.wide scope="col" { "Bytes read" } th.n.wide scope="col" { "Bytes written" }
                th scope="col" { "Server" }
            } }
            tbody {
                @for key in status.keys.iter().take(ROWS_MAX) {
                    @let share = key.requests() * 100.0 / all;
                    tr {
                        th scope="row" { code { (clean(&key.key)) } }
                        td.n { (format!("{share:.1} %")) (bar("share", share as u64)) }
                        td.n { (rate(key.reads_per_second)) "/s" }
                        td.n { (rate(key.writes_per_second)) "/s" }
                        td.n.wide { (bytes(key.read_bytes_per_second as u64)) "/s" }
                        td.n.wide { (bytes(key.write_bytes_per_second as u64)) "/s" }
                        td { a href=(place.of_server(pool, &key.server)) { (clean(&key.server)) } }
                    }
                }
            }
        }
    }
}

fn replies(place: &Place<'_>, pool: &str, status: &KeysStatus) -> Markup {
    html! {
        table {
            thead { tr {
                th.n scope="col" { "Size" } th scope="col" { "Command" } th scope="col" { "Key" } th scope="col" { "Server" }
                th.wide scope="col" { "Client" } th scope="col" { "When" }
            } }
            tbody {
                @for reply in status.replies.iter().take(ROWS_MAX) {
                    tr {
                        td.n { (bytes(reply.bytes)) }
                        th scope="row" { (clean(&reply.command)) }
                        td { (key(reply.key.as_deref())) }
                        td { a href=(place.of_server(pool, &reply.server)) { (clean(&reply.server)) } }
                        td.wide { (clean(&reply.client)) }
                        td { (moment(reply.at_ms)) }
                    }
                }
            }
        }
    }
}
