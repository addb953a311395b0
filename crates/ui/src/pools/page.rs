//! The pages of a pool: itself, a server of it, its slow log, its keys. Whether they are of this process or
//! of a node of a fleet is a matter of their [`PoolSource`] and their [`Place`].

use maud::{Markup, html};

use super::actions::actions;
use super::parts::errors;
use super::pool::{pool_charts, pool_facts, pool_latency, pool_placement, pool_servers};
use super::server::{server_charts, server_facts, server_latency, server_traffic};
use super::{Counter, Happening, Place, PoolSource, PoolView, ServerStatus, keys, whereabouts};
use crate::format::count;
use crate::parts::{moment, scroll};
use crate::settings;
use crate::text::{clean, coded};

/// Events shown on a pool's page.
const EVENTS: usize = 8;

/// A page about a pool.
#[derive(Debug, Clone, Copy)]
pub enum PoolPage<'a> {
    /// The pool, and where a key of it is.
    Pool(Option<&'a str>),
    /// A server of it.
    Server(&'a str),
    /// Its slow log.
    SlowLog,
    /// Its hot keys and big replies.
    Keys,
}

/// A page without its frame.
#[derive(Debug)]
pub struct Written {
    /// Its title.
    pub title: String,
    /// Links from the node or the list of pools to it: words and path.
    pub trail: Vec<(String, String)>,
    /// Its content.
    pub content: Markup,
}

/// Writes a page of a pool. None if the pool or the server is not there.
///
/// # Errors
/// The reason that the source does not answer.
pub async fn write(
    source: &dyn PoolSource,
    place: &Place<'_>,
    pool: &str,
    page: PoolPage<'_>,
) -> Result<Option<Written>, String> {
    let below = || vec![(pool.to_owned(), place.of_pool(pool))];
    Ok(match page {
        PoolPage::Pool(key) => source.view(pool, None).await?.map(|view| Written {
            title: format!("Pool {pool}"),
            trail: Vec::new(),
            content: of_pool(
                &place.with_series(&|subject, measure| view.series.get(subject, measure)),
                &view,
                key,
            ),
        }),
        PoolPage::Server(name) => {
            let view = source.view(pool, Some(name)).await?;
            view.and_then(|view| {
                let server = view.pool.servers.iter().find(|server| server.name == name)?;
                let series = |subject: &[&str], measure: &str| view.series.get(subject, measure);
                let content = of_server(&place.with_series(&series), &view, server);
                Some(Written { title: format!("Server {name}"), trail: below(), content })
            })
        }
        PoolPage::SlowLog => source.slow_log(pool).await?.map(|entries| Written {
            title: format!("Slow log of {pool}"),
            trail: below(),
            content: keys::slow_log(place, pool, &entries),
        }),
        PoolPage::Keys => source.keys(pool).await?.map(|status| Written {
            title: format!("Keys of {pool}"),
            trail: below(),
            content: keys::hot_keys(place, pool, &status),
        }),
    })
}

fn of_pool(place: &Place<'_>, view: &PoolView, key: Option<&str>) -> Markup {
    let pool = &view.pool;
    html! {
        p #state .facts data-live { (pool_facts(pool)) }
        @if place.has_admin {
            p.facts.more { a href=(place.path("slowlog", &[&pool.name])) { "Slow log" } " · "
                a href=(place.path("keys", &[&pool.name])) { "Hot keys and big replies" }
            }
        }
        div #charts .charts data-live { (pool_charts(place, pool)) }
        section #servers data-live {
            h2 { "Servers" small { "share of keys by weight beside share of traffic: a hot key shows as a difference" } }
            (pool_servers(place, view))
        }
        @if let Some(topology) = whereabouts::topology(place, view) { section #topology data-live { (topology) } }
        section #whereabouts { (whereabouts::search(place, view, key)) }
        section #events data-live {
            h2 {
                @if place.node.is_none() { a href=(place.path("events", &[])) { "Lately" } } @else { "Lately" }
                small { "ejections and returns move keys, and what moves is not there at first: the hit rate falls" }
            }
            @if view.events.is_empty() { p.facts { "Nothing has happened to this pool lately." } }
            @else { (lines(place, &view.events)) }
        }
        section #errors data-live { h2 { "Errors" small { "now first, then since the start" } } (errors(&pool.errors)) }
        div.columns {
            section #latency data-live { (pool_latency(pool)) }
            @if view.topology.cluster.is_none() { section #placement data-live { (pool_placement(pool)) } }
        }
        section #settings data-live {
            h2 { "Settings" small { "in force, and where each comes from" } }
            @let by_hand = by_hand(view);
            @if !by_hand.is_empty() { ul.diff { @for change in by_hand { li { (clean(&change)) } } } }
            @if view.settings.is_empty() { p.facts { "Not known." } } @else { (settings::table(&view.settings)) }
        }
        (all_counters(&view.counters))
    }
}

