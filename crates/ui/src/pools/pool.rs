//! Parts of a pool's page: who of its servers is slow, who is ejected, how keys and traffic are shared.

use maud::{Markup, html};

use super::parts::{bars, error_sum, latency, quantiles, share, times};
use super::server::server_state;
use super::table::pool_state;
use super::{Place, PoolStatus, ServerStatus, errors_per_second};
use crate::Level;
use crate::chart::{Unit, bar, chart, distribution, spark};
use crate::format::{bytes, count, counted, rate};
use crate::parts::{badge, scroll, tile};
use crate::text::clean;

/// State, clients, memory.
pub fn pool_facts(pool: &PoolStatus) -> Markup {
    let (level, words) = pool_state(pool);
    html! {
        (badge(level, words)) " " (clean(&pool.protocol)) " · " (counted(pool.clients, "client")) " · "
        (count(pool.in_flight)) " in flight · " (bytes(pool.memory_bytes)) " held · " (count(pool.requests_total)) " requests so far"
    }
}

/// Its figures as charts of the last hour.
pub fn pool_charts(place: &Place<'_>, pool: &PoolStatus) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: f64| {
        chart(title, unit, place.series(&["pool", &pool.name], measure).as_deref(), Some(now as f32))
    };
    let known = |us: Option<u64>| us.map_or(f64::NAN, |us| us as f64);
    html! {
        (draw("Requests", Unit::PerSecond, "requests", pool.requests_per_second))
        (draw("Errors", Unit::PerSecond, "errors", errors_per_second(&pool.errors)))
        (draw("p50", Unit::Micros, "p50", known(pool.latency.p50_us)))
        (draw("p99", Unit::Micros, "p99", known(pool.latency.p99_us)))
        (draw("Hit rate", Unit::Percent, "hits", pool.hit_percent.unwrap_or(f64::NAN)))
        (draw("Clients", Unit::Count, "clients", pool.clients as f64))
    }
}

/// The table of its servers.
pub fn pool_servers(place: &Place<'_>, pool: &PoolStatus) -> Markup {
    let whole = Whole::of(pool);
    html! {
        (scroll("Servers", html! {
            table {
                thead { tr {
                    th scope="col" { "Server" } th scope="col" { "State" } th.n scope="col" { "Requests" }
                    th.wide scope="col" { "Last hour" }
                    th.n scope="col" title="of the keys by weight, of the traffic now" { "Keys, traffic" }
                    th.n.wide scope="col" title="time to be written to the server" { "Queue p99" }
                    th.n.wide scope="col" { "p50" } th.n scope="col" { "p99" } th.n scope="col" title="share of the keys read that were found" { "Hits" }
                    th.n.wide scope="col" title="waiting to be sent, and sent without a reply yet" { "Waiting, sent" }
                    th.n.wide scope="col" { "Connections" } th.n scope="col" title="now, or else since the start" { "Errors" }
                } }
                tbody { @for server in &pool.servers { (row(place, pool, server, &whole)) } }
            }
        }))
    }
}

/// Sums that shares are of.
struct Whole {
    slowest_us: u64,
    requests_per_second: f64,
    weight: u64,
}

impl Whole {
    fn of(pool: &PoolStatus) -> Whole {
        let p99 = pool.servers.iter().filter_map(|server| server.latency.p99_us);
        Whole {
            slowest_us: p99.max().unwrap_or(0).max(1),
            requests_per_second: pool.servers.iter().map(|server| server.requests_per_second).sum(),
            weight: pool.placement.servers.iter().map(|member| u64::from(member.weight)).sum(),
        }
    }
}

fn row(place: &Place<'_>, pool: &PoolStatus, server: &ServerStatus, whole: &Whole) -> Markup {
    let (level, words) = server_state(server);
    let weight = pool.placement.member(&server.name).map(|member| u64::from(member.weight));
    let traffic = percent(server.requests_per_second, whole.requests_per_second);
    let slow = server.latency.p99_us.unwrap_or(0).saturating_mul(100) / whole.slowest_us;
    html! {
        tr.(if level == Level::Well { "" } else { level.class() }) {
            th scope="row" { a href=(place.of_server(&pool.name, &server.name)) { (clean(&server.name)) } }
            td { (badge(level, &words)) }
            td.n { (rate(server.requests_per_second)) "/s" }
            td.wide { (spark("requests", Unit::PerSecond, place.series(&["pool", &pool.name, &server.name], "requests").as_deref())) }
            td.n { (weight.map_or_else(|| "–".into(), |weight| percent(weight as f64, whole.weight as f64))) ", " (traffic) }
            td.n.wide { (latency(server.queue_time.p99_us)) }
            td.n.wide { (latency(server.latency.p50_us)) }
            td.n { (latency(server.latency.p99_us)) (bar("p99", slow)) }
            td.n { (share(server.hit_percent)) }
            td.n.wide { (count(server.waiting)) ", " (count(server.in_flight)) }
            td.n.wide { (count(server.connections)) }
            td.n { (error_sum(&server.errors)) }
        }
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part * 100.0 / whole) } else { "–".into() }
}

/// Latency as clients see it, and where it arises.
pub fn pool_latency(pool: &PoolStatus) -> Markup {
    html! {
        h2 { "Latency as clients see it" }
        (quantiles(&pool.latency))
        (times(pool.queue_time, &pool.response_times))
        (distribution("Requests by latency, last seconds", &bars(&pool.distribution)))
    }
}

/// Its ring.
pub fn pool_placement(pool: &PoolStatus) -> Markup {
    let placement = &pool.placement;
    html! {
        h2 { "Placement of keys" }
        dl.tiles {
            (tile("Hash", html! { (clean(&placement.hash)) }))
            (tile("Distribution", html! { (clean(&placement.distribution)) }))
            (tile("Hash tag", html! { (clean(placement.hash_tag.as_deref().unwrap_or("none"))) }))
        }
        (scroll("Members of the ring", html! {
            table {
                thead { tr { th scope="col" { "Server" } th scope="col" { "Address" } th.n scope="col" { "Weight" } } }
                tbody { @for member in &placement.servers { tr {
                    th scope="row" { (clean(&member.name)) } td { code { (clean(&member.address)) } } td.n { (count(u64::from(member.weight))) }
                } } }
            }
        }))
    }
}
