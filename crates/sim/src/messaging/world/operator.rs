//! Operators: HTTP orders, as passed on by the control thread.

use bytes::Bytes;
use net::Instant;
use queue::queue::TopicStats;
use queue::request::{Answer, Batch, Layout, PeekAt, Request};
use queue::settings::{ChannelSettings, Durability, TopicSettings};
use queue::topic::SeekTo;

use super::pending::Pending;
use super::{Event, World};
use crate::messaging::body::{Uid, body};
use crate::messaging::names::{DEAD, is_ephemeral};

impl World {
    /// Gives an order between two turns; returns the answer, if immediate.
    pub(super) fn order(&mut self, request: Request, uids: Vec<Uid>) -> Option<Answer> {
        let (now, wall) = (self.now(), self.wall_now());
        let daemon = self.daemon.as_mut()?;
        let slot = daemon.ask(&mut self.net, request.clone());
        self.pass_on();
        let answer = slot.lock().expect("one thread").take();
        if self.trace {
            eprintln!("           {request:?}: {answer:?}");
        }
        let told =
            self.tamper.map_or_else(|| request.clone(), |tamper| tamper.distort_order(request.clone()));
        self.oracle.ordered(&told, &uids, answer.as_ref(), now, wall);
        if answer.is_none() {
            self.pending.push(Pending { slot, request, uids });
        }
        self.plan_turn(Instant(now.0 + 1));
        answer
    }

    /// Passes newly answered orders to the oracle.
    pub(super) fn hear_answers(&mut self) {
        let mut answered = Vec::new();
        self.pending.retain_mut(|pending| {
            let answer = pending.slot.lock().expect("one thread").take();
            let Some(answer) = answer else { return true };
            answered.push((pending.request.clone(), std::mem::take(&mut pending.uids), answer));
            false
        });
        for (request, uids, answer) in answered {
            match (request, answer) {
                (Request::Publish { topic, .. }, Answer::Done) => self.oracle.accepted(&topic, &uids),
                (Request::Publish { topic, defer_ms, .. }, Answer::Refused(why)) => {
                    self.oracle.refused(&topic, &why.to_string(), defer_ms > 0, &uids);
                }
                (Request::Redrive { topic, channel, .. }, answer) => {
                    let count = if let Answer::Count(count) = answer { count } else { 0 };
                    self.oracle.redriven(&topic, &channel, count);
                }
                _ => {}
            }
        }
    }

    pub(super) fn give_order(&mut self) {
        if self.healed || self.daemon.as_ref().is_none_or(|daemon| daemon.stopping) {
            return;
        }
        let plan = self.rng.below(self.scenario.topics.len() as u64) as usize;
        let plan = self.scenario.topics[plan].clone();
        let channel = plan.channels[self.rng.below(plan.channels.len() as u64) as usize].clone();
        let topic = plan.name;
        let pauses = self.rng.below(2_000_000);
        let (request, uids) = match self.rng.below(20) {
            0..2 => (Request::PauseTopic(topic, true), Vec::new()),
            2..4 => (Request::PauseChannel(topic, channel, true), Vec::new()),
            4 => (Request::EmptyTopic(topic), Vec::new()),
            5 => (Request::EmptyChannel(topic, channel), Vec::new()),
            6 => (Request::DeleteChannel(topic, channel), Vec::new()),
            7 => (self.delete_topic(topic), Vec::new()),
            8..10 => (Request::Seek(topic, channel, self.place()), Vec::new()),
            10 => (Request::ConfigureTopic(topic, self.topic_settings()), Vec::new()),
            11 => (Request::CreateChannel(topic, channel), Vec::new()),
            12..14 => (
                Request::Redrive { topic, channel, count: 1 + pauses as usize % 100, died: None },
                Vec::new(),
            ),
            14..16 => (self.peek(topic, channel), Vec::new()),
            _ => self.publication(topic),
        };
        if matches!(request, Request::PauseTopic(..) | Request::PauseChannel(..)) {
            self.after(pauses, Event::Resume);
        }
        self.order(request, uids);
    }

