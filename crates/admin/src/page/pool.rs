//! A pool: who of its servers is slow, who is ejected, how keys and traffic are shared.

use config::options::Scope;
use maud::{Markup, html};
use telemetry::PoolStats;
use ui::format::count;
use ui::parts::{moment, scroll};
use ui::pools::{errors, pool_charts, pool_facts, pool_latency, pool_placement, pool_servers};
use ui::text::{clean, path};

use super::events::lines;
use super::{Site, settings};
use crate::events::Event;
use crate::status::{PoolStatus, ServerStatus};

/// Events shown.
const EVENTS: usize = 8;

/// `/pools/POOL`.
pub(crate) fn pool(site: &Site<'_>, pool: &PoolStatus) -> Markup {
    let history = |subject: &[&str], measure: &str| site.series(subject, measure);
    let place = super::pools_at(&history);
    let content = html! {
        p #state .facts data-live { (pool_facts(pool)) }
        p.facts.more { a href=(path("", &["slowlog", &pool.name])) { "Slow log" } " · "
            a href=(path("", &["keys", &pool.name])) { "Hot keys and big replies" }
        }
        div #charts .charts data-live { (pool_charts(&place, pool)) }
        section #servers data-live {
            h2 { "Servers" small { "share of keys by weight beside share of traffic: a hot key shows as a difference" } }
            (pool_servers(&place, pool))
        }
        @let events = of_pool(site, pool);
        section #events data-live {
            h2 { a href="/events" { "Lately" } small { "ejections and returns move keys, and what moves is not there at first: the hit rate falls" } }
            @if events.is_empty() { p.facts { "Nothing has happened to this pool lately." } } @else { (lines(events.into_iter())) }
        }
        section #errors data-live { h2 { "Errors" small { "now first, then since the start" } } (errors(&pool.errors)) }
        div.columns {
            section #latency data-live { (pool_latency(pool)) }
            section #placement data-live { (pool_placement(pool)) }
        }
        section #settings data-live {
            h2 { "Settings" small { "in force, and where each comes from" } }
            @let settings = site.watch.settings();
            @let by_hand = by_hand(pool);
            @if !by_hand.is_empty() { ul.diff { @for change in by_hand { li { (clean(&change)) } } } }
            @match settings.iter().find(|section| section.scope == Scope::Pool && section.name == pool.name) {
                Some(section) => (settings::table(section)),
                None => p.facts { "Not known." },
            }
        }
        section #counters data-live { (counters(PoolStats::ROWS, &pool.values)) }
    };
    site.page("pools", &format!("Pool {}", pool.name), &[("Pools", "/pools".into())], content)
}

/// Servers of a pool that were changed by hand.
fn by_hand(pool: &PoolStatus) -> Vec<String> {
    let changed = |server: &ServerStatus| {
        Some(format!("server {}, by hand: {}", server.name, server.by_hand.as_ref()?))
    };
    pool.servers.iter().filter_map(changed).collect()
}

/// Recent events of a pool, of its servers and of the configuration, newest first.
fn of_pool<'a>(site: &Site<'a>, pool: &PoolStatus) -> Vec<&'a Event> {
    let (own, of_server) = (format!("pool {}", pool.name), format!("pool {}, server ", pool.name));
    let concerns = |event: &&Event| {
        event.subject == own || event.subject.starts_with(&of_server) || event.subject == "configuration"
    };
    site.status.events.iter().filter(concerns).take(EVENTS).collect()
}

/// Every counter of a table, with its explanation.
pub(super) fn counters(rows: &[telemetry::Row], values: &[u64]) -> Markup {
    html! {
        h2 { "All counters" small { "since the start" } }
        details { summary { "Show" }
            (scroll("Counters", html! {
                table {
                    thead { tr { th scope="col" { "Counter" } th.n scope="col" { "Value" } th scope="col" { "Meaning" } } }
                    tbody { @for (row, value) in rows.iter().zip(values) { tr {
                        th scope="row" { code { (row.name) } }
                        td.n {
                            @if matches!(row.kind, telemetry::Kind::Timestamp) && *value > 0 { (moment(value / 1000)) } @else { (count(*value)) }
                        }
                        td { (row.help.trim_start_matches("# ")) }
                    } } }
                }
            }))
        }
    }
}
