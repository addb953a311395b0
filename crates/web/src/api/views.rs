//! The fleet as JSON. The pages use the same functions to gather each answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use http::{Asked, HttpRefusal, answer};
use serde::Serialize;

use super::overview::{self, Overview};
use super::{Api, Warnings, word};
use crate::figures::Count;
use crate::fleet::{
    ChannelStats, Inactive, NodePools, Producer, Stats, TopicStats, Unavailable, channel_of, topic_of,
};

/// A value with `message` next to its fields.
#[derive(Serialize)]
struct Beside<'a, T: Serialize> {
    #[serde(flatten)]
    value: &'a T,
    message: String,
}

/// A queue with its topics.
#[derive(Debug, Serialize)]
pub(crate) struct NodeView {
    /// Its HTTP address.
    pub node: String,
    /// Statistics of its topics.
    pub topics: Option<Stats>,
    /// Messages published to it.
    pub total_messages: i64,
    /// Number of its consumers.
    pub total_clients: i64,
    /// Topics that the lookups hide.
    #[serde(skip)]
    pub tombstoned: Vec<String>,
}

/// Reason a queue is not shown.
pub(crate) enum NoNode {
    /// No lookup knows it.
    Unknown,
    /// No daemon answered.
    Unavailable(Unavailable),
}

impl From<Unavailable> for NoNode {
    fn from(reason: Unavailable) -> NoNode {
        NoNode::Unavailable(reason)
    }
}

type Answer = Result<Response<Body>, HttpRefusal>;

impl Api {
    pub(crate) async fn topics(&self, asked: Asked) -> Answer {
        #[derive(Serialize)]
        struct Topics<T> {
            topics: T,
            message: String,
        }
        let mut warnings = Warnings::default();
        if asked.query()?.text("inactive") == Some("true") {
            let topics = self.gather_inactive(&mut warnings).await?;
            return Ok(answer::json(&Topics { topics, message: warnings.message() }));
        }
        let topics = warnings.take(self.fleet().topics().await)?;
        let topics = Some(topics).filter(|topics| !topics.is_empty());
        Ok(answer::json(&Topics { topics, message: warnings.message() }))
    }

    /// Topics without a producer.
    pub(crate) async fn gather_inactive(&self, warnings: &mut Warnings) -> Result<Inactive, Unavailable> {
        let fleet = self.fleet();
        let topics = warnings.take(fleet.topics().await)?;
        warnings.take(fleet.inactive(topics).await)
    }

    pub(crate) async fn topic(&self, asked: Asked) -> Answer {
        let mut warnings = Warnings::default();
        let value = self.gather_topic(word(&asked, 0), false, &mut warnings).await?;
        Ok(answer::json(&Beside { value: &value, message: warnings.message() }))
    }

    /// A topic on all queues.
    pub(crate) async fn gather_topic(
        &self,
        name: &str,
        clients: bool,
        warnings: &mut Warnings,
    ) -> Result<TopicStats, Unavailable> {
        let fleet = self.fleet();
        let producers = warnings.take(fleet.topic_producers(name).await)?;
        let stats = warnings.take(fleet.stats(producers, Some(name), None, clients).await)?;
        Ok(topic_of(name, stats))
    }

    pub(crate) async fn channel(&self, asked: Asked) -> Answer {
        let mut warnings = Warnings::default();
        let channel = self.gather_channel(word(&asked, 0), word(&asked, 1), &mut warnings).await?;
        // nsqadmin answers this because of a panic.
        let unknown = HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR");
        let value = channel.ok_or(unknown)?;
        Ok(answer::json(&Beside { value: &value, message: warnings.message() }))
    }

    /// A channel on all queues; `None` if none of them has it.
    pub(crate) async fn gather_channel(
        &self,
        topic: &str,
        channel: &str,
        warnings: &mut Warnings,
    ) -> Result<Option<ChannelStats>, Unavailable> {
        let fleet = self.fleet();
        let producers = warnings.take(fleet.topic_producers(topic).await)?;
        let stats = warnings.take(fleet.stats(producers, Some(topic), Some(channel), true).await)?;
        Ok(channel_of(topic, channel, stats))
    }