    fn delete_topic(&mut self, topic: String) -> Request {
        // Publications at this moment are refused.
        self.oracle.excused = true;
        Request::DeleteTopic(topic)
    }

    fn place(&mut self) -> SeekTo {
        match self.rng.below(3) {
            0 => SeekTo::Beginning,
            1 => SeekTo::End,
            _ => SeekTo::Time(self.wall_now() - self.rng.below(2_000_000_000) as i64),
        }
    }

    fn topic_settings(&mut self) -> TopicSettings {
        TopicSettings {
            durability: self.rng.pick(&[None, Some(Durability::Os), Some(Durability::Fsync)]),
            retention_seconds: self.rng.pick(&[0, 0, 5]).max(self.scenario.settings.retention_seconds),
            ..self.scenario.settings
        }
    }

    fn peek(&mut self, topic: String, channel: String) -> Request {
        let what = self.rng.pick(&[PeekAt::Queued, PeekAt::Deferred, PeekAt::InFlight, PeekAt::Dead]);
        Request::Peek { topic, channel: Some(channel).filter(|_| self.rng.one_in(2)), what, count: 10 }
    }

    fn publication(&mut self, topic: String) -> (Request, Vec<Uid>) {
        let count = self.rng.between(1, 4);
        let uids: Vec<Uid> = (self.uid + 1..=self.uid + count).collect();
        self.uid += count;
        let bodies: Vec<Vec<u8>> = uids.iter().map(|uid| body(*uid, self.scenario.fill_max)).collect();
        let layout = if count == 1 { Layout::One } else { Layout::Lines };
        let limits = self.scenario.options.limits();
        let batch = Batch::new(Bytes::from(bodies.join(&b'\n')), layout, limits).expect("short bodies");
        let defer_ms = if self.rng.one_in(3) { self.rng.between(1, self.scenario.delay_ms_max) } else { 0 };
        (Request::Publish { topic, batch, defer_ms }, uids)
    }

    /// Resumes everything that is paused.
    pub(super) fn resume(&mut self) {
        let Some(snapshot) = self.statistics() else { return };
        for topic in snapshot.topics.unwrap_or_default() {
            if topic.paused {
                self.order(Request::PauseTopic(topic.name.clone(), false), Vec::new());
            }
            for channel in topic.channels.iter().filter(|channel| channel.paused) {
                let (topic, channel) = (topic.name.clone(), channel.name.clone());
                self.order(Request::PauseChannel(topic, channel, false), Vec::new());
            }
        }
    }

    /// Sets the delivery limit of all channels.
    pub(super) fn set_max_attempts(&mut self, max_attempts: u16) {
        for topic in self.live_topics() {
            let lasting = |name: &str| !is_ephemeral(&topic.name) && !is_ephemeral(name);
            for channel in topic.channels.into_iter().filter(|channel| lasting(&channel.name)) {
                let settings = ChannelSettings { max_attempts, ..ChannelSettings::default() };
                self.order(Request::ConfigureChannel(topic.name.clone(), channel.name, settings), Vec::new());
            }
        }
    }

    /// Moves all channels to the beginning.
    pub(super) fn replay_all(&mut self) {
        for topic in self.live_topics() {
            for channel in topic.channels {
                self.order(Request::Seek(topic.name.clone(), channel.name, SeekTo::Beginning), Vec::new());
            }
        }
    }

    /// Redrives all dead letters.
    pub(super) fn redrive_all(&mut self) {
        for topic in self.live_topics() {
            for channel in topic.channels {
                let request = Request::Redrive {
                    topic: topic.name.clone(),
                    channel: channel.name,
                    count: 100_000,
                    died: None,
                };
                self.order(request, Vec::new());
            }
        }
    }

    /// Statistics of all topics except dead-letter topics.
    pub(super) fn live_topics(&mut self) -> Vec<TopicStats> {
        let mut topics = self.statistics().and_then(|snapshot| snapshot.topics).unwrap_or_default();
        topics.retain(|topic| !topic.name.ends_with(DEAD));
        topics
    }
}
