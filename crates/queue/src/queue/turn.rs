//! The end of a turn: writes, answers, deliveries, timers.

use std::time::Duration;

use net::{ConnId, Io};

use super::{Queue, TICK, Timer, Waiter, token};
use crate::connection::Subscription;
use crate::delivery::{Sink, deliver};
use crate::disk::{Job, Purpose};
use crate::registry::TopicKey;
use crate::settings::Durability;
use crate::topic::{ChannelKey, Topic};

/// Unsent bytes of a consumer above which it gets no further message until they are sent.
const UNSENT_MAX: usize = 256 << 10;
/// Unwritten events of a topic above which they are written at once.
const EVENTS_MAX: u32 = 64 << 10;
/// Time a new topic waits for the channels that lookup daemons know.
const KNOWN_TIMEOUT: Duration = Duration::from_secs(6);
/// Ticks between flushes of data that is written but not yet on the device.
const FLUSH_TICKS: u64 = 2;
/// Flushes begun per such tick: with thousands of topics, more would monopolize the file system.
const FLUSHES_PER_TICK: usize = 32;
/// Flushes at a stop beyond those that a topic's durability requires. With thousands of topics of several
/// files each, flushing everything would outlast a service manager's stop timeout.
const FLUSHES_AT_STOP: usize = 32;
/// Ticks after which a written topic is checkpointed, however little was written.
const IDLE_TICKS: u64 = 60;
/// Ticks before a failed checkpoint or deletion is retried.
const RETRY_TICKS: u64 = 10;
/// Checkpoints begun per tick.
const CHECKPOINTS_PER_TICK: usize = 16;

struct IoSink<'a, I>(&'a mut I);

impl<I: Io> Sink for IoSink<'_, I> {
    #[inline]
    fn deliver(
        &mut self,
        conn: ConnId,
        head: &[u8; wire::nsq::frame::MESSAGE_HEADER_BYTES],
        body: &[u8],
    ) -> bool {
        self.0.send(conn, head);
        self.0.send(conn, body);
        if self.0.unsent(conn) < UNSENT_MAX {
            return true;
        }
        self.0.notify_drained(conn);
        false
    }
}

impl Queue {
    pub(super) fn end_turn<I: Io>(&mut self, io: &mut I) {
        self.turn += 1;
        self.delete_doomed(io);
        self.commit_dirty(io);
        for _ in 0..self.scheduled.len() {
            let Some((topic, channel)) = self.scheduled.pop() else { break };
            self.deliver_channel(io, topic, channel);
        }
        self.end_moves();
        if !(self.scheduled.is_empty() && self.dirty.is_empty() && self.moved.is_empty()) {
            self.wake(io);
        }
        self.arm_events(io);
        for key in std::mem::take(&mut self.awaiting_channels) {
            io.set_timer(self.clock.now + KNOWN_TIMEOUT, token(Timer::Known, key.slot, 0));
        }
        self.shrink_caches();
        self.shed_clients(io);
        self.close_files();
    }

