//! Places of a figure in NSQ's own renderings: `/stats` as JSON and as a page, and the packets for statsd.
//!
//! Rows of a table are in the order of the JSON document. The page and statsd have their own orders, on which
//! programs rely: a row holds its place in each.

use crate::{Kind, Row};

/// Places of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Key and presence in the JSON document.
    json: Option<(&'static str, Shown)>,
    /// Place, label and width on the page.
    page: Option<(u8, &'static str, usize)>,
    /// Place and name in statsd.
    statsd: Option<(u8, &'static str)>,
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

/// A row with its places and its value.
pub type Placed = (&'static Row, &'static Places, u64);

impl Places {
    /// Absent from all three.
    pub(crate) const NONE: Places = Places { json: None, page: None, statsd: None };

    pub(crate) const fn json(key: &'static str, shown: Shown) -> Places {
        Places { json: Some((key, shown)), ..Places::NONE }
    }

    pub(crate) const fn page(self, place: u8, label: &'static str, width: usize) -> Places {
        Places { page: Some((place, label, width)), ..self }
    }

    pub(crate) const fn statsd(self, place: u8, name: &'static str) -> Places {
        Places { statsd: Some((place, name)), ..self }
    }
}

/// Figures of the JSON document, those on request or the others: keys and values.
pub fn in_json(
    figures: impl Iterator<Item = Placed>,
    on_request: bool,
) -> impl Iterator<Item = (&'static str, u64)> {
    figures.filter_map(move |(_, places, value)| {
        let (key, shown) = places.json?;
        let present = (shown == Shown::OnRequest) == on_request && (shown != Shown::NotZero || value > 0);
        present.then_some((key, value))
    })
}

/// Figures of the page in its order: label, width and value.
pub fn on_page(figures: impl Iterator<Item = Placed>) -> impl Iterator<Item = (&'static str, usize, u64)> {
    let mut found: Vec<_> = figures.filter_map(|(_, places, value)| Some((places.page?, value))).collect();
    found.sort_unstable_by_key(|((place, ..), _)| *place);
    found.into_iter().map(|((_, label, width), value)| (label, width, value))
}

/// Figures for statsd in its order: kind, name and value.
pub fn for_statsd(figures: impl Iterator<Item = Placed>) -> impl Iterator<Item = (Kind, &'static str, u64)> {
    let mut found: Vec<_> =
        figures.filter_map(|(row, places, value)| Some((places.statsd?, row.kind, value))).collect();
    found.sort_unstable_by_key(|((place, _), ..)| *place);
    found.into_iter().map(|((_, name), kind, value)| (kind, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelReport, TopicReport};

    #[test]
    fn no_two_rows_have_the_same_place() {
        for table in [TopicReport::PLACES, ChannelReport::PLACES] {
            let mut pages: Vec<u8> = table.iter().filter_map(|places| Some(places.page?.0)).collect();
            let mut packets: Vec<u8> = table.iter().filter_map(|places| Some(places.statsd?.0)).collect();
            for places in [&mut pages, &mut packets] {
                places.sort_unstable();
                assert!(places.iter().copied().eq(1..=places.len() as u8), "{places:?}");
            }
        }
    }

    #[test]
    fn each_rendering_has_its_own_order() {
        let topic = TopicReport { messages: 3, bytes: 2, depth: 1, rejected: 9, ..TopicReport::default() };
        let keys = |on_request| in_json(topic.figures(), on_request).collect::<Vec<_>>();
        let document = [("depth", 1), ("backend_depth", 0), ("message_count", 3), ("message_bytes", 2)];
        assert_eq!(keys(false), document);
        assert_eq!(
            keys(true),
            [("rejected_count", 9), ("dropped_count", 0), ("stored_bytes", 0), ("bytes_max", 0)]
        );
        let page: Vec<_> = on_page(topic.figures()).collect();
        assert_eq!(page, [("depth", 5, 1), ("be-depth", 5, 0), ("msgs", 8, 3)]);
        let packets: Vec<_> = for_statsd(topic.figures()).map(|(_, name, _)| name).collect();
        assert_eq!(packets, ["message_count", "message_bytes", "depth", "backend_depth"]);
    }

    #[test]
    fn a_figure_that_is_zero_may_be_absent() {
        let keys = |channel: ChannelReport| in_json(channel.figures(), false).count();
        let zone = ChannelReport { zone_local: 1, ..ChannelReport::default() };
        assert_eq!(keys(zone), keys(ChannelReport::default()) + 1);
    }
}
