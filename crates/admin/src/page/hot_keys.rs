//! The keys of a pool that are used most, and its biggest replies.

use maud::{Markup, html};
use telemetry::KeyReport;
use ui::chart::bar;
use ui::format::{bytes, rate};
use ui::parts::{empty, moment, scroll};
use ui::text::{clean, path};

use super::Site;
use crate::status::PoolStatus;

/// `/keys/POOL`.
pub(crate) fn hot_keys(site: &Site<'_>, pool: &PoolStatus, report: &KeyReport) -> Markup {
    let content = html! {
        section #keys data-live {
            h2 { "Hot keys" small { "estimated from a sample of the last 20 s or so" } }
            @if report.keys.is_empty() {
                (empty("No keys were used lately.", html! { code { "hot_keys = true" } " in the pool's section turns the watch on." }))
            } @else { (scroll("Hot keys", keys(pool, report))) }
        }
        section #replies data-live {
            h2 { "Big replies" small { "the biggest of the last five to ten minutes, from 4 KiB on" } }
            @if report.replies.is_empty() { p.facts { "No reply was big lately." } } @else { (scroll("Big replies", replies(pool, report))) }
        }
    };
    let trail = [("Pools", "/pools".to_owned()), (pool.name.as_str(), path("", &["pools", &pool.name]))];
    site.page("pools", &format!("Keys of {}", pool.name), &trail, content)
}

fn keys(pool: &PoolStatus, report: &KeyReport) -> Markup {
    let all =
        pool.requests_per_second.max(report.keys.iter().map(telemetry::HotKey::requests).sum()).max(1.0);
    html! {
        table {
            thead { tr {
                th scope="col" { "Key" } th.n scope="col" title="of the requests of this pool" { "Share" }
                th.n scope="col" { "Reads" } th.n scope="col" { "Writes" } th.n.wide scope="col" { "Bytes read" } th.n.wide scope="col" { "Bytes written" }
                th scope="col" { "Server" }
            } }
            tbody {
                @for key in &report.keys {
                    @let share = key.requests() * 100.0 / all;
                    tr {
                        th scope="row" { code { (key.key) } }
                        td.n { (format!("{share:.1} %")) (bar("share", share as u64)) }
                        td.n { (rate(key.reads)) "/s" }
                        td.n { (rate(key.writes)) "/s" }
                        td.n.wide { (bytes(key.read_bytes as u64)) "/s" }
                        td.n.wide { (bytes(key.write_bytes as u64)) "/s" }
                        td { a href=(path("", &["pools", &pool.name, &key.server])) { (clean(&key.server)) } }
                    }
                }
            }
        }
    }
}

fn replies(pool: &PoolStatus, report: &KeyReport) -> Markup {
    html! {
        table {
            thead { tr {
                th.n scope="col" { "Size" } th scope="col" { "Command" } th scope="col" { "Key" } th scope="col" { "Server" }
                th.wide scope="col" { "Client" } th scope="col" { "When" }
            } }
            tbody {
                @for reply in &report.replies {
                    tr {
                        td.n { (bytes(reply.bytes)) }
                        th scope="row" { (clean(&reply.command)) }
                        td { @if let Some(key) = &reply.key { code { (key) } } @else { "–" } }
                        td { a href=(path("", &["pools", &pool.name, &reply.server])) { (clean(&reply.server)) } }
                        td.wide { (clean(&reply.client)) }
                        td { (moment(reply.at_ms)) }
                    }
                }
            }
        }
    }
}