    /// Marks a topic for the next commit.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key) {
            self.dirty.add(&mut topic.notes.dirty, key);
        }
    }

    /// Schedules a channel that may have messages to deliver or a timer to set.
    #[inline]
    pub(crate) fn schedule(&mut self, topic: TopicKey, channel: ChannelKey) {
        if let Some(target) = self.topics.get_mut(topic).and_then(|t| t.channel_mut(channel)) {
            self.scheduled.add(&mut target.notes.scheduled, (topic, channel));
        }
    }

    /// Schedules all channels of a topic.
    pub(crate) fn schedule_all(&mut self, key: TopicKey) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        for (channel_key, channel) in topic.iter_mut() {
            self.scheduled.add(&mut channel.notes.scheduled, (key, channel_key));
        }
    }

    /// Notes a FIN or REQ of a consumer: its channel may deliver again, and an event is to be written, with
    /// the topic's next batch or soon.
    #[inline]
    pub(crate) fn note_events(&mut self, subscription: Subscription) {
        let key = subscription.topic;
        if let Some(topic) = self.topics.get_mut(key) {
            self.lazy.add(&mut topic.notes.lazy, key);
            topic.notes.events += 1;
            if topic.notes.events >= EVENTS_MAX {
                self.dirty.add(&mut topic.notes.dirty, key);
            }
            if let Some(channel) = topic.channel_mut(subscription.channel) {
                self.scheduled.add(&mut channel.notes.scheduled, (key, subscription.channel));
            }
        }
    }

    fn commit_dirty<I: Io>(&mut self, io: &mut I) {
        for key in self.dirty.take() {
            self.commit_topic(key);
        }
        for conn in self.payable.take() {
            self.pay(io, conn);
        }
    }

    /// Writes a topic's staged data and settles the publications whose outcome is known.
    pub(crate) fn commit_topic(&mut self, key: TopicKey) {
        let clock = self.clock;
        let Some(mut topic) = self.topics.take(key) else { return };
        topic.notes.dirty.clear();
        topic.notes.events = 0;
        if topic.is_on_engine() {
            self.send_to_engine(key, &mut topic);
        }
        let written = topic.commit(clock);
        let refused = written.is_err();
        if refused && topic.is_on_engine() {
            self.return_unkept(&mut topic);
        }
        if let Err(why) = &written
            && self.run_out(why)
        {
            // The publications are refused; finished messages are written anyway.
            let _ = topic.commit(clock);
            self.written.add(&mut topic.notes.written, key);
            // Space may have been freed meanwhile.
            self.find_space(true);
        }
        if refused || !self.conditions.is_empty() {
            self.judge(key, &mut topic);
        }
        if !refused && !topic.in_memory() {
            self.written.add(&mut topic.notes.written, key);
        }
        let durability = topic.settings.durability.unwrap_or(self.settings().durability);
        let flush = durability == Durability::Fsync || topic.is_flush_awaited();
        let sync = if flush { topic.journal.sync_job() } else { None };
        self.settle_topic(&mut topic);
        // A full topic may hold messages that all consumers have finished.
        topic.release_memory(if refused { 0 } else { MEMORY_RELEASE }, clock.wall.0);
        if topic.in_memory() {
            self.to_release.add(&mut topic.notes.to_release, key);
        }
        self.memory.replace(topic.count_memory());
        self.count_open(&mut topic);
        topic.notes.last_used = self.turn;
        if topic.notes.opened == 0 && !topic.in_memory() {
            topic.notes.opened = self.turn;
            self.open_files.push_back(key);
        }
        self.topics.restore(key, topic);
        if let Some(job) = sync {
            self.submit(Job::Sync(key, job));
        }
        self.schedule_ready(key);
    }

    /// Schedules the channels that can deliver or have a timer to set after a commit.
    fn schedule_ready(&mut self, key: TopicKey) {
        let Some(topic) = self.topics.get_mut(key) else { return };
        for (channel_key, channel) in topic.iter_mut() {
            let due = channel.next_due();
            let earlier = due.is_some_and(|due| channel.notes.timer.is_none_or(|timer| due < timer));
            if !channel.notes.scheduled.is_set() && (channel.can_deliver() || earlier) {
                self.scheduled.add(&mut channel.notes.scheduled, (key, channel_key));
            }
        }
    }

    /// Answers the waiters of publications whose outcome is known.
    pub(super) fn settle_topic(&mut self, topic: &mut Topic<Waiter>) {
        let mut asks = Vec::new();
        let (clients, payable, moved) = (&mut self.clients, &mut self.payable, &mut self.moved);
        topic.settle(|settled| match settled.waiter {
            Waiter::Client { conn, number } => {
                let place = clients.get_mut(conn.index as usize).and_then(|place| place.as_deref_mut());
                if let Some(client) = place.filter(|client| client.id == conn) {
                    client.owed.resolve(number, settled.outcome);
                    payable.add(&mut client.listed, conn);
                }
            }
            Waiter::Request(request) => asks.push((request, settled.outcome)),
            Waiter::Letters { .. } | Waiter::Redrive(_) | Waiter::Taken(_) => {
                moved.push((settled.waiter, settled.outcome));
            }
        });
        for (request, outcome) in asks {
            self.answer_publication(request, outcome);
        }
    }

    fn deliver_channel<I: Io>(&mut self, io: &mut I, topic_key: TopicKey, channel_key: ChannelKey) {
        let clock = self.clock;
        let forwards = self.has_forwarder((topic_key, channel_key));
        let Some(topic) = self.topics.get_mut(topic_key) else { return };
        let Some(channel) = topic.channel_mut(channel_key) else { return };
        channel.notes.scheduled.clear();
        if channel.next_due().is_some_and(|due| due <= clock.now) {
            channel.expire(clock);
        }
        // A forwarder takes its messages itself: a block that was read for it would be lost here.
        let waits = channel.notes.reading || forwards;
        let job = if waits { None } else { deliver(topic, channel_key, clock, &mut IoSink(io)) };
        let Some(channel) = topic.channel_mut(channel_key) else { return };
        channel.notes.reading |= job.is_some();
        let due = channel.next_due();
        if let Some(due) = due
            && channel.notes.timer.is_none_or(|timer| due < timer)
        {
            channel.notes.timer = Some(due);
            io.set_timer(due, token(Timer::Channel, topic_key.slot, channel_key.slot));
        }
        let (events, letters) = (!channel.events.is_empty(), !channel.dead_letters.is_empty());
        let on_engine = channel.engine.is_some();
        self.memory.replace(topic.count_channel_memory(channel_key));
        if events {
            self.lazy.add(&mut topic.notes.lazy, topic_key);
        }
        if let Some(job) = job {
            self.submit(Job::Read(topic_key, Purpose::Deliver(channel_key), job));
        }
        if letters {
            self.set_aside(topic_key, channel_key);
        }
        if on_engine {
            self.tend_channel(topic_key, channel_key);
        } else if forwards {
            self.forward(topic_key, channel_key);
        }
    }

    /// Handles a channel's timer.
    pub(super) fn channel_due(&mut self, topic: u32, channel: u32) {
        let Some(topic_key) = self.topics.key_of(topic) else { return };
        let now = self.clock.now;
        let Some(target) = self.topics.get_mut(topic_key) else { return };
        let Some(channel_key) = target.key_of(channel) else { return };
        if let Some(channel) = target.channel_mut(channel_key)
            && channel.notes.timer.is_some_and(|timer| timer <= now)
        {
            channel.notes.timer = None;
        }
        self.schedule(topic_key, channel_key);
    }

    pub(super) fn unblock(&mut self, subscription: Subscription) {
        if let Some(channel) = self.channel_of(subscription) {
            channel.set_blocked(subscription.consumer, false);
        }
        self.schedule(subscription.topic, subscription.channel);
    }

    /// Arms the timer that writes events not carried by a publication's commit.
    fn arm_events<I: Io>(&mut self, io: &mut I) {
        if self.lazy.is_empty() {
            return;
        }
        if !self.lazy_armed {
            self.lazy_armed = true;
            io.set_timer(self.clock.now + self.options.event_delay, token(Timer::Events, 0, 0));
        }
    }

    pub(super) fn events_due(&mut self) {
        self.lazy_armed = false;
        for key in self.lazy.take() {
            if let Some(topic) = self.topics.get_mut(key) {
                topic.notes.lazy.clear();
            }
            self.mark_dirty(key);
        }
    }

    /// Begins flushes and checkpoints. Called once a second.
    pub(super) fn tick<I: Io>(&mut self, io: &mut I) {
        io.set_timer(self.clock.now + TICK, token(Timer::Tick, 0, 0));
        self.ticks += 1;
        self.watch_clock();
        self.keep_inventory();
        self.end_idle_conditions();
        self.conditions.tick(self.clock.now);
        self.retry_reads();
        self.release_messages();
        self.announce_all();
        self.retry_writes();
        self.doomed.append(&mut self.undeleted);
        self.retry_dead_letters();
        self.tend_engine();
        self.tend_forwarders();
        self.tend_moves(io);
        self.tend_leaving();
        self.tend_letters();
        self.find_space(self.ticks.is_multiple_of(IDLE_TICKS));
        let flush = self.ticks.is_multiple_of(FLUSH_TICKS);
        let again = self.ticks.is_multiple_of(RETRY_TICKS);
        if again {
            self.retry_files();
        }
        let idle = self.ticks.is_multiple_of(IDLE_TICKS) || self.out_of_space.is_some();
        let (mut begun, mut flushed) = (0, 0);
        let (mut jobs, mut later) = (Vec::new(), Vec::new());
        let clock = self.clock;
        for key in self.written.take() {
            let Some(topic) = self.topics.get_mut(key) else { continue };
            if idle {
                topic.begin_anew(ANEW_BYTES, clock);
            }
            if begun < CHECKPOINTS_PER_TICK
                && topic.wants_checkpoint(idle, again)
                && let Some(job) = topic.checkpoint(clock)
            {
                begun += 1;
                topic.notes.written.clear();
                jobs.push(Job::Checkpoint(key, job));
                continue;
            }
            if flushed < FLUSHES_PER_TICK
                && let Some(job) =
                    topic.journal.retry_sync().or_else(|| flush.then(|| topic.journal.sync_job()).flatten())
            {
                flushed += 1;
                jobs.push(Job::Sync(key, job));
                later.push(key);
                continue;
            }
            self.written.put_back(key);
        }
        // Flushed topics go to the back of the list.
        for key in later {
            self.written.put_back(key);
        }
        for job in jobs {
            self.submit(job);
        }
    }

    /// Stops the daemon: closes clients and writes everything.
    pub(super) fn stop<I: Io>(&mut self, io: &mut I) {
        self.stopping = true;
        let conns: Vec<ConnId> = self.clients.iter().flatten().map(|client| client.id).collect();
        self.commit_dirty(io);
        // Messages in flight are requeued, and that is written. Waiting clients are answered as soon as the
        // outcome is known.
        for conn in conns {
            let Some(mut client) = self.take_client(conn) else { continue };
            for subscription in [client.subscription.take(), client.former.take()].into_iter().flatten() {
                self.unsubscribe(subscription);
            }
            Self::close_after_owed(io, &mut client);
            if client.owed.len() > 1 {
                self.put_client(client);
            } else {
                self.close_client(io, client);
            }
        }
        self.delete_doomed(io);
        self.leave_engine();
        self.events_due();
        self.commit_dirty(io);
        self.flush_last();
        self.close_inventory();
    }

    /// Flushes topics with `fsync` before the process ends. With `os` the data is already written, as
    /// promised, and the kernel will flush it; the largest of these are flushed anyway.
    fn flush_last(&mut self) {
        let (mut promised, mut others) = (Vec::new(), Vec::new());
        for key in self.written.take() {
            let Some(topic) = self.topics.get(key) else { continue };
            match topic.journal.options().durability {
                Durability::Fsync => promised.push(key),
                _ => others.push((topic.journal.bytes_at_risk(), key)),
            }
        }
        others.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        promised.extend(others.into_iter().take(FLUSHES_AT_STOP).map(|(_, key)| key));
        for key in promised {
            let journal = self.topics.get_mut(key).map(|topic| &mut topic.journal);
            let job = journal.and_then(|journal| journal.retry_sync().or_else(|| journal.sync_job()));
            if let Some(job) = job {
                self.submit(Job::Sync(key, job));
            }
        }
    }
}

/// Size of the active segment above which an idle topic begins a new one, to free the old.
const ANEW_BYTES: u64 = 64 << 10;
/// Bytes written after which a topic in memory drops messages that every consumer has finished.
const MEMORY_RELEASE: u64 = 256 << 10;
