//! Pools of the fleet's nuthatches: all of them; and the pages of a pool of a node, which are those that a
//! process has of its own ([`ui::pools::write`]).

use std::cmp::Ordering;

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use config::nsqadmin::ADMINS_OPTION;
use http::{Asked, HttpRefusal, Query};
use maud::{Markup, html};
use ui::Level;
use ui::format::counted;
use ui::listing::{Column, Listing};
use ui::parts::{empty, note, scroll};
use ui::pools::{
    self, Place, PoolPage, PoolState, PoolStatus, Written, columns, errors_per_second, pool_cells,
    pool_state, servers_up,
};
use ui::text::clean;

use super::{Page, at, base};
use crate::acl;
use crate::api::{Api, Warnings};
use crate::fleet::{NodePools, PoolsOfNode, Unavailable};

const COLUMNS: [Column; 12] = [
    Column::text("node", "Node"),
    Column::text("pool", "Pool"),
    Column::text("state", "State"),
    Column::number("requests", "Requests", "per second, lately"),
    Column::picture("hour", "Last hour").wide(),
    Column::number("p50", "p50", "").wide(),
    Column::number("p99", "p99", ""),
    Column::number("hits", "Hits", "share of the keys read that were found"),
    Column::number("clients", "Clients", "").wide(),
    Column::number("in_flight", "In flight", "").wide(),
    Column::number("up", "Servers up", "").wide(),
    Column::number("errors", "Errors", "now, or else since the start"),
];

/// Place of the pages about the pools of a node.
fn place<'a>(base: &'a str, node: &'a NodePools) -> Place<'a> {
    Place { base, node: Some(&node.node), has_admin: node.admin.is_some(), peers: 1, history: None }
}

/// A row of a pool; the last hour is a spark of minutes.
fn row(base: &str, node: &NodePools, pool: &PoolStatus) -> Markup {
    let minutes = |subject: &[&str], measure: &str| node.series.minutes(subject, measure);
    pool_cells(&place(base, node).with_series(&minutes), pool)
}

