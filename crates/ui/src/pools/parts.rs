//! Latencies, errors and shares, as pages of pools and servers have them.

use maud::{Markup, html};

use super::{ByClass, Errors, Latency};
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

/// Errors that occur now come first, each with its rate; the others with their sum.
pub fn errors(errors: &Errors) -> Markup {
    html! {
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second > 0.0) {
            span.error.now title=(format!("{} so far", count(error.total))) { (rate(error.per_second)) "/s " (clean(kind)) }
        }
        @for (kind, error) in errors.iter().filter(|(_, error)| error.per_second <= 0.0) {
            span.error.past title="none lately" { (count(error.total)) " " (clean(kind)) }
        }
        @if errors.is_empty() { span.past { "none" } }
    }
}
