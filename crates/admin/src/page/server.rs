//! A server of a pool: its latencies, errors and connections; and what can be done to it by hand.

use maud::{Markup, html};
use telemetry::ServerStats;
use ui::chart::{Unit, chart, distribution};
use ui::format::{bytes, count, rate};
use ui::parts::{Action, badge, moment};
use ui::text::path;

use super::Site;
use super::pool::{bars, counters, quantiles, server_state};
use super::pools::errors;
use crate::rings::errors_per_second;
use crate::status::{PoolStatus, ServerState, ServerStatus};

/// `/pools/POOL/SERVER`.
pub(crate) fn server(site: &Site<'_>, pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let (level, words) = server_state(server);
    let member = pool.placement.servers.iter().find(|member| member.name == server.name);
    let value = |name: &str| {
        let at = ServerStats::ROWS.iter().position(|row| row.name == name);
        at.and_then(|at| server.values.get(at)).copied().unwrap_or(0)
    };
    let content = html! {
        p #state .facts data-live {
            (badge(level, &words)) " "
            @if let Some(member) = member { code { (member.address) } " · weight " (member.weight) " · " }
            (count(server.connections)) " connections · " (count(server.waiting)) " waiting to be sent · " (count(server.in_flight)) " in flight"
            @if let Some(since) = server.ejected_since_ms { " · ejected since " (moment(since)) " on " (server.ejected_shards) " shards" }
        }
        @if let Some(event) = last_event(site, pool, server) {
            p #last .facts data-live { "Last event: " (event.text) ", " (moment(event.at_ms)) }
        }
        div.actions { (actions(pool, server, member.map_or(1, |member| member.weight))) }
        div #charts .charts data-live { (charts(site, pool, server)) }
        div.columns {
            section #latency data-live {
                h2 { "Latency" small { "from writing to the server to its reply" } }
                (quantiles(&server.latency))
                (super::latency::table(server.queue_time, &server.response_times))
                (distribution("Requests by latency, last seconds", &bars(&server.distribution)))
            }
            section #traffic data-live {
                h2 { "Traffic" }
                dl.tiles {
                    (ui::parts::tile("Requests so far", html! { (count(server.requests_total)) }))
                    (ui::parts::tile("Sent", html! { (bytes(value("request_bytes"))) }))
                    (ui::parts::tile("Received", html! { (bytes(value("response_bytes"))) }))
                    (ui::parts::tile("Mean reply", html! { (bytes(value("response_bytes") / value("responses").max(1))) }))
                    (ui::parts::tile("Ejections", html! { (count(value("ejections"))) }))
                }
                p.facts.more { "Now: " (rate(server.requests_per_second)) " requests/s" }
                h2 { "Errors" }
                (errors(&server.errors))
            }
        }
        section #counters data-live { (counters(ServerStats::ROWS, &server.values)) }
    };
    let trail = [("Pools", "/pools".to_owned()), (pool.name.as_str(), path("", &["pools", &pool.name]))];
    site.page("pools", &format!("Server {}", server.name), &trail, content)
}

fn last_event<'a>(
    site: &Site<'a>,
    pool: &PoolStatus,
    server: &ServerStatus,
) -> Option<&'a crate::events::Event> {
    let subject = format!("pool {}, server {}", pool.name, server.name);
    site.status.events.iter().find(|event| event.subject == subject)
}

fn charts(site: &Site<'_>, pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: f64| {
        let series = site.series(&["pool", &pool.name, &server.name], measure);
        chart(title, unit, series.as_deref(), Some(now as f32))
    };
    let known = |us: Option<u64>| us.map_or(f64::NAN, |us| us as f64);
    html! {
        (draw("Requests", Unit::PerSecond, "requests", server.requests_per_second))
        (draw("Errors", Unit::PerSecond, "errors", errors_per_second(&server.errors)))
        (draw("p50", Unit::Micros, "p50", known(server.latency.p50_us)))
        (draw("p99", Unit::Micros, "p99", known(server.latency.p99_us)))
        (draw("Hit rate", Unit::Percent, "hits", server.hit_percent.unwrap_or(f64::NAN)))
        (draw("Waiting and in flight", Unit::Count, "in_flight", (server.waiting + server.in_flight) as f64))
    }
}

fn actions(pool: &PoolStatus, server: &ServerStatus, weight: u32) -> Markup {
    let others = pool
        .servers
        .iter()
        .filter(|other| other.state == ServerState::Up && other.name != server.name)
        .count();
    let last = if others == 0 { " It is the last one: every request of the pool will fail." } else { "" };
    let form = |change: &str, words: &str, confirmation: String, loses: bool, inputs: Markup| {
        let fields = [("change", change), ("pool", pool.name.as_str()), ("server", server.name.as_str())];
        Action { path: "/change", fields: &fields, words, confirmation: Some(confirmation), loses }
            .form_with(&inputs)
    };
    let nothing = || html! {};
    let moved = format!("Its keys go to {}.", ui::format::counted(others as u64, "other server"));
    html! {
        (form("eject", "Eject", format!("Takes {} out of the ring; its connections stay. {moved} What they hold is not there yet.{last}", server.name), true, nothing()))
        (form("drain", "Drain", format!("Takes {} out of the ring and closes its connections once they owe nothing. {moved}{last}", server.name), true, nothing()))
        (form("return", "Return", format!("Puts {} back into the ring, even if no probe has succeeded. What changed meanwhile elsewhere is old here.", server.name), false, nothing()))
        (form("weight", "Set the weight", "Moves keys to or from this server. Empty: the configured weight.".into(), false, html! {
            p { label { "Weight " input type="number" name="weight" min="1" max="2147483647" value=(weight); } }
        }))
    }
}
