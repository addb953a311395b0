//! A server of a pool: its latencies, errors and connections; and what can be done to it by hand.

use maud::{Markup, html};
use telemetry::ServerStats;
use ui::format::counted;
use ui::parts::{Action, moment};
use ui::pools::{server_charts, server_facts, server_latency, server_traffic};
use ui::text::path;

use super::Site;
use super::pool::counters;
use crate::status::{PoolStatus, ServerState, ServerStatus};

/// `/pools/POOL/SERVER`.
pub(crate) fn server(site: &Site<'_>, pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let history = |subject: &[&str], measure: &str| site.series(subject, measure);
    let place = super::pools_at(&history);
    let content = html! {
        p #state .facts data-live { (server_facts(pool, server)) }
        @if let Some(event) = last_event(site, pool, server) {
            p #last .facts data-live { "Last event: " (event.text) ", " (moment(event.at_ms)) }
        }
        div.actions { (actions(pool, server)) }
        div #charts .charts data-live { (server_charts(&place, pool, server)) }
        div.columns {
            section #latency data-live { (server_latency(server)) }
            section #traffic data-live { (server_traffic(server)) }
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

fn actions(pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let weight = pool.placement.member(&server.name).map_or(1, |member| member.weight);
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
    let moved = format!("Its keys go to {}.", counted(others as u64, "other server"));
    // What is out comes back first; what changes nothing is not offered.
    let by_hand = server.by_hand.as_deref().unwrap_or_default();
    let (ejected, drained) = (by_hand.contains("ejected"), by_hand.contains("drained"));
    let returns = form(
        "return",
        "Return",
        format!(
            "Puts {} back into the ring, even if no probe has succeeded. What changed meanwhile elsewhere is old here.",
            server.name
        ),
        false,
        nothing(),
    );
    html! {
        @if server.state == ServerState::Ejected || ejected || drained { (returns) }
        @if !ejected && !drained { (form("eject", "Eject", format!("Takes {} out of the ring; its connections stay. {moved} What they hold is not there yet.{last}", server.name), true, nothing())) }
        @if !drained { (form("drain", "Drain", format!("Takes {} out of the ring and closes its connections once they owe nothing. {moved}{last}", server.name), true, nothing())) }
        (form("weight", "Set the weight", "Moves keys to or from this server. Empty: the configured weight.".into(), false, html! {
            p { label { "Weight " input type="number" name="weight" min="1" max="2147483647" value=(weight); } }
        }))
    }
}
