//! Latencies, errors and shares, as pages of pools and servers have them.

use std::borrow::Cow;

use maud::{Markup, html};

use super::{ByClass, CAUSED_BY_CLIENTS, ErrorCount, Errors, HARMLESS, Latency, errors_per_second};
use crate::format::{count, micros, rate};
use crate::parts::{scroll, tile};
use crate::text::clean;

/// A latency; a dash without requests.
pub fn latency(us: Option<u64>) -> String {
    us.map_or_else(|| "–".into(), micros)
}

/// A share in percent; a dash if it is not known.
pub fn share(percent: Option<f64>) -> String {
    percent.map_or_else(|| "–".into(), |percent| format!("{percent:.1} %"))
}

/// Quantiles of the last seconds.
pub fn quantiles(latency: &Latency) -> Markup {
    html! {
        dl.tiles {
            @for (name, value) in [("p50", latency.p50_us), ("p90", latency.p90_us), ("p99", latency.p99_us), ("p99.9", latency.p999_us)] {
                (tile(name, html! { (self::latency(value)) }))
            }
        }
    }
}

/// Bars of a distribution of latencies.
pub fn bars(distribution: &[(u64, u64)]) -> Vec<(String, u64)> {
    distribution.iter().map(|(limit, count)| (micros(*limit), *count)).collect()
}

/// Queue time and response times apart, with their quantiles.
pub fn times(queue_time: Latency, response_times: &ByClass) -> Markup {
    let row = |name: &str, title: &str, latency: Latency| {
        html! {
            tr {
                th scope="row" title=(title) { (clean(name)) }
                td.n { (count(latency.count)) }
                @for us in [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us] { td.n { (self::latency(us)) } }
            }
        }
    };
    html! {
        (scroll("Queue time and response times, last seconds", html! {
            table.times {
                thead { tr {
                    th scope="col" { "Time" } th.n scope="col" { "Requests" } th.n scope="col" { "p50" } th.n scope="col" { "p90" }
                    th.n scope="col" { "p99" } th.n scope="col" { "p99.9" }
                } }
                tbody {
                    (row("queue", "from a request's acceptance to its writing to the server", queue_time))
                    @for (class, latency) in response_times {
                        (row(&format!("server, {class}"), "from its writing to the server to the reply", *latency))
                    }
                }
            }
        }))
    }
}

/// Words for kinds of errors; other kinds are shown by the names of their counters.
const WORDS: [(&str, &str); 18] = [
    ("timeouts", "timeouts"),
    ("no_server", "without a server"),
    ("refused", "refused"),
    ("client_refused", "clients turned away"),
    ("client_overflows", "clients that do not read"),
    ("client_err", "client connections broken"),
    ("protocol_errors", "malformed requests"),
    ("unsupported", "unsupported commands"),
    ("oversized", "requests too long"),
    ("cross_slot", "keys on several servers"),
    ("connects_refused", "connections refused"),
    ("server_err", "connections broken"),
    ("server_eof", "connections closed by it"),
    ("request_timeouts", "timeouts"),
    ("error_replies", "error replies"),
    ("late_replies", "late replies"),
    ("stray_replies", "stray replies"),
    ("probes_failed", "failed probes"),
];

/// True for kinds that say nothing about our health or a server's: they are not shown as alarms.
fn is_mild(kind: &str) -> bool {
    CAUSED_BY_CLIENTS.contains(&kind) || HARMLESS.contains(&kind)
}

/// A kind of error in words.
fn words(kind: &str) -> &str {
    WORDS.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, words)| words)
}

/// Errors that occur now come first, each with its rate; the others with their sum.
pub fn errors(errors: &Errors) -> Markup {
    let title = |kind: &str, total: u64| format!("{}: {} so far", clean(kind), count(total));
    let alarm = |kind: &str| if is_mild(kind) { "mild" } else { "now" };
    html! {
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second > 0.0) {
            span.error.(alarm(kind)) title=(title(kind, error.total)) { (rate(error.per_second)) "/s " (clean(words(kind))) }
        }
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second <= 0.0) {
            span.error.past title=(format!("{}, none lately", title(kind, error.total))) { (count(error.total)) " " (clean(words(kind))) }
        }
        @if errors.is_empty() { span.past { "none" } }
    }
}

/// Errors in a cell of a table, with each kind on hover: the rate of those that occur now, or else the sum of
/// all.
pub fn error_sum(errors: &Errors) -> Markup {
    let per_second = errors_per_second(errors);
    let total = errors.values().fold(0u64, |sum, error| sum.saturating_add(error.total));
    let is_alarm = errors.iter().any(|(kind, error)| error.per_second > 0.0 && !is_mild(kind));
    let each = |(kind, error): (&Cow<'static, str>, &ErrorCount)| {
        let now = if error.per_second > 0.0 {
            format!(", {}/s now", rate(error.per_second))
        } else {
            String::new()
        };
        format!("{}: {}{now}", clean(words(kind)), count(error.total))
    };
    let title = errors.iter().map(each).collect::<Vec<_>>().join("\n");
    html! {
        @if errors.is_empty() { span.past { "none" } }
        @else if per_second > 0.0 { span.error.(if is_alarm { "now" } else { "mild" }) title=(title) { (rate(per_second)) "/s" } }
        @else { span.error.past title=(title) { (count(total)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fails_here_is_an_alarm() {
        let count = ErrorCount { total: 7, per_second: 0.5 };
        let all = Errors::from([
            ("unsupported".into(), count),
            ("timeouts".into(), count),
            ("new_kind".into(), count),
        ]);
        let shown = errors(&all).into_string();
        assert!(
            shown.contains("class=\"error mild\" title=\"unsupported: 7 so far\">0.5/s unsupported commands"),
            "{shown}"
        );
        assert!(shown.contains("class=\"error now\" title=\"timeouts: 7 so far\">0.5/s timeouts"), "{shown}");
        assert!(shown.contains("0.5/s new_kind"), "{shown}");
    }
}
