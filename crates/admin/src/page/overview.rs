//! The start page: what is wrong now, since when and what to do; then the last hour and where to look next.

use maud::{Markup, html};
use ui::chart::{Unit, bar, chart, spark};
use ui::format::{bytes, change_rate, count, counted, rate};
use ui::parts::{badge, empty, moment, scroll, tile};
use ui::pools::errors_per_second;
use ui::text::{clean, path};

use super::events::{lines, troubles};
use super::{Site, engine, pools};
use crate::lookup::LookupReport;
use crate::outlook;
use crate::status::QueueStatus;
use crate::verdict::level;

/// Channels shown: the deepest.
const CHANNELS: usize = 8;
/// Events shown: the latest.
const EVENTS: usize = 6;

/// `/`.
pub(crate) fn overview(site: &Site<'_>) -> Markup {
    let status = site.status;
    let content = html! {
        section #now data-live {
            h2 { "Now" }
            @if status.troubles.is_empty() {
                p.calm { "Nothing fails, nothing is slow, nothing piles up." }
            } @else {
                (troubles(&status.troubles))
            }
        }
        div #charts .charts data-live { (charts(site)) }
        @if !status.pools.is_empty() {
            section #pools data-live {
                h2 { a href="/pools" { "Pools" } }
                (scroll("Pools", pools::table(site)))
            }
        }
        @if let Some(queue) = &status.queue { section #queue data-live { (of_queue(site, queue)) } }
        @if let Some(engine) = status.queue.as_ref().and_then(|queue| queue.engine.as_ref()) {
            section #engine data-live { (engine::section(engine)) }
        }
        @if let Some(lookup) = &status.lookup { section #lookup data-live { (of_lookup(lookup)) } }
        @if status.pools.is_empty() && status.queue.is_none() && status.lookup.is_none() {
            (empty("This process serves nothing.", html! {
                "Add a pool or a queue to the configuration and reload it: " a href="/configuration" { "Configuration" } "."
            }))
        }
        section #resources data-live { (resources(site)) }
        @if !status.events.is_empty() {
            section #events data-live {
                h2 { a href="/events" { "Lately" } }
                (lines(status.events.iter().take(EVENTS)))
            }
        }
        section { h2 { "For machines" } p.facts {
            a href="/metrics" { "/metrics" } " · " a href="/api/status" { "/api/status" } " · " a href="/health" { "/health" } " · "
            a href="/ready" { "/ready" } " · " a href="/live" { "/live" } " · " a href="/startup" { "/startup" }
        } }
    };
    site.page("", "Overview", &[], content)
}

fn charts(site: &Site<'_>) -> Markup {
    let status = site.status;
    let draw = |title: &str, unit, measure: &str, now: Option<f64>| {
        chart(title, unit, site.series(&[], measure).as_deref(), now.map(|now| now as f32))
    };
    let pools = &status.pools;
    let requests = pools.iter().map(|pool| pool.requests_per_second).sum();
    let errors = pools.iter().map(|pool| errors_per_second(&pool.errors)).sum();
    let p99 = pools.iter().filter_map(|pool| pool.latency.p99_us).max();
    html! {
        @if !pools.is_empty() {
            (draw("Requests", Unit::PerSecond, "requests", Some(requests)))
            (draw("Errors", Unit::PerSecond, "errors", Some(errors)))
            (draw("p99 of the slowest pool", Unit::Micros, "p99", Some(p99.map_or(f64::NAN, |p99| p99 as f64))))
        }
        @if let Some(queue) = &status.queue {
            @let published = queue.topics.iter().map(|topic| topic.messages_per_second).sum();
            @let finished = queue.topics.iter().flat_map(|topic| &topic.channels).map(|channel| channel.finished_per_second).sum();
            (draw("Messages in", Unit::PerSecond, "published", Some(published)))
            (draw("Messages finished", Unit::PerSecond, "finished", Some(finished)))
            (draw("Backlog", Unit::Count, "backlog", Some(queue.backlog() as f64)))
        }
        (draw("Request buffers", Unit::Bytes, "memory", Some(status.memory.used_bytes as f64)))
        (draw("Process, resident", Unit::Bytes, "rss", status.process.rss_bytes.map(|bytes| bytes as f64)))
    }
}