    pub(crate) async fn nodes(&self) -> Answer {
        #[derive(Serialize)]
        struct Nodes {
            nodes: Option<Vec<Producer>>,
            message: String,
        }
        let mut warnings = Warnings::default();
        let nodes = warnings.take(self.fleet().producers().await)?;
        let nodes = Some(nodes).filter(|nodes| !nodes.is_empty());
        Ok(answer::json(&Nodes { nodes, message: warnings.message() }))
    }

    pub(crate) async fn node(&self, asked: Asked) -> Answer {
        let mut warnings = Warnings::default();
        let value = match self.gather_node(word(&asked, 0), &mut warnings).await {
            Ok(value) => value,
            Err(NoNode::Unknown) => return Err(HttpRefusal::missing("NODE_NOT_FOUND")),
            Err(NoNode::Unavailable(reason)) => return Err(reason.into()),
        };
        Ok(answer::json(&Beside { value: &value, message: warnings.message() }))
    }

    /// A queue, with its topics.
    pub(crate) async fn gather_node(&self, node: &str, warnings: &mut Warnings) -> Result<NodeView, NoNode> {
        let fleet = self.fleet();
        let producers = warnings.take(fleet.producers().await)?;
        let Some(producer) = producers.into_iter().find(|producer| producer.http_address() == node) else {
            return Err(NoNode::Unknown);
        };
        let hidden = producer.topics.iter().flatten().filter(|topic| topic.tombstoned);
        let tombstoned = hidden.map(|topic| topic.topic.clone()).collect();
        let stats = warnings.take(fleet.stats(vec![producer], None, None, true).await)?;
        let clients = |channel: &ChannelStats| channel.clients.as_ref().map_or(0, Vec::len);
        let channels = stats.iter().flat_map(|topic| topic.channels.iter().flatten());
        Ok(NodeView {
            node: node.to_owned(),
            total_clients: i64::try_from(channels.map(clients).sum::<usize>()).unwrap_or(i64::MAX),
            total_messages: stats.iter().fold(0, |sum, topic| sum.saturating_add(topic.message_count)),
            topics: Some(stats).filter(|stats| !stats.is_empty()),
            tombstoned,
        })
    }

    pub(crate) async fn counter(&self) -> Answer {
        #[derive(Serialize)]
        struct Counter {
            stats: BTreeMap<String, Count>,
            message: String,
        }
        let mut warnings = Warnings::default();
        let stats = self.gather_counts(&mut warnings).await?;
        Ok(answer::json(&Counter { stats, message: warnings.message() }))
    }

    /// Messages of each channel on each queue.
    pub(crate) async fn gather_counts(
        &self,
        warnings: &mut Warnings,
    ) -> Result<BTreeMap<String, Count>, Unavailable> {
        warnings.take(self.source().counts().await)
    }
}

impl Api {
    /// All topics; at most [`overview::FRESH`] old.
    pub(crate) async fn gather_overview(&self) -> Result<Arc<Overview>, Unavailable> {
        // Held meanwhile, so that concurrent viewers get the same answer.
        let mut known = self.overview.lock().await;
        if let Some((at, found)) = &*known
            && at.elapsed() < overview::FRESH
        {
            return Ok(Arc::clone(found));
        }
        let mut warnings = Warnings::default();
        let topics = warnings.take(self.source().topics().await)?;
        let found = Arc::new(Overview { topics, warnings });
        *known = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }

    /// Pools of all nodes; at most [`overview::FRESH`] old.
    pub(crate) async fn gather_pools(
        &self,
        warnings: &mut Warnings,
    ) -> Result<Arc<Vec<NodePools>>, Unavailable> {
        // Held meanwhile, so that concurrent viewers get the same answer.
        let mut known = self.pools.lock().await;
        if let Some((at, (found, told))) = &*known
            && at.elapsed() < overview::FRESH
        {
            warnings.again(told);
            return Ok(Arc::clone(found));
        }
        let mut told = Warnings::default();
        let producers = told.take(self.fleet().producers().await)?;
        let found = Arc::new(told.take(self.fleet().pools(producers).await)?);
        warnings.again(&told);
        *known = Some((Instant::now(), (Arc::clone(&found), told)));
        Ok(found)
    }

    /// Forgets what was gathered: a change has been made.
    pub(crate) async fn forget_overview(&self) {
        *self.overview.lock().await = None;
        *self.pools.lock().await = None;
    }
}
