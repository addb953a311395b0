//! Statistics of several queues combined: sums, with the numbers of each queue listed below them.
//!
//! Pure functions: no requests and no clock, so the same statistics give the same sums.

use std::collections::BTreeMap;

use super::{ChannelStats, ClientStats, Stats, TopicStats};
use crate::fleet::Latency;

macro_rules! sum {
    ($all:ident, $one:ident, $($field:ident),+) => {
        $($all.$field = $all.$field.saturating_add($one.$field);)+
    };
}

/// A topic summed over all queues.
pub fn topic_of(name: &str, stats: Stats) -> TopicStats {
    let mut all = TopicStats {
        topic_name: name.to_owned(),
        e2e_processing_latency: (!stats.is_empty()).then(|| Latency::of_all(name, "")),
        ..TopicStats::default()
    };
    for one in stats {
        all.node = "*".into();
        sum!(
            all,
            one,
            depth,
            memory_depth,
            backend_depth,
            message_count,
            delivery_msg_count,
            zone_local_msg_count,
            region_local_msg_count,
            global_msg_count,
            rejected_count,
            dropped_count,
            stored_bytes,
            bytes_max
        );
        all.paused |= one.paused;
        if let (Some(all), Some(one)) = (&mut all.e2e_processing_latency, &one.e2e_processing_latency) {
            all.add(one);
        }
        all.publishers.extend_from_slice(&one.publishers);
        for channel in one.channels.iter().flatten() {
            let channels = all.channels.get_or_insert_default();
            match channels.iter_mut().find(|known| known.channel_name == channel.channel_name) {
                Some(known) => known.join(channel),
                None => channels.push(channel.clone()),
            }
        }
        all.nodes.get_or_insert_default().push(one);
    }
    all
}

/// A channel summed over all queues; `None` if none has it.
pub fn channel_of(topic: &str, name: &str, stats: Stats) -> Option<ChannelStats> {
    let channels = stats.into_iter().flat_map(|topic| topic.channels.unwrap_or_default());
    let mut channels = channels.filter(|channel| channel.channel_name == name).peekable();
    channels.peek()?;
    let mut all = ChannelStats {
        topic_name: topic.to_owned(),
        channel_name: name.to_owned(),
        e2e_processing_latency: Some(Latency::of_all(topic, name)),
        ..ChannelStats::default()
    };
    channels.for_each(|channel| all.add(channel));
    if let Some(clients) = &mut all.clients {
        clients
            .sort_by_cached_key(|client| (client.node.clone(), client.distance(), client.hostname.clone()));
    }
    Some(all)
}

/// Messages of each channel on each queue, by `TOPIC:CHANNEL:NODE`.
pub fn counts(stats: &Stats) -> BTreeMap<String, (&ChannelStats, i64)> {
    let mut counts = BTreeMap::new();
    for channel in stats.iter().flat_map(|topic| topic.channels.iter().flatten()) {
        let key = format!("{}:{}:{}", channel.topic_name, channel.channel_name, channel.node);
        let (_, count) = counts.entry(key).or_insert((channel, 0_i64));
        *count = count.saturating_add(channel.message_count);
    }
    counts
}

impl ChannelStats {
    /// Adds another queue's channel, which makes it a channel of several queues.
    fn join(&mut self, other: &ChannelStats) {
        if self.nodes.is_none() {
            let first = self.clone();
            *self = ChannelStats {
                topic_name: first.topic_name.clone(),
                channel_name: first.channel_name.clone(),
                e2e_processing_latency: Some(Latency::of_all(&first.topic_name, &first.channel_name)),
                ..ChannelStats::default()
            };
            self.add(first);
        }
        self.add(other.clone());
    }

    fn add(&mut self, mut one: ChannelStats) {
        self.node = "*".into();
        sum!(
            self,
            one,
            depth,
            memory_depth,
            backend_depth,
            in_flight_count,
            deferred_count,
            requeue_count,
            timeout_count,
            message_count,
            delivery_msg_count,
            zone_local_msg_count,
            region_local_msg_count,
            global_msg_count,
            client_count,
            dead_count,
            expired_count,
            dropped_count,
            lost_count
        );
        self.paused |= one.paused;
        if let (Some(all), Some(one)) = (&mut self.e2e_processing_latency, &one.e2e_processing_latency) {
            all.add(one);
        }
        if let Some(clients) = one.clients.as_mut().filter(|clients| !clients.is_empty()) {
            self.clients.get_or_insert_default().extend(clients.iter().cloned());
        }
        self.nodes.get_or_insert_default().push(one);
    }
}

impl ClientStats {
    /// Distance from its queue: 0 in the same zone, 1 in the same region, else 2.
    pub fn distance(&self) -> u8 {
        let region = self.topology_region == self.node_topology_region;
        match region && self.topology_zone == self.node_topology_zone {
            true => 0,
            false if region => 1,
            false => 2,
        }
    }
}