fn of_queue(site: &Site<'_>, queue: &QueueStatus) -> Markup {
    let (level, state) = match (queue.answers, &queue.fault) {
        (false, _) => (ui::Level::Critical, "silent"),
        (true, Some(_)) => (ui::Level::Critical, "failing"),
        (true, None) => (ui::Level::Well, "up"),
    };
    let stored = queue.topics.iter().map(|topic| topic.stored_bytes).sum();
    let mut channels: Vec<_> = queue
        .topics
        .iter()
        .flat_map(|topic| topic.channels.iter().map(move |channel| (topic, channel)))
        .collect();
    channels.sort_by(|a, b| {
        b.1.depth.cmp(&a.1.depth).then(b.1.finished_per_second.total_cmp(&a.1.finished_per_second))
    });
    html! {
        h2 { a href="/topics" { "Queue" } (badge(level, state)) }
        p.facts {
            (counted(queue.topics.len() as u64, "topic")) " · " (counted(queue.connections, "connection")) " · "
            (count(queue.backlog())) " waiting · " (bytes(stored)) " on disk"
        }
        @if channels.is_empty() {
            (empty("No channels yet.", html! {
                "A consumer makes its channel when it subscribes; " a href="/topics" { "Topics" } " has a form that makes one."
            }))
        } @else {
            (scroll("Deepest channels", html! {
                table {
                    thead { tr {
                        th scope="col" { "Channel" } th.n scope="col" { "Waiting" } th.n scope="col" { "Change" }
                        th.wide scope="col" { "Last hour" } th.n.wide scope="col" { "Finished" } th.n scope="col" { "Consumers" }
                        th scope="col" { "State" }
                    } }
                    tbody {
                        @for (topic, channel) in channels.iter().take(CHANNELS) {
                            @let lonely = channel.consumers == 0 && channel.depth > 0 && !channel.paused;
                            @let grows = channel.depth > 0 && channel.depth_growth_per_second > 0.0;
                            @let class = if lonely || grows { "warning" } else { "" };
                            tr class=(class) {
                                th scope="row" { a href=(path("", &["topics", &topic.name, &channel.name])) { (clean(&topic.name)) " › " (clean(&channel.name)) } }
                                td.n { (count(channel.depth)) }
                                td.n.marked[grows] { (change_rate(channel.depth_growth_per_second)) "/s" }
                                td.wide { (spark("waiting", Unit::Count, site.series(&["topic", &topic.name, &channel.name], "backlog").as_deref())) }
                                td.n.wide { (rate(channel.finished_per_second)) "/s" }
                                td.n.marked[lonely] { (count(channel.consumers)) }
                                td {
                                    @if let Some(full) = outlook::of_topic(&site.watch.rings(), topic) { (badge(full.level, &full.text)) " " }
                                    @if channel.paused { (badge(ui::Level::Notice, "paused")) } @else if lonely { (badge(ui::Level::Warning, "nobody consumes")) }
                                }
                            }
                        }
                    }
                }
            }))
            p.more { a href="/topics" { "All " (counted(queue.topics.len() as u64, "topic")) } }
        }
    }
}

fn of_lookup(report: &LookupReport) -> Markup {
    html! {
        h2 { "Lookup" }
        dl.tiles {
            (tile("Nodes", html! { (count(report.producers)) }))
            (tile("Topics known", html! { (count(report.topics)) }))
            (tile("Channels known", html! { (count(report.channels)) }))
            @if report.stale > 0 { (tile("Not heard of since the restart", html! { (count(report.stale)) })) }
        }
    }
}

fn resources(site: &Site<'_>) -> Markup {
    let status = site.status;
    let memory = status.memory;
    let grade = match memory.percent() {
        85.. => ui::Level::Critical,
        62.. => ui::Level::Warning,
        _ => ui::Level::Well,
    };
    let process = &status.process;
    html! {
        h2 { "Resources" }
        dl.tiles {
            div.(grade.class()) {
                dt { "Request buffers" }
                dd { (bytes(memory.used_bytes)) " " small { "of " (bytes(memory.budget_bytes)) } (bar("memory", memory.percent())) }
            }
            @if let Some(queue) = &status.queue {
                (tile("Queue memory", html! {
                    (bytes(queue.memory_bytes))
                    @if queue.memory_bytes_max > 0 { " " small { "of " (bytes(queue.memory_bytes_max)) } }
                    @if let Some(full) = outlook::of_memory(&site.watch.rings(), queue) { " " (badge(full.level, &full.text)) }
                }))
                @if let Some(free) = queue.disk_free_bytes {
                    (tile("Free disk", html! {
                        (bytes(free))
                        @if let Some(full) = outlook::of_disk(&site.watch.rings(), queue) { " " (badge(full.level, &full.text)) }
                    }))
                }
            }
            @if let Some(rss) = process.rss_bytes { (tile("Process, resident", html! { (bytes(rss)) })) }
            @if let Some((open, max)) = process.open_fds.zip(process.fds_max) {
                (tile("File descriptors", html! { (count(open)) " " small { "of " (count(max)) } }))
            }
            @if let Some(words) = status.gathering.words() { (tile("Gathering", html! { small { (words) } })) }
            (tile("Started", moment(status.started_ms)))
            @for certificate in &status.certificates {
                @if let Some(fault) = certificate.fault(status.now_ms) {
                    (tile("Certificate", html! { (badge(level(fault.severity), &fault.text)) }))
                }
            }
        }
        p.facts.more {
            @for (at, listening) in status.listening.iter().enumerate() {
                @if at > 0 { " · " }
                code { (listening.address) } " " (clean(&listening.what))
            }
        }
    }
}
