//! A pool: who of its servers is slow, who is ejected, how keys and traffic are shared.

use maud::{Markup, html};
use telemetry::PoolStats;
use ui::chart::{Unit, bar, chart, distribution, spark};
use ui::format::{bytes, count, counted, micros, rate};
use ui::parts::{badge, moment, scroll};
use ui::text::{clean, path};

use super::Site;
use super::events::lines;
use super::latency::latency;
use super::pools::{errors, percent as share, state};
use crate::events::Event;
use crate::rings::errors_per_second;
use crate::status::{PoolStatus, ServerState, ServerStatus};

/// Events shown.
const EVENTS: usize = 8;

/// `/pools/POOL`.
pub(crate) fn pool(site: &Site<'_>, pool: &PoolStatus) -> Markup {
    let (level, words) = state(pool);
    let value = |name: &str| {
        let at = PoolStats::ROWS.iter().position(|row| row.name == name);
        at.and_then(|at| pool.values.get(at)).copied().unwrap_or(0)
    };
    let content = html! {
        p #state .facts data-live {
            (badge(level, words)) " " (pool.protocol) " · " (counted(pool.clients, "client")) " · "
            (count(pool.in_flight)) " in flight · " (bytes(value("memory_bytes"))) " held · " (count(pool.requests_total)) " requests so far"
        }
        p.facts.more { a href=(path("", &["slowlog", &pool.name])) { "Slow log" } " · "
            a href=(path("", &["keys", &pool.name])) { "Hot keys and big replies" }
        }
        div #charts .charts data-live { (charts(site, pool)) }
        section #servers data-live {
            h2 { "Servers" small { "share of keys by weight beside share of traffic: a hot key shows as a difference" } }
            (scroll("Servers", servers(site, pool)))
        }
        @let events = of_pool(site, pool);
        section #events data-live {
            h2 { a href="/events" { "Lately" } small { "ejections and returns move keys, and what moves is not there at first: the hit rate falls" } }
            @if events.is_empty() { p.facts { "Nothing has happened to this pool lately." } } @else { (lines(events.into_iter())) }
        }
        section #errors data-live { h2 { "Errors" small { "now first, then since the start" } } (errors(&pool.errors)) }
        div.columns {
            section #latency data-live {
                h2 { "Latency as clients see it" }
                (quantiles(&pool.latency))
                (super::latency::table(pool.queue_time, &pool.response_times))
                (distribution("Requests by latency, last seconds", &bars(&pool.distribution)))
            }
            section #placement data-live { (placement(pool)) }
        }
        section #counters data-live { (counters(PoolStats::ROWS, &pool.values)) }
    };
    site.page("pools", &format!("Pool {}", pool.name), &[("Pools", "/pools".into())], content)
}

/// Recent events of a pool, of its servers and of the configuration, newest first.
fn of_pool<'a>(site: &Site<'a>, pool: &PoolStatus) -> Vec<&'a Event> {
    let (own, of_server) = (format!("pool {}", pool.name), format!("pool {}, server ", pool.name));
    let concerns = |event: &&Event| {
        event.subject == own || event.subject.starts_with(&of_server) || event.subject == "configuration"
    };
    site.status.events.iter().filter(concerns).take(EVENTS).collect()
}

