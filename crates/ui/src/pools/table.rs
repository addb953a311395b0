//! Pools as rows of a table.

use maud::{Markup, html};

use super::parts::{error_sum, latency, share};
use super::{Place, PoolState, PoolStatus};
use crate::Level;
use crate::chart::{Unit, spark};
use crate::format::{count, rate};
use crate::parts::badge;
use crate::text::clean;

/// Headings of [`pool_cells`].
pub fn columns() -> Markup {
    html! {
        th scope="col" { "Pool" } th scope="col" { "State" } th.n scope="col" { "Requests" }
        th.wide scope="col" { "Last hour" } th.n.wide scope="col" { "p50" } th.n scope="col" { "p99" }
        th.n scope="col" title="share of the keys read that were found" { "Hits" } th.n.wide scope="col" { "Clients" }
        th.n.wide scope="col" { "In flight" } th.n.wide scope="col" { "Servers up" } th.n scope="col" title="now, or else since the start" { "Errors" }
    }
}

/// Cells of a pool, its name first.
pub fn pool_cells(place: &Place<'_>, pool: &PoolStatus) -> Markup {
    let (level, state) = pool_state(pool);
    html! {
        th scope="row" { a href=(place.of_pool(&pool.name)) { (clean(&pool.name)) } " " small.wide { (clean(&pool.protocol)) } }
        td { (badge(level, state)) }
        td.n { (rate(pool.requests_per_second)) "/s" }
        td.wide { (spark("requests", Unit::PerSecond, place.series(&["pool", &pool.name], "requests").as_deref())) }
        td.n.wide { (latency(pool.latency.p50_us)) }
        td.n { (latency(pool.latency.p99_us)) }
        td.n { (share(pool.hit_percent)) }
        td.n.wide { (count(pool.clients)) }
        td.n.wide { (count(pool.in_flight)) }
        td.n.wide { (servers_up(pool)) " of " (pool.servers.len()) }
        td.n { (error_sum(&pool.errors)) }
    }
}

/// Number of its servers that no shard has ejected.
pub fn servers_up(pool: &PoolStatus) -> usize {
    pool.servers.iter().filter(|server| server.ejected_shards == 0).count()
}

/// State of a pool.
pub fn pool_state(pool: &PoolStatus) -> (Level, &'static str) {
    match pool.state {
        PoolState::Up => (Level::Well, "up"),
        PoolState::Degraded => (Level::Warning, "degraded"),
        PoolState::Down => (Level::Critical, "down"),
    }
}
