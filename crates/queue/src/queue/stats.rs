//! Statistics of the queue, as a [`Snapshot`].

use net::Instant;
use wire::nsq::ClientState;

use super::conditions::Subject;
use super::{Queue, Waiter};
use crate::channel::Channel;
use crate::connection::Connection;
use crate::consumers::Consumer;
use crate::latency::Counts;
use crate::registry::TopicKey;
use crate::snapshot::{ChannelStats, ClientStats, EngineStats, Snapshot, TopicStats};
use crate::topic::OnEngine;

impl Queue {
    pub(super) fn snapshot(&mut self, topic: Option<&str>, channel: Option<&str>, clients: bool) -> Snapshot {
        let keys: Option<Vec<TopicKey>> = match topic {
            Some(name) => self.topics.find(name).map(|key| vec![key]),
            None => Some(self.topics.keys()),
        };
        let topics = keys.map(|keys| {
            let mut list: Vec<TopicStats> =
                keys.into_iter().filter_map(|key| self.topic_stats(key, topic, channel, clients)).collect();
            list.sort_by(|a, b| a.name.cmp(&b.name));
            list
        });
        // A topic that does not exist has no producers; one that does has all of them (as nsqd).
        let producers = (clients && topics.is_some()).then(|| self.producers(topic));
        let (conditions, condition_count) = self.conditions.list();
        Snapshot {
            health: self.health(),
            damage: self.damage().summary(),
            conditions,
            condition_count,
            started: self.started.wall.0,
            now: self.clock.wall.0,
            topics,
            producers,
            connections: self.client_count,
            login_failures: self.logins.failures,
            memory_bytes: self.memory.state,
            memory_bytes_max: self.settings().max_memory_bytes,
            engine: self.engine_stats(),
        }
    }

    fn engine_stats(&self) -> Option<EngineStats> {
        let link = self.engine.as_ref()?;
        let on_engine = || self.topics.iter().filter_map(|(_, topic)| topic.engine.as_deref());
        let degraded = |engine: &&OnEngine<Waiter>| engine.replicas.in_sync < engine.replicas.count;
        let (forward_messages, forward_oldest) = self.forwarding();
        Some(EngineStats {
            fault: self.conditions.of(&Subject::Engine),
            servers: link.servers.clone(),
            topics: on_engine().count() as u64,
            topics_degraded: on_engine().filter(degraded).count() as u64,
            forward_messages,
            forward_oldest,
            unacknowledged_bytes: link.bytes as u64,
        })
    }

    /// Every connection that has published; `topic` only filters the publications listed for it (as nsqd).
    fn producers(&self, topic: Option<&str>) -> Vec<ClientStats> {
        let all = self.clients.iter().flatten().map(|client| &**client);
        all.filter(|client| !client.published.is_empty())
            .map(|client| client_stats(client, self.consumer_of(client), topic))
            .collect()
    }

    fn consumer_of(&self, client: &Connection) -> Option<&Consumer> {
        let subscription = client.subscription?;
        self.topics
            .get(subscription.topic)?
            .channel(subscription.channel)?
            .consumers
            .get(subscription.consumer)
    }

