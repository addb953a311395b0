//! The engine, on the start page: whether it answers, who decides, who lags, what waits for it.

use maud::{Markup, html};
use ui::format::{bytes, count};
use ui::parts::{badge, moment, tile};
use ui::text::clean;

use crate::queue::EngineReport;

/// The section about the engine.
pub(super) fn section(engine: &EngineReport) -> Markup {
    let lags = engine.replicas_in_sync < engine.replicas || engine.topics_degraded > 0;
    let (level, state) = match (&engine.fault, lags) {
        (Some(_), _) => (ui::Level::Critical, "away"),
        (None, true) => (ui::Level::Warning, "degraded"),
        (None, false) => (ui::Level::Well, "up"),
    };
    html! {
        h2 { "Engine" (badge(level, state)) }
        @if let Some((fault, since)) = engine.fault.as_ref().zip(engine.fault_since_ms) {
            p.facts { (clean(fault)) ", since " (moment(since)) }
        }
        dl.tiles {
            (tile("Connected to", html! { small { (clean(&engine.server)) " " (clean(&engine.version)) } }))
            (tile("Leader", html! { small { @if engine.leader.is_empty() { "none" } @else { (clean(&engine.leader)) } } }))
            (tile("Replicas in sync", html! { (count(engine.replicas_in_sync)) " " small { "of " (count(engine.replicas)) } }))
            (tile("Topics", html! {
                (count(engine.topics))
                @if engine.topics_degraded > 0 { " " small { (count(engine.topics_degraded)) " degraded" } }
            }))
            (tile("Waiting to be forwarded", html! {
                (count(engine.forward_messages))
                @if let Some(oldest) = engine.forward_oldest_ms { " " small { "since " (moment(oldest)) } }
            }))
            (tile("Not acknowledged", html! { (bytes(engine.unacknowledged_bytes)) }))
        }
    }
}
