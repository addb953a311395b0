//! All pools, a row each; and the parts of rows that pools and servers share.

use maud::{Markup, html};
use ui::chart::{Unit, spark};
use ui::format::{count, rate};
use ui::parts::{badge, empty, scroll};
use ui::text::{clean, path};

use super::Site;
use super::latency::latency;
use crate::status::{Errors, PoolState, PoolStatus};

/// `/pools`.
pub(crate) fn pools(site: &Site<'_>) -> Markup {
    let content = html! {
        section #pools data-live {
            @if site.status.pools.is_empty() {
                (empty("No pool is configured.", html! {
                    "A section " code { "[pool.NAME]" } " of the configuration makes one; reload it afterwards: "
                    a href="/configuration" { "Configuration" } "."
                }))
            } @else {
                (scroll("Pools", table(site)))
            }
        }
    };
    site.page("pools", "Pools", &[], content)
}

/// The table of pools.
pub(super) fn table(site: &Site<'_>) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Pool" } th scope="col" { "State" } th.n scope="col" { "Requests" } th.wide scope="col" { "Last hour" }
                th.n.wide scope="col" { "p50" } th.n scope="col" { "p99" } th.n scope="col" title="share of the keys read that were found" { "Hits" } th.n.wide scope="col" { "Clients" } th.n.wide scope="col" { "In flight" }
                th.n.wide scope="col" { "Servers up" } th scope="col" { "Errors" }
            } }
            tbody {
                @for pool in &site.status.pools {
                    @let (level, state) = state(pool);
                    @let up = pool.servers.iter().filter(|server| server.ejected_shards == 0).count();
                    tr.(if level == ui::Level::Well { "" } else { level.class() }) {
                        th scope="row" { a href=(path("", &["pools", &pool.name])) { (clean(&pool.name)) } " " small.wide { (pool.protocol) } }
                        td { (badge(level, state)) }
                        td.n { (rate(pool.requests_per_second)) "/s" }
                        td.wide { (spark("requests", Unit::PerSecond, site.series(&["pool", &pool.name], "requests").as_deref())) }
                        td.n.wide { (latency(pool.latency.p50_us)) }
                        td.n { (latency(pool.latency.p99_us)) }
                        td.n { (percent(pool.hit_percent)) }
                        td.n.wide { (count(pool.clients)) }
                        td.n.wide { (count(pool.in_flight)) }
                        td.n.wide { (up) " of " (pool.servers.len()) }
                        td { (errors(&pool.errors)) }
                    }
                }
            }
        }
    }
}

/// A share in percent; a dash if it is not known.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".into(), |share| format!("{share:.1} %"))
}

/// State of a pool.
pub(super) fn state(pool: &PoolStatus) -> (ui::Level, &'static str) {
    match pool.state {
        PoolState::Up => (ui::Level::Well, "up"),
        PoolState::Degraded => (ui::Level::Warning, "degraded"),
        PoolState::Down => (ui::Level::Critical, "down"),
    }
}

/// Errors that occur now come first, each with its rate; the others with their sum.
pub(super) fn errors(errors: &Errors) -> Markup {
    html! {
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second > 0.0) {
            span.error.now title=(format!("{} so far", count(error.total))) { (rate(error.per_second)) "/s " (kind) }
        }
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second <= 0.0) {
            span.error.past title="none lately" { (count(error.total)) " " (kind) }
        }
        @if errors.is_empty() { span.past { "none" } }
    }
}