/// `/pools`.
pub(crate) async fn pools(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    let page = Page::new(api, "pools", "Pools");
    let mut warnings = Warnings::default();
    let nodes = match api.gather_pools(&mut warnings).await {
        Ok(nodes) => nodes,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let path = at(api, &["pools"]);
    let listing = Listing::of(&query, &COLUMNS[0]);
    let all = nodes.iter().flat_map(|node| node.pools.iter().map(move |pool| (node, pool)));
    let admitted = |(node, pool): &(&NodePools, &PoolStatus)| {
        listing.admits(&format!("{} {} {}", node.node, node.hostname, pool.name))
    };
    let cut = listing.cut(all.filter(admitted).collect(), |a, b| order(listing.sort(), *a, *b));
    let content = html! {
        section {
            @if !nodes.is_empty() { (listing.search(&path, "Node or pool contains")) }
            div #pools data-live {
                @if nodes.is_empty() {
                    (empty("No node of this fleet has pools.", html! {
                        "A nuthatch with a queue shows its pools here; one without a queue is found by the address of its admin port, in " code { (ADMINS_OPTION) } "."
                    }))
                } @else if cut.rows.is_empty() {
                    (empty("No pool has such a name.", html! { a href=(path) { "Show all" } }))
                } @else { (scroll("Pools", table(api, &listing, &path, &cut.rows))) }
                (listing.pager(&path, &cut, "pools"))
            }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn table(api: &Api, listing: &Listing, path: &str, rows: &[(&NodePools, &PoolStatus)]) -> Markup {
    let base = base(api);
    html! {
        table {
            (listing.head(path, &COLUMNS))
            tbody {
                @for (node, pool) in rows {
                    @let (level, _) = pool_state(pool);
                    tr.(if level == Level::Well { "" } else { level.class() }) {
                        td { a href=(at(api, &["nodes", &node.node])) { (clean(&node.node)) } " " small.wide { (clean(&node.hostname)) } }
                        (row(&base, node, pool))
                    }
                }
            }
        }
    }
}

fn order(column: &str, a: (&NodePools, &PoolStatus), b: (&NodePools, &PoolStatus)) -> Ordering {
    let by = |figure: fn(&PoolStatus) -> f64| figure(a.1).total_cmp(&figure(b.1));
    let grade = |pool: &PoolStatus| match pool.state {
        PoolState::Down => 0,
        PoolState::Degraded => 1,
        PoolState::Up => 2,
    };
    let ordered = match column {
        "pool" => a.1.name.cmp(&b.1.name),
        "state" => grade(a.1).cmp(&grade(b.1)),
        "requests" => by(|pool| pool.requests_per_second),
        "p50" => a.1.latency.p50_us.cmp(&b.1.latency.p50_us),
        "p99" => a.1.latency.p99_us.cmp(&b.1.latency.p99_us),
        "hits" => by(|pool| pool.hit_percent.unwrap_or(-1.0)),
        "clients" => a.1.clients.cmp(&b.1.clients),
        "in_flight" => a.1.in_flight.cmp(&b.1.in_flight),
        "up" => servers_up(a.1).cmp(&servers_up(b.1)),
        "errors" => by(|pool| errors_per_second(&pool.errors)),
        _ => Ordering::Equal,
    };
    ordered.then_with(|| (&a.0.node, &a.1.name).cmp(&(&b.0.node, &b.1.name)))
}

/// The pools of a node, on its page.
pub(super) fn of_node(api: &Api, node: &NodePools) -> Markup {
    let base = base(api);
    html! {
        section #pools data-live {
            h2 { "Pools" small { (counted(node.pools.len() as u64, "pool")) } }
            (scroll("Pools", html! {
                table {
                    thead { tr { (columns()) } }
                    tbody {
                        @for pool in &node.pools {
                            @let (level, _) = pool_state(pool);
                            tr.(if level == Level::Well { "" } else { level.class() }) { (row(&base, node, pool)) }
                        }
                    }
                }
            }))
        }
    }
}

/// `/pools/NODE/POOL`, and where a key of it is.
pub(crate) async fn pool(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    written(api, &asked.headers, &asked.words, &query, PoolPage::Pool(query.text("key"))).await
}

/// `/pools/NODE/POOL/SERVER`.
pub(crate) async fn server(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    let page = PoolPage::Server(asked.words.get(2).map_or("", String::as_str));
    written(api, &asked.headers, &asked.words, &query, page).await
}

/// `/slowlog/NODE/POOL`.
pub(crate) async fn slow_log(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    acl::admit(&api.settings, &asked.headers)?;
    let query = asked.query()?;
    written(api, &asked.headers, &asked.words, &query, PoolPage::SlowLog).await
}

/// `/keys/NODE/POOL`.
pub(crate) async fn keys(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    acl::admit(&api.settings, &asked.headers)?;
    let query = asked.query()?;
    written(api, &asked.headers, &asked.words, &query, PoolPage::Keys).await
}

/// A page about a pool of a node.
async fn written(
    api: &Api,
    headers: &HeaderMap,
    words: &[String],
    query: &Query,
    page: PoolPage<'_>,
) -> Result<Response<Body>, HttpRefusal> {
    let [name, pool, ..] = words else { return Err(HttpRefusal::missing("NOT_FOUND")) };
    let mut warnings = Warnings::default();
    let found = match api.gather_pools(&mut warnings).await {
        Ok(nodes) => write_of(api, &nodes, name, pool, page).await,
        Err(Unavailable(reason)) => Err(reason),
    };
    let title = |title: &str| framed(api, name, title.to_owned());
    match found {
        Ok(Some((written, has_admin))) => {
            let content = html! {
                @if let Some(text) = query.text("did").and_then(pools::done) { (note(Level::Well, text)) }
                (written.content)
                @if !has_admin { (elsewhere()) }
            };
            let framed = title(&written.title);
            let mut page = framed.page();
            for (words, path) in written.trail {
                page = page.under(&words, path);
            }
            Ok(page.answer(headers, &warnings, content))
        }
        Ok(None) => {
            let framed = title(&format!("Pool {pool}"));
            let gone = gone(api, "No pool or server of this name is at this node.");
            Ok(framed.page().answer(headers, &warnings, gone))
        }
        Err(reason) => {
            let framed = title(&format!("Pool {pool}"));
            Ok(framed.page().unavailable(headers, &warnings, &Unavailable(reason)))
        }
    }
}

/// The page, and whether the admin port of its node is known; None if there is no such node or pool.
async fn write_of(
    api: &Api,
    nodes: &[NodePools],
    name: &str,
    pool: &str,
    page: PoolPage<'_>,
) -> Result<Option<(Written, bool)>, String> {
    let Some(node) = nodes.iter().find(|node| node.node == name) else { return Ok(None) };
    let peers = match page {
        PoolPage::Server(server) => nodes.iter().filter(|node| node.has(pool, server)).count(),
        _ => 1,
    };
    let (base, source) = (base(api), PoolsOfNode { node, upstreams: &api.upstreams });
    let place = Place { peers, ..place(&base, node) };
    let written = pools::write(&source, &place, pool, page).await?;
    Ok(written.map(|written| (written, node.admin.is_some())))
}

/// A page to be, with its title.
struct Framed<'a> {
    api: &'a Api,
    node: &'a str,
    title: String,
}

fn framed<'a>(api: &'a Api, node: &'a str, title: String) -> Framed<'a> {
    Framed { api, node, title }
}

impl Framed<'_> {
    fn page(&self) -> Page<'_> {
        let (pools, own) = (at(self.api, &["pools"]), at(self.api, &["nodes", self.node]));
        Page::new(self.api, "pools", &self.title).under("Pools", pools).under(self.node, own)
    }
}

fn gone(api: &Api, words: &str) -> Markup {
    empty(words, html! { "It may be gone since a reload. " a href=(at(api, &["pools"])) { "All pools" } })
}

/// A note about the parts for which the admin port of the process is needed.
fn elsewhere() -> Markup {
    html! {
        p.facts.more {
            "Slow log, hot keys, and ejecting, draining or returning a server need the admin port of this process ("
            code { "[admin] listen" } "): name it in " code { (ADMINS_OPTION) } " of this nsqadmin, or go there."
        }
    }
}
