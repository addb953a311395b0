//! Troubles and events as lines, and the page of all events.

use http::Query;
use maud::{Markup, html};
use ui::format::count;
use ui::listing::{Column, Listing};
use ui::parts::{empty, moment};
use ui::text::clean;

use super::{Site, path_of};
use crate::events::Event;
use crate::trouble::Trouble;
use crate::verdict::level;

/// The only column: events are shown in the order of their time.
const TIME: Column = Column { numeric: true, ..Column::text("time", "Time") };

/// `/events`: what happened, newest first; those whose subject or text contains the filter.
pub(crate) fn events(site: &Site<'_>, all: &[Event], query: &Query) -> Markup {
    let listing = Listing::of(query, &TIME);
    let rows: Vec<&Event> =
        all.iter().filter(|event| listing.admits(&format!("{} {}", event.subject, event.text))).collect();
    let cut = listing.cut(rows, |a, b| a.at_ms.cmp(&b.at_ms));
    let content = html! {
        section {
            @if !all.is_empty() { (listing.search("/events", "Subject or text contains")) }
            div #events data-live {
                @if all.is_empty() {
                    (empty("Nothing happened yet.", html! {
                        "Ejections and returns of servers, reloads and every change made by hand come here."
                    }))
                } @else {
                    (lines(cut.rows.iter().copied()))
                    (listing.pager("/events", &cut, "events"))
                }
            }
            @if site.status.events_lost > 0 {
                p.facts { (count(site.status.events_lost)) " more came too fast to be kept; the log has them." }
            }
        }
    };
    site.page("events", "Events", &[], content)
}

/// Troubles with what to do about each.
pub(super) fn troubles(troubles: &[Trouble]) -> Markup {
    html! {
        ul.lines {
            @for trouble in troubles {
                li.(level(trouble.severity).class()) {
                    b { (subject(&trouble.subject)) }
                    span { (clean(&trouble.text)) }
                    span.side { "since " (moment(trouble.since_ms)) " " a href=(format!("/runbook#{}", trouble.anchor)) { "what to do" } }
                }
            }
        }
    }
}

/// Events.
pub(super) fn lines<'a>(events: impl Iterator<Item = &'a Event>) -> Markup {
    html! {
        ul.lines.quiet {
            @for event in events {
                li.(level(event.severity).class()) {
                    b { (subject(&event.subject)) }
                    span { (clean(&event.text)) }
                    span.side { (moment(event.at_ms)) }
                }
            }
        }
    }
}

fn subject(subject: &str) -> Markup {
    html! {
        @if let Some(path) = path_of(subject) { a href=(path) { (clean(subject)) } } @else { (clean(subject)) }
    }
}