    fn topic_stats(
        &mut self,
        key: TopicKey,
        filter: Option<&str>,
        channel: Option<&str>,
        clients: bool,
    ) -> Option<TopicStats> {
        let (now, memory) = (self.clock.now, self.settings().mem_queue_size);
        let percentiles = self.settings().e2e_percentiles.clone();
        let mut sum = Counts::default();
        let mut channels = Vec::new();
        let clients_of = &self.clients;
        let topic = self.topics.get_mut(key)?;
        let in_memory = topic.in_memory();
        for (_, found) in topic.iter_mut() {
            let mut counts = Counts::default();
            found.latency.add_to(&mut counts, now);
            found.latency.add_to(&mut sum, now);
            if channel.is_some_and(|name| name != found.name) {
                continue;
            }
            let mut stats = channel_stats(found);
            stats.backend_depth =
                if in_memory || found.ephemeral { 0 } else { stats.depth.saturating_sub(memory) };
            stats.latency = quantiles(&counts, &percentiles);
            stats.clients = clients.then(|| consumers(found, clients_of, filter, now));
            channels.push(stats);
        }
        channels.sort_by(|a, b| a.name.cmp(&b.name));
        let depth = topic.depth();
        Some(TopicStats {
            name: topic.name.clone(),
            channels,
            depth,
            backend_depth: if in_memory { 0 } else { depth.saturating_sub(memory) },
            messages: topic.counters.messages,
            bytes: topic.counters.bytes,
            paused: topic.is_paused(),
            latency: quantiles(&sum, &percentiles),
            stored_bytes: topic.journal.stored_bytes(),
            bytes_max: topic.configured().bytes_max,
            rejected: topic.counters.rejected,
            dropped: topic.counters.dropped,
            replicas: topic.engine.as_ref().map(|engine| engine.replicas.clone()),
            unwritten_events: topic.unwritten_events() as u64,
        })
    }
}

fn channel_stats(channel: &Channel) -> ChannelStats {
    ChannelStats {
        name: channel.name.clone(),
        depth: channel.depth(),
        in_flight: channel.in_flight_count() as u64,
        deferred: channel.deferred_count() as u64,
        counters: channel.counters,
        client_count: channel.consumers.len() as u64,
        paused: channel.is_paused(),
        ..ChannelStats::default()
    }
}

fn consumers(
    channel: &Channel,
    clients: &[Option<Box<Connection>>],
    topic: Option<&str>,
    now: Instant,
) -> Vec<ClientStats> {
    let mut list = Vec::new();
    for (_, consumer) in channel.consumers.iter() {
        let held_ms = channel
            .first_in_flight(consumer)
            .map(|flight| u64::try_from(now.since(flight.delivered).as_millis()).unwrap_or(u64::MAX));
        let conn = consumer.terms.conn;
        let place = clients.get(conn.index as usize).and_then(|place| place.as_deref());
        if let Some(client) = place.filter(|client| client.id == conn) {
            list.push(ClientStats { held_ms, ..client_stats(client, Some(consumer), topic) });
        }
    }
    list
}

/// Entry of a client in `/stats`; if `topic` is given, only publications to it are listed.
fn client_stats(client: &Connection, consumer: Option<&Consumer>, topic: Option<&str>) -> ClientStats {
    let published = client.published.iter().filter(|(name, _)| topic.is_none_or(|topic| topic == name));
    ClientStats {
        identity: client.identity.clone(),
        remote_address: match client.peer {
            net::Peer::Tcp(address) => address.to_string(),
            net::Peer::Unix => "@".to_owned(),
        },
        state: client.state as ClientState as u8,
        ready: consumer.map_or(0, |c| u64::from(c.ready)),
        in_flight: consumer.map_or(0, |c| u64::from(c.in_flight)),
        held_ms: None,
        messages: client.past.0 + consumer.map_or(0, |c| c.delivered),
        finished: client.past.1 + consumer.map_or(0, |c| c.finished),
        requeued: client.past.2 + consumer.map_or(0, |c| c.requeued),
        connected_at: client.connected_at,
        sample_rate: client.settings.sample_rate,
        deflate: client.upgrades.deflate,
        snappy: client.upgrades.snappy,
        tls: client.tls.clone(),
        authed: client
            .authorization
            .as_ref()
            .map(|auth| (auth.grant.identity().to_owned(), auth.grant.identity_url().to_owned()))
            .or_else(|| client.login.as_ref().map(|login| (login.user.name().to_owned(), String::new()))),
        published: published.cloned().collect(),
    }
}

fn quantiles(counts: &Counts, shares: &[f64]) -> (u64, Vec<(f64, u64)>) {
    let list = shares.iter().map(|&share| (share, counts.quantile(share))).collect();
    (counts.total(), list)
}
