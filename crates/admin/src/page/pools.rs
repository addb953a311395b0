//! A pool on the page: a summary line, and its servers with the slow and the failing ones marked.

use super::html::{Escaped, Html};
use crate::format::{count, counted, duration, micros, rate};
use crate::status::{Errors, Latency, PoolState, PoolStatus, ServerState, ServerStatus};

/// Renders a pool.
pub(super) fn pool(html: &mut Html, pool: &PoolStatus, now_ms: u64) {
    let (class, state) = match pool.state {
        PoolState::Up => ("well", "up"),
        PoolState::Degraded => ("warning", "degraded"),
        PoolState::Down => ("critical", "down"),
    };
    html.add(format_args!(
        "<section><h2>Pool {} <small>{}</small> <strong class=\"state {class}\">{state}</strong></h2>\n\
         <p class=\"facts\">{} requests/s · {} · {} in flight · p50 {} · p99 {}</p>\n",
        Escaped(&pool.name),
        pool.protocol,
        rate(pool.requests_per_second),
        counted(pool.clients, "client"),
        count(pool.in_flight),
        latency(pool.latency.p50_us),
        latency(pool.latency.p99_us),
    ));
    if !pool.errors.is_empty() {
        html.add(format_args!("<p class=\"errors\">"));
        errors(html, &pool.errors);
        html.add(format_args!("</p>\n"));
    }
    html.add(format_args!(
        "<div class=\"scroll\"><table><thead><tr><th>server<th>state<th class=\"n\">requests/s\
         <th class=\"n wide\">p50<th class=\"n\">p99<th class=\"n wide\">in flight<th class=\"n wide\">waiting\
         <th class=\"n wide\">connections<th>errors</thead>\n<tbody>\n"
    ));
    let slowest = pool.servers.iter().filter_map(|server| server.latency.p99_us).max().unwrap_or(0);
    pool.servers.iter().for_each(|found| server(html, found, slowest, now_ms));
    html.add(format_args!("</tbody></table></div></section>\n"));
}

fn server(html: &mut Html, server: &ServerStatus, slowest_us: u64, now_ms: u64) {
    let (class, mut state) = match (server.state, server.slow) {
        (ServerState::Up, false) if server.by_hand.is_some() => ("notice", "up".into()),
        (ServerState::Up, false) => ("well", "up".into()),
        (ServerState::Up, true) => ("warning", "slow".into()),
        (ServerState::Ejected, _) => ("critical", ejected(server, now_ms)),
    };
    if let Some(change) = &server.by_hand {
        state = format!("{state}; by hand: {change}");
    }
    html.add(format_args!(
        "<tr class=\"{class}\"><th scope=\"row\">{}<td><strong class=\"state {class}\">{state}</strong>\
         <td class=\"n\">{}<td class=\"n wide\">{}<td class=\"n bar\" style=\"--share:{}%\">{}<td class=\"n wide\">{}\
         <td class=\"n wide\">{}<td class=\"n wide\">{}<td>",
        Escaped(&server.name),
        rate(server.requests_per_second),
        latency(server.latency.p50_us),
        share(server.latency, slowest_us),
        latency(server.latency.p99_us),
        count(server.in_flight),
        count(server.waiting),
        count(server.connections),
    ));
    errors(html, &server.errors);
    html.add(format_args!("</tr>\n"));
}

fn ejected(server: &ServerStatus, now_ms: u64) -> String {
    match server.ejected_since_ms {
        Some(since) => format!("ejected {}", duration(now_ms.saturating_sub(since))),
        None => "ejected".into(),
    }
}

/// Errors that occur now come first, each with its rate; the others as one muted sum.
fn errors(html: &mut Html, errors: &Errors) {
    let (now, past): (Vec<_>, Vec<_>) = errors.iter().partition(|(_, error)| error.per_second > 0.0);
    for (kind, error) in now {
        let (often, total) = (rate(error.per_second), count(error.total));
        html.add(format_args!(
            "<span class=\"error\" title=\"{total} so far\"><b>{often}/s</b> {kind}</span> "
        ));
    }
    for (kind, error) in past {
        let total = count(error.total);
        html.add(format_args!("<span class=\"error past\" title=\"none lately\">{total} {kind}</span> "));
    }
}

fn latency(us: Option<u64>) -> String {
    us.map_or_else(|| "–".into(), micros)
}

/// The p99 relative to the pool's slowest server, in percent.
fn share(latency: Latency, slowest_us: u64) -> u64 {
    latency.p99_us.unwrap_or(0) * 100 / slowest_us.max(1)
}
