//! Numbers of topics and channels, as pages show them.

use maud::{Markup, html};
use ui::format;
use ui::parts::scroll;

use crate::fleet::{Latency, TopicStats};

/// A count; negative ones, which only a broken daemon sends, count as zero.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A count for people.
pub(super) fn count(count: i64) -> String {
    format::count(unsigned(count))
}

/// A count with its noun.
pub(super) fn counted(count: i64, noun: &str) -> String {
    format::counted(unsigned(count), noun)
}

/// Messages that wait in a topic and its channels.
pub(super) fn backlog(topic: &TopicStats) -> i64 {
    topic.channels.iter().flatten().fold(topic.depth, |sum, channel| sum.saturating_add(channel.depth))
}

/// Places of waiting messages.
pub(super) fn split(memory: i64, disk: i64) -> String {
    format!("{} in memory, {} on disk", count(memory), count(disk))
}

/// Time from publication to FIN.
pub(super) fn latency(latency: Option<&Latency>) -> Markup {
    let quantiles = latency.and_then(|latency| latency.percentiles.as_ref()).filter(|all| !all.is_empty());
    html! {
        @if let Some(quantiles) = quantiles {
            section #latency data-live {
                h2 { "Time from publication to FIN" }
                (scroll("Latency", html! {
                    table {
                        thead { tr { th.n scope="col" { "Quantile" } th.n scope="col" { "Least" } th.n scope="col" { "Average" } th.n scope="col" { "Greatest" } } }
                        tbody {
                            @for quantile in quantiles {
                                @let number = |name: &str| quantile.get(name).copied().unwrap_or(0.0);
                                tr {
                                    th.n scope="row" { (format!("{} %", number("quantile") * 100.0)) }
                                    @for name in ["min", "average", "max"] { td.n { (format::micros((number(name) / 1000.0) as u64)) } }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}
