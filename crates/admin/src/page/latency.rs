//! Latencies on the pages.

use maud::{Markup, html};
use ui::format::{count, micros};
use ui::parts::scroll;

use crate::status::{ByClass, Latency};

/// A latency; a dash without requests.
pub(super) fn latency(us: Option<u64>) -> String {
    us.map_or_else(|| "–".into(), micros)
}

/// Queue time and response times apart, with their quantiles.
pub(super) fn table(queue_time: Latency, response_times: &ByClass) -> Markup {
    let row = |name: &str, title: &str, latency: Latency| {
        html! {
            tr {
                th scope="row" title=(title) { (name) }
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
