//! Troubles and events as lines, and the page of all events.

use http::Query;
use maud::{Markup, html};
use ui::format::{count, counted};
use ui::listing::{Column, Listing};
use ui::parts::{empty, moment};
use ui::text::clean;

use super::{Site, path_of};
use crate::events::Event;
use crate::trouble::Trouble;
use crate::verdict::level;

/// Troubles shown; a queue with thousands of idle consumers would make the page megabytes.
const TROUBLES: usize = 50;
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

/// Troubles with what to do about each: the worst, and how many more there are.
pub(super) fn troubles(troubles: &[Trouble]) -> Markup {
    let more = troubles.len().saturating_sub(TROUBLES);
    html! {
        ul.lines {
            @for trouble in troubles.iter().take(TROUBLES) {
                li.(level(trouble.severity).class()) {
                    b { (subject(&trouble.subject)) }
                    span { (clean(&trouble.text)) }
                    span.side { "since " (moment(trouble.since_ms)) " " a href=(format!("/runbook#{}", trouble.anchor)) { "what to do" } }
                }
            }
        }
        @if more > 0 {
            p.facts.more {
                "And " (counted(more as u64, "trouble")) " more, as in " a href="/api/status" { "/api/status" } "; topics by what waits in them: "
                a href="/topics?sort=waiting&order=desc" { "Topics" } "."
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Severity;

    #[test]
    fn troubles_without_end_are_cut() {
        let trouble = |n: usize| Trouble {
            severity: Severity::Warning,
            subject: format!("topic t{n}, channel c"),
            text: "nobody consumes".into(),
            anchor: "channel-no-consumer".into(),
            since_ms: 0,
        };
        let shown = |count: usize| troubles(&(0..count).map(trouble).collect::<Vec<_>>()).into_string();
        assert!(!shown(TROUBLES).contains("more, as in"));
        let cut = shown(10_000);
        assert_eq!(cut.matches("<li").count(), TROUBLES);
        assert!(cut.contains("And 9,950 troubles more"), "{cut}");
    }
}
