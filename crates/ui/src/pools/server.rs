//! Parts of a server's page: its latencies, errors and connections.

use maud::{Markup, html};

use super::parts::{bars, errors, quantiles, times};
use super::{Place, PoolStatus, PoolView, ServerState, ServerStatus, errors_per_second};
use crate::Level;
use crate::chart::{Unit, chart, distribution};
use crate::format::{bytes, count, counted, rate};
use crate::parts::{badge, moment, tile};
use crate::text::clean;

/// State of a server.
pub fn server_state(server: &ServerStatus) -> (Level, String) {
    let (level, words) = match (server.state, server.slow) {
        (ServerState::Ejected, _) => (Level::Critical, "ejected"),
        (ServerState::Up, true) => (Level::Warning, "slow"),
        (ServerState::Up, false) if server.by_hand.is_some() => (Level::Notice, "up"),
        (ServerState::Up, false) => (Level::Well, "up"),
    };
    match &server.by_hand {
        Some(change) => (level, format!("{words}; by hand: {change}")),
        None => (level, words.to_owned()),
    }
}

/// State, address, connections.
pub fn server_facts(view: &PoolView, server: &ServerStatus) -> Markup {
    let (level, words) = server_state(server);
    let master = view.topology.masters.iter().find(|master| master.name == server.name);
    let member = view.pool.placement.member(&server.name);
    let address =
        master.map_or_else(|| member.map(|member| &member.address), |master| master.address.as_ref());
    html! {
        (badge(level, &words)) " "
        @if let Some(address) = address { code { (clean(address)) } " · " }
        @if let Some(member) = member { "weight " (server.weight_by_hand.unwrap_or(member.weight)) " · " }
        (counted(server.connections, "connection")) " · " (count(server.waiting)) " waiting to be sent · " (count(server.in_flight)) " in flight"
        @if let Some(since) = server.ejected_since_ms { " · ejected since " (moment(since)) " on " (counted(server.ejected_shards, "shard")) }
    }
}

/// Its figures as charts of the last hour.
pub fn server_charts(place: &Place<'_>, pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: f64| {
        let series = place.series(&["pool", &pool.name, &server.name], measure);
        chart(title, unit, series.as_deref(), Some(now as f32))
    };
    let known = |us: Option<u64>| us.map_or(f64::NAN, |us| us as f64);
    let under_way = server.waiting.saturating_add(server.in_flight);
    html! {
        (draw("Requests", Unit::PerSecond, "requests", server.requests_per_second))
        (draw("Errors", Unit::PerSecond, "errors", errors_per_second(&server.errors)))
        (draw("p50", Unit::Micros, "p50", known(server.latency.p50_us)))
        (draw("p99", Unit::Micros, "p99", known(server.latency.p99_us)))
        (draw("Hit rate", Unit::Percent, "hits", server.hit_percent.unwrap_or(f64::NAN)))
        (draw("Waiting and in flight", Unit::Count, "in_flight", under_way as f64))
    }
}

/// Its latency.
pub fn server_latency(server: &ServerStatus) -> Markup {
    html! {
        h2 { "Latency" small { "from writing to the server to its reply" } }
        (quantiles(&server.latency))
        (times(server.queue_time, &server.response_times))
        (distribution("Requests by latency, last seconds", &bars(&server.distribution)))
    }
}

/// Its traffic and errors.
pub fn server_traffic(server: &ServerStatus) -> Markup {
    html! {
        h2 { "Traffic" }
        dl.tiles {
            (tile("Requests so far", html! { (count(server.requests_total)) }))
            (tile("Sent", html! { (bytes(server.request_bytes_total)) }))
            (tile("Received", html! { (bytes(server.response_bytes_total)) }))
            (tile("Mean reply", html! { (bytes(server.response_bytes_total / server.responses_total.max(1))) }))
            (tile("Ejections", html! { (count(server.ejections_total)) }))
        }
        p.facts.more { "Now: " (rate(server.requests_per_second)) " requests/s" }
        h2 { "Errors" }
        (errors(&server.errors))
    }
}
