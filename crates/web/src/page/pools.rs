//! Pools of the fleet's nuthatches: all of them, a pool of a node, a server of it. What changes a server is
//! done at the admin port of its own process.

use std::cmp::Ordering;

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::format::counted;
use ui::listing::{Column, Listing};
use ui::parts::{empty, scroll};
use ui::pools::{
    Place, PoolState, PoolStatus, columns, errors, errors_per_second, pool_cells, pool_facts, pool_figures,
    pool_latency, pool_placement, pool_servers, pool_state, server_facts, server_latency, server_traffic,
};
use ui::text::clean;

use super::{Page, at};
use crate::api::{Api, Warnings, word};
use crate::fleet::NodePools;

const COLUMNS: [Column; 11] = [
    Column::text("node", "Node"),
    Column::text("pool", "Pool"),
    Column::text("state", "State"),
    Column::number("requests", "Requests", "per second, lately"),
    Column::number("p50", "p50", "").wide(),
    Column::number("p99", "p99", ""),
    Column::number("hits", "Hits", "share of the keys read that were found"),
    Column::number("clients", "Clients", "").wide(),
    Column::number("in_flight", "In flight", "").wide(),
    Column::number("up", "Servers up", "").wide(),
    Column::text("errors", "Errors"),
];

/// Place of the pages about the pools of a node.
pub(super) fn place<'a>(api: &Api, node: &str) -> Place<'a> {
    Place { path: at(api, &["pools", node]), history: None }
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
                        "A nuthatch with a queue shows its pools here; one that runs without a queue is not in the fleet, and has its own pages at its admin port."
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
    html! {
        table {
            (listing.head(path, &COLUMNS))
            tbody {
                @for (node, pool) in rows {
                    @let (level, _) = pool_state(pool);
                    tr.(if level == Level::Well { "" } else { level.class() }) {
                        td { a href=(at(api, &["nodes", &node.node])) { (clean(&node.node)) } " " small.wide { (clean(&node.hostname)) } }
                        (pool_cells(&place(api, &node.node), pool))
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
        "up" => up(a.1).cmp(&up(b.1)),
        "errors" => by(|pool| errors_per_second(&pool.errors)),
        _ => Ordering::Equal,
    };
    ordered.then_with(|| (&a.0.node, &a.1.name).cmp(&(&b.0.node, &b.1.name)))
}

fn up(pool: &PoolStatus) -> usize {
    pool.servers.iter().filter(|server| server.ejected_shards == 0).count()
}

/// The pools of a node, on its page.
pub(super) fn of_node(api: &Api, node: &NodePools) -> Markup {
    let place = place(api, &node.node);
    html! {
        section #pools data-live {
            h2 { "Pools" small { (counted(node.pools.len() as u64, "pool")) } }
            (scroll("Pools", html! {
                table {
                    thead { tr { (columns(&place)) } }
                    tbody {
                        @for pool in &node.pools {
                            @let (level, _) = pool_state(pool);
                            tr.(if level == Level::Well { "" } else { level.class() }) { (pool_cells(&place, pool)) }
                        }
                    }
                }
            }))
        }
    }
}

/// `/pools/NODE/POOL`.
pub(crate) async fn pool(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (node, name) = (word(&asked, 0), word(&asked, 1));
    let title = format!("Pool {name}");
    let page = under_node(Page::new(api, "pools", &title), node);
    let mut warnings = Warnings::default();
    let known = match warnings.take(api.fleet().pools_of(node).await) {
        Ok(known) => known,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let known = known.unwrap_or_default();
    let Some(pool) = known.pools.iter().find(|pool| pool.name == name) else {
        return Ok(page.answer(
            &asked.headers,
            &warnings,
            gone(api, "No pool of this name is at this node."),
        ));
    };
    let place = place(api, node);
    let content = html! {
        p #state .facts data-live { (pool_facts(pool)) }
        section #figures data-live { (pool_figures(pool)) }
        section #servers data-live {
            h2 { "Servers" small { "share of keys by weight beside share of traffic: a hot key shows as a difference" } }
            (pool_servers(&place, pool))
        }
        section #errors data-live { h2 { "Errors" small { "now first, then since the start" } } (errors(&pool.errors)) }
        div.columns {
            section #latency data-live { (pool_latency(pool)) }
            section #placement data-live { (pool_placement(pool)) }
        }
        (elsewhere())
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

/// `/pools/NODE/POOL/SERVER`.
pub(crate) async fn server(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let (node, pool_name, name) = (word(&asked, 0), word(&asked, 1), word(&asked, 2));
    let title = format!("Server {name}");
    let page = under_node(Page::new(api, "pools", &title), node)
        .under(pool_name, at(api, &["pools", node, pool_name]));
    let mut warnings = Warnings::default();
    let known = match warnings.take(api.fleet().pools_of(node).await) {
        Ok(known) => known,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let known = known.unwrap_or_default();
    let pool = known.pools.iter().find(|pool| pool.name == pool_name);
    let server = pool.and_then(|pool| pool.servers.iter().find(|server| server.name == name));
    let Some((pool, server)) = pool.zip(server) else {
        return Ok(page.answer(
            &asked.headers,
            &warnings,
            gone(api, "No server of this name is in this pool."),
        ));
    };
    let content = html! {
        p #state .facts data-live { (server_facts(pool, server)) }
        div.columns {
            section #latency data-live { (server_latency(server)) }
            section #traffic data-live { (server_traffic(server)) }
        }
        (elsewhere())
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn under_node<'a>(page: Page<'a>, node: &str) -> Page<'a> {
    let (pools, own) = (at(page.api, &["pools"]), at(page.api, &["nodes", node]));
    page.under("Pools", pools).under(node, own)
}

fn gone(api: &Api, words: &str) -> Markup {
    empty(words, html! { "It may be gone since a reload. " a href=(at(api, &["pools"])) { "All pools" } })
}

/// A note about the parts that only the admin port of the process has.
fn elsewhere() -> Markup {
    html! {
        p.facts.more {
            "The last hour, slow log, hot keys, settings, and ejecting, draining or returning a server: at the admin port of that process ("
            code { "[admin] listen" } ", by default 127.0.0.1:22220 on its machine)."
        }
    }
}
