//! Changes of a server by hand, as forms: of this process, or of the nodes of a fleet.

use maud::{Markup, html};

use super::{Place, PoolStatus, ServerState, ServerStatus};
use crate::format::counted;
use crate::parts::Action;
use crate::text::path;

/// Sentence about a change on the page after it. Only these words can be in an address.
pub fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "eject" => "Ejected: the server gets no more requests; its connections stay.",
        "drain" => "Draining: the server gets no more requests; its connections close once they owe nothing.",
        "return" => "Returned: the server is in the ring again.",
        "weight" => "The weight is set.",
        "level" => "The log level is set.",
        _ => return None,
    })
}

/// Forms of a server: one that is out comes back first, and a change of nothing is not offered.
pub(super) fn actions(place: &Place<'_>, pool: &PoolStatus, server: &ServerStatus) -> Markup {
    let form = Form { place, pool, server };
    let name = &server.name;
    let others =
        pool.servers.iter().filter(|other| other.state == ServerState::Up && other.name != *name).count();
    let last = if others == 0 { " It is the last one: every request of the pool will fail." } else { "" };
    let moved = format!("Its keys go to {}.", counted(others as u64, "other server"));
    let weight = server.weight_by_hand.or(pool.placement.member(name).map(|member| member.weight));
    let drained = server.by_hand.as_deref().unwrap_or_default().contains("drained");
    html! {
        @if server.state == ServerState::Ejected || server.out_by_hand {
            (form.show("return", "Return", format!("Puts {name} back into the ring, even if no probe has succeeded. What changed meanwhile elsewhere is old here."), false, html! {}))
        }
        @if !server.out_by_hand {
            (form.show("eject", "Eject", format!("Takes {name} out of the ring; its connections stay. {moved} What they hold is not there yet.{last}"), true, html! {}))
        }
        @if !drained {
            (form.show("drain", "Drain", format!("Takes {name} out of the ring and closes its connections once they owe nothing. {moved}{last}"), true, html! {}))
        }
        (form.show("weight", "Set the weight", "Moves keys to or from this server. Empty: the configured weight.".into(), false, html! {
            p { label { "Weight " input type="number" name="weight" min="1" max="2147483647" value=(weight.unwrap_or(1)); } }
        }))
    }
}

/// Forms of one server.
struct Form<'a> {
    place: &'a Place<'a>,
    pool: &'a PoolStatus,
    server: &'a ServerStatus,
}

impl Form<'_> {
    fn show(&self, change: &str, words: &str, confirmation: String, loses: bool, inputs: Markup) -> Markup {
        let Form { place, pool, server } = self;
        let mut fields = vec![("change", change), ("pool", &pool.name), ("server", &server.name)];
        fields.extend(place.node.map(|node| ("node", node)));
        let path = path(place.base, &[if place.node.is_some() { "action" } else { "change" }]);
        let action = Action { path: &path, fields: &fields, words, confirmation: Some(confirmation), loses };
        action.form_with(&html! {
            (inputs)
            @if place.peers > 1 {
                p { label { input type="checkbox" name="everywhere" value="true"; " on all " (place.peers) " nodes that have this server" } }
            }
        })
    }
}