fn charts(site: &Site<'_>, pool: &PoolStatus) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: f64| {
        chart(title, unit, site.series(&["pool", &pool.name], measure).as_deref(), Some(now as f32))
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

fn servers(site: &Site<'_>, pool: &PoolStatus) -> Markup {
    let slowest = pool.servers.iter().filter_map(|server| server.latency.p99_us).max().unwrap_or(0).max(1);
    let traffic: f64 = pool.servers.iter().map(|server| server.requests_per_second).sum();
    let weights: u64 = pool.placement.servers.iter().map(|member| u64::from(member.weight)).sum();
    html! {
        table {
            thead { tr {
                th scope="col" { "Server" } th scope="col" { "State" } th.n scope="col" { "Requests" } th.wide scope="col" { "Last hour" }
                th.n scope="col" title="of the keys by weight, of the traffic now" { "Keys, traffic" }
                th.n.wide scope="col" title="time to be written to the server" { "Queue p99" }
                th.n.wide scope="col" { "p50" } th.n scope="col" { "p99" } th.n scope="col" title="share of the keys read that were found" { "Hits" }
                th.n.wide scope="col" { "Waiting" } th.n.wide scope="col" { "In flight" }
                th.n.wide scope="col" { "Connections" } th scope="col" { "Errors" }
            } }
            tbody {
                @for server in &pool.servers {
                    @let (level, words) = server_state(server);
                    @let weight = pool.placement.servers.iter().find(|member| member.name == server.name).map(|member| u64::from(member.weight));
                    tr.(if level == ui::Level::Well { "" } else { level.class() }) {
                        th scope="row" { a href=(path("", &["pools", &pool.name, &server.name])) { (clean(&server.name)) } }
                        td { (badge(level, &words)) }
                        td.n { (rate(server.requests_per_second)) "/s" }
                        td.wide { (spark("requests", Unit::PerSecond, site.series(&["pool", &pool.name, &server.name], "requests").as_deref())) }
                        td.n {
                            (weight.map_or_else(|| "–".into(), |weight| percent(weight as f64, weights as f64))) ", "
                            (percent(server.requests_per_second, traffic))
                        }
                        td.n.wide { (latency(server.queue_time.p99_us)) }
                        td.n.wide { (latency(server.latency.p50_us)) }
                        td.n { (latency(server.latency.p99_us)) (bar("p99", server.latency.p99_us.unwrap_or(0) * 100 / slowest)) }
                        td.n { (share(server.hit_percent)) }
                        td.n.wide { (count(server.waiting)) }
                        td.n.wide { (count(server.in_flight)) }
                        td.n.wide { (count(server.connections)) }
                        td { (errors(&server.errors)) }
                    }
                }
            }
        }
    }
}

/// State of a server.
pub(super) fn server_state(server: &ServerStatus) -> (ui::Level, String) {
    let (level, words) = match (server.state, server.slow) {
        (ServerState::Ejected, _) => (ui::Level::Critical, "ejected"),
        (ServerState::Up, true) => (ui::Level::Warning, "slow"),
        (ServerState::Up, false) if server.by_hand.is_some() => (ui::Level::Notice, "up"),
        (ServerState::Up, false) => (ui::Level::Well, "up"),
    };
    match &server.by_hand {
        Some(change) => (level, format!("{words}; by hand: {change}")),
        None => (level, words.to_owned()),
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part * 100.0 / whole) } else { "–".into() }
}

/// Quantiles of the last seconds.
pub(super) fn quantiles(latency: &crate::status::Latency) -> Markup {
    html! {
        dl.tiles {
            @for (name, value) in [("p50", latency.p50_us), ("p90", latency.p90_us), ("p99", latency.p99_us), ("p99.9", latency.p999_us)] {
                (ui::parts::tile(name, html! { (super::latency::latency(value)) }))
            }
        }
    }
}

/// Bars of a distribution of latencies.
pub(super) fn bars(distribution: &[(u64, u64)]) -> Vec<(String, u64)> {
    distribution.iter().map(|(limit, count)| (micros(*limit), *count)).collect()
}

fn placement(pool: &PoolStatus) -> Markup {
    let placement = &pool.placement;
    html! {
        h2 { "Placement of keys" }
        dl.tiles {
            (ui::parts::tile("Hash", html! { (placement.hash) }))
            (ui::parts::tile("Distribution", html! { (placement.distribution) }))
            (ui::parts::tile("Hash tag", html! { (placement.hash_tag.as_deref().unwrap_or("none")) }))
        }
        (scroll("Members of the ring", html! {
            table {
                thead { tr { th scope="col" { "Server" } th scope="col" { "Address" } th.n scope="col" { "Weight" } } }
                tbody { @for member in &placement.servers { tr {
                    th scope="row" { (clean(&member.name)) } td { code { (member.address) } } td.n { (count(u64::from(member.weight))) }
                } } }
            }
        }))
    }
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