/// Servers of a pool that were changed by hand.
fn by_hand(view: &PoolView) -> Vec<String> {
    let changed = |server: &ServerStatus| {
        Some(format!("server {}, by hand: {}", server.name, server.by_hand.as_ref()?))
    };
    view.pool.servers.iter().filter_map(changed).collect()
}

fn lines(place: &Place<'_>, events: &[Happening]) -> Markup {
    html! {
        ul.lines.quiet {
            @for event in events.iter().take(EVENTS) {
                li.(event.level.class()) {
                    b { @match path_of(place, &event.subject) {
                        Some(path) => a href=(path) { (clean(&event.subject)) },
                        None => (clean(&event.subject)),
                    } }
                    span { (clean(&event.text)) }
                    span.side { (moment(event.at_ms)) }
                }
            }
        }
    }
}

/// Path of the page about a pool or a server of it.
fn path_of(place: &Place<'_>, subject: &str) -> Option<String> {
    match subject.strip_prefix("pool ") {
        Some(names) => Some(match names.split_once(", server ") {
            Some((pool, server)) => place.of_server(pool, server),
            None => place.of_pool(names),
        }),
        None if subject == "configuration" && place.node.is_none() => Some(place.path("configuration", &[])),
        None => None,
    }
}

fn of_server(place: &Place<'_>, view: &PoolView, server: &ServerStatus) -> Markup {
    let pool = &view.pool;
    let subject = format!("pool {}, server {}", pool.name, server.name);
    html! {
        p #state .facts data-live { (server_facts(view, server)) }
        @if let Some(event) = view.events.iter().find(|event| event.subject == subject) {
            p #last .facts data-live { "Last event: " (clean(&event.text)) ", " (moment(event.at_ms)) }
        }
        @if place.has_admin { div.actions { (actions(place, pool, server)) } }
        div #charts .charts data-live { (server_charts(place, pool, server)) }
        div.columns {
            section #latency data-live { (server_latency(server)) }
            section #traffic data-live { (server_traffic(server)) }
        }
        (all_counters(&view.counters))
    }
}

/// Every counter, with its explanation.
fn all_counters(counters: &[Counter]) -> Markup {
    html! {
        @if !counters.is_empty() { section #counters data-live {
            h2 { "All counters" small { "since the start" } }
            details { summary { "Show" }
                (scroll("Counters", html! {
                    table {
                        thead { tr { th scope="col" { "Counter" } th.n scope="col" { "Value" } th scope="col" { "Meaning" } } }
                        tbody { @for counter in counters { tr {
                            th scope="row" { code { (clean(&counter.name)) } }
                            td.n {
                                @if counter.is_time && counter.value > 0 { (moment(counter.value / 1000)) } @else { (count(counter.value)) }
                            }
                            td { (coded(&counter.help)) }
                        } } }
                    }
                }))
            }
        } }
    }
}
