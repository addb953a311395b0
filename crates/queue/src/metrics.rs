//! Figures of topics and channels as NSQ shows them: a row each, the source of `/stats` as JSON and as a
//! page, and of the packets for statsd.
//!
//! Rows are in the order of the JSON document. The page and statsd have their own orders, on which programs
//! rely: a row holds its place in each.

use telemetry::Kind;

use crate::snapshot::{ChannelStats, TopicStats};

/// A figure.
pub(crate) struct Figure<T> {
    /// Key in the JSON document.
    pub json: &'static str,
    /// Presence in the JSON document.
    pub shown: Shown,
    /// Place, label and width on the page.
    pub page: Option<(u8, &'static str, usize)>,
    /// Place, kind and name in statsd.
    pub statsd: Option<(u8, Kind, &'static str)>,
    /// The value.
    pub value: fn(&T) -> u64,
}

/// Presence of a figure in the JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Always present.
    Always,
    /// Present unless it is 0.
    NotZero,
    /// Present on request: nsqd does not have it.
    OnRequest,
}

use Kind::{Counter, Gauge};
use Shown::{Always, NotZero, OnRequest};

const fn figure<T>(json: &'static str, shown: Shown, value: fn(&T) -> u64) -> Figure<T> {
    Figure { json, shown, page: None, statsd: None, value }
}

impl<T> Figure<T> {
    const fn page(self, place: u8, label: &'static str, width: usize) -> Figure<T> {
        Figure { page: Some((place, label, width)), ..self }
    }

    const fn statsd(self, place: u8, kind: Kind, name: &'static str) -> Figure<T> {
        Figure { statsd: Some((place, kind, name)), ..self }
    }
}

/// Figures of a topic.
pub(crate) const TOPIC: &[Figure<TopicStats>] = &[
    figure::<TopicStats>("depth", Always, |t| t.depth).page(1, "depth", 5).statsd(3, Gauge, "depth"),
    figure::<TopicStats>("backend_depth", Always, |t| t.backend_depth).page(2, "be-depth", 5).statsd(
        4,
        Gauge,
        "backend_depth",
    ),
    figure::<TopicStats>("message_count", Always, |t| t.messages).page(3, "msgs", 8).statsd(
        1,
        Counter,
        "message_count",
    ),
    figure::<TopicStats>("message_bytes", Always, |t| t.bytes).statsd(2, Counter, "message_bytes"),
    // Messages refused, and messages dropped, because the topic was full; bytes of its journal.
    figure::<TopicStats>("rejected_count", OnRequest, |t| t.rejected),
    figure::<TopicStats>("dropped_count", OnRequest, |t| t.dropped),
    figure::<TopicStats>("stored_bytes", OnRequest, |t| t.stored_bytes),
];

/// Figures of a channel.
pub(crate) const CHANNEL: &[Figure<ChannelStats>] =
    &[
        figure::<ChannelStats>("depth", Always, |c| c.depth).page(1, "depth", 5).statsd(2, Gauge, "depth"),
        figure::<ChannelStats>("backend_depth", Always, |c| c.backend_depth).page(2, "be-depth", 5).statsd(
            3,
            Gauge,
            "backend_depth",
        ),
        figure::<ChannelStats>("in_flight_count", Always, |c| c.in_flight).page(3, "inflt", 4).statsd(
            4,
            Gauge,
            "in_flight_count",
        ),
        figure::<ChannelStats>("deferred_count", Always, |c| c.deferred).page(4, "def", 4).statsd(
            5,
            Gauge,
            "deferred_count",
        ),
        figure::<ChannelStats>("message_count", Always, |c| c.counters.messages).page(7, "msgs", 8).statsd(
            1,
            Counter,
            "message_count",
        ),
        figure::<ChannelStats>("zone_local_msg_count", NotZero, |c| c.counters.delivered_in_zone),
        figure::<ChannelStats>("region_local_msg_count", NotZero, |c| c.counters.delivered_in_region),
        // Deliveries outside the daemon's zone and region.
        figure::<ChannelStats>("global_msg_count", NotZero, |c| {
            c.counters.delivered - c.counters.delivered_in_zone - c.counters.delivered_in_region
        }),
        figure::<ChannelStats>("requeue_count", Always, |c| c.counters.requeued).page(5, "re-q", 5).statsd(
            6,
            Counter,
            "requeue_count",
        ),
        figure::<ChannelStats>("timeout_count", Always, |c| c.counters.timed_out)
            .page(6, "timeout", 5)
            .statsd(7, Counter, "timeout_count"),
        figure::<ChannelStats>("client_count", Always, |c| c.client_count).statsd(8, Gauge, "clients"),
        // Messages set aside after too many attempts, dropped because they were too old, dropped because the
        // topic was full, and no longer readable from the disk.
        figure::<ChannelStats>("dead_count", OnRequest, |c| c.counters.dead),
        figure::<ChannelStats>("expired_count", OnRequest, |c| c.counters.expired),
        figure::<ChannelStats>("dropped_count", OnRequest, |c| c.counters.dropped),
        figure::<ChannelStats>("lost_count", OnRequest, |c| c.counters.lost),
    ];

/// Figures of the JSON document, those on request or the others: keys and values.
pub(crate) fn in_json<T>(
    figures: &'static [Figure<T>],
    on_request: bool,
    of: &T,
) -> impl Iterator<Item = (&'static str, u64)> {
    let there = move |figure: &&Figure<T>| (figure.shown == OnRequest) == on_request;
    let values = figures.iter().filter(there).map(|figure| (figure, (figure.value)(of)));
    values
        .filter(|(figure, value)| figure.shown != NotZero || *value > 0)
        .map(|(figure, value)| (figure.json, value))
}

/// Figures of the page in its order: label, width and value.
pub(crate) fn on_page<T>(figures: &'static [Figure<T>], of: &T) -> Vec<(&'static str, usize, u64)> {
    let mut found: Vec<_> =
        figures.iter().filter_map(|figure| Some((figure.page?, (figure.value)(of)))).collect();
    found.sort_unstable_by_key(|((place, ..), _)| *place);
    found.into_iter().map(|((_, label, width), value)| (label, width, value)).collect()
}

/// Figures for statsd in its order: kind, name and value.
pub(crate) fn for_statsd<T>(figures: &'static [Figure<T>], of: &T) -> Vec<(Kind, &'static str, u64)> {
    let mut found: Vec<_> =
        figures.iter().filter_map(|figure| Some((figure.statsd?, (figure.value)(of)))).collect();
    found.sort_unstable_by_key(|((place, ..), _)| *place);
    found.into_iter().map(|((_, kind, name), value)| (kind, name, value)).collect()
}
