//! Topic and channel against a reference that keeps every message as one row.
//!
//! Random commands, simulated time, crashes and restarts on a file system in memory. After each command
//! everything that can be delivered is delivered; then the counts must agree, each delivery must have been
//! possible (right state, right attempt, a consumer with room) and in order (requeued messages behind waiting
//! ones), and nothing deliverable may be left behind. The seed is printed and alone replays a run:
//! `MODEL_SEED=… MODEL_STEPS=… cargo test -p nuthatch-queue --release --test model`.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::{MemFiles, ReadJob};
use net::{ConnId, Instant, WallTime};
use nuthatch_queue as queue;
use queue::channel::Refused;
use queue::consumers::{ConsumerKey, Nearness, Terms};
use queue::delivery::{Sink, deliver};
use queue::message::Message;
use queue::topic::{ChannelKey, Outcome, SeekTo, Topic};
use queue::{Clock, QueueOptions, Settings};

const CHANNELS: [&str; 3] = ["a", "b", "c#ephemeral"];
const DIR: &str = "/t";

/// State of a message in a channel of the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Queued,
    Deferred(Instant),
    InFlight { consumer: ConnId, delivered: Instant, deadline: Instant },
}

/// Place of a message in its channel: the step in which it arrived or came back, and its number if it arrived
/// for the first time.
type Order = (u64, u32);

/// A due time (wall, ns; 0 for none) and when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Written {
    due: i64,
    at: i64,
}

impl Written {
    fn new(clock: Clock, due: Instant) -> Written {
        Written { due: clock.to_wall(due), at: clock.wall.0 }
    }

    /// Remaining delay at a restart: never more than remained when it was written.
    fn left(self, wall: i64) -> Duration {
        let left = (self.due - wall).min(self.due - self.at);
        // The monotonic clock counts microseconds.
        Duration::from_micros(u64::try_from(left / 1000).unwrap_or(0))
    }
}

#[derive(Debug, Clone)]
struct Row {
    state: State,
    order: Order,
    /// Its place after a crash; `None` while that is not written.
    written_order: Option<Order>,
    /// True if it has never been requeued and is delivered from the stream; then the same after a crash.
    fresh: bool,
    written_fresh: bool,
    attempts: u16,
    /// Its attempts after a crash.
    written_attempts: u16,
    /// Its due time after a crash: a message already due is deferred again if the wall clock was set back
    /// since.
    written_due: Written,
}

#[derive(Debug, Clone, Copy)]
struct RefConsumer {
    key: ConsumerKey,
    ready: u64,
    closing: bool,
    timeout: Duration,
}

#[derive(Debug, Default)]
struct RefChannel {
    rows: BTreeMap<u32, Row>,
    consumers: HashMap<u32, RefConsumer>,
    paused: bool,
    /// True if requeued messages may be delivered in the order that is cheapest to read.
    lined_up: bool,
}

/// Messages are identified by the number in their body.
#[derive(Debug, Default)]
struct Reference {
    channels: BTreeMap<&'static str, RefChannel>,
    /// Messages waiting in the topic: number, due time.
    waiting: Vec<(u32, Option<(Instant, Written)>)>,
    paused: bool,
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[derive(Default)]
struct Deliveries(Vec<(ConnId, u16, u64, u32)>);

impl Sink for Deliveries {
    fn deliver(
        &mut self,
        conn: ConnId,
        head: &[u8; wire::nsq::frame::MESSAGE_HEADER_BYTES],
        body: &[u8],
    ) -> bool {
        let attempts = u16::from_be_bytes([head[16], head[17]]);
        let id = wire::nsq::MessageId::from_hex(head[18..].try_into().expect("16 digits")).expect("hex");
        let number = u32::from_be_bytes(body[..4].try_into().expect("a number in front"));
        self.0.push((conn, attempts, id.0, number));
        true
    }
}

struct World {
    random: Random,
    files: MemFiles,
    options: QueueOptions,
    clock: Clock,
    topic: Topic<u32>,
    reference: Reference,
    ids: HashMap<u32, u64>,
    next_number: u32,
    next_conn: u32,
    delivered: u64,
    step: u64,
    /// An interrupted pass that frees segments.
    unfinished: Option<queue::topic::CopyJob>,
}

impl World {
    fn new(seed: u64) -> World {
        let files = MemFiles::new(seed);
        let options = QueueOptions::from(Settings { max_bytes_per_file: 16 << 10, ..Settings::default() });
        let clock = Clock { now: Instant(1_000_000), wall: WallTime(1_700_000_000_000_000_000) };
        let topic = open(&files, &options, clock, 0);
        World {
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            files,
            options,
            clock,
            topic,
            reference: Reference::default(),
            ids: HashMap::new(),
            next_number: 1,
            next_conn: 1,
            delivered: 0,
            step: 0,
            unfinished: None,
        }
    }

    fn run(&mut self, steps: u64) {
        for step in 0..steps {
            self.step = step;
            let paused = self.reference.paused;
            self.command();
            self.note_written(paused);
            self.settle();
            self.compare();
        }
    }

    fn command(&mut self) {
        let command = self.random.below(1000);
        if std::env::var_os("MODEL_TRACE").is_some() {
            println!("step {}: command {command}", self.step);
        }
        match command {
            0..250 => self.publish(),
            250..290 => self.publish_deferred(),
            290..350 => self.subscribe(),
            350..375 => self.unsubscribe(),
            375..470 => self.ready(),
            470..700 => self.finish(),
            700..780 => self.requeue(),
            780..820 => self.touch(),
            820..830 => self.close_consumer(),
            830..920 => self.advance(),
            920..932 => self.pause_channel(),
            932..940 => self.pause_topic(),
            940..948 => self.create_channel(),
            948..953 => self.delete_channel(),
            953..957 => self.empty_channel(),
            957..960 => self.empty_topic(),
            960..968 => self.checkpoint(),
            968..976 => self.clean(),
            976..982 => self.restart(),
            982..985 => self.seek_to_end(),
            _ => self.foreign_finish(),
        }
    }

    /// Moves requeued messages behind those written along with the event, unless the paused topic holds those
    /// back.
    fn note_written(&mut self, paused: bool) {
        if self.topic.has_events() {
            return;
        }
        let order = (self.step, if paused { 0 } else { u32::MAX });
        for row in self.reference.channels.values_mut().flat_map(|channel| channel.rows.values_mut()) {
            row.written_order.get_or_insert(order);
        }
    }

    /// True if the backlog is long enough: a longer one tests nothing new and slows each step.
    fn has_enough(&self) -> bool {
        let longest = self.reference.channels.values().map(|channel| channel.rows.len()).max();
        longest.unwrap_or(0).max(self.reference.waiting.len()) > 200
    }

    fn publish(&mut self) {
        if self.has_enough() {
            return;
        }
        for _ in 0..=self.random.below(4) {
            self.stage(None);
        }
        self.commit();
    }

    fn publish_deferred(&mut self) {
        if self.has_enough() {
            return;
        }
        let delay = Duration::from_millis(1 + self.random.below(5000));
        self.stage(Some(self.clock.now + delay));
        self.commit();
    }

    fn stage(&mut self, due: Option<Instant>) {
        let number = self.next_number;
        self.next_number += 1;
        let mut body = number.to_be_bytes().to_vec();
        body.resize(4 + self.random.below(200) as usize, b'x');
        let written = due.map_or(Written::default(), |due| Written::new(self.clock, due));
        let message = Message { due: written.due, ..Message::new(self.clock.wall.0, &body) };
        let id = self.topic.stage(&message, due).expect("staged").expect("not dropped");
        self.ids.insert(number, id.0);
        self.topic.wait(number);
        self.reference.waiting.push((number, due.map(|due| (due, written))));
    }

    fn commit(&mut self) {
        self.topic.commit(self.clock).expect("the disk is fine");
        let mut settled = Vec::new();
        self.topic.settle(|one| settled.push((one.waiter, one.outcome)));
        assert!(settled.iter().all(|(_, outcome)| *outcome == Outcome::Accepted));
        self.reference.pump(self.step);
    }

    fn channel(&mut self) -> Option<(&'static str, ChannelKey)> {
        let names: Vec<_> = self.reference.channels.keys().copied().collect();
        if names.is_empty() {
            return None;
        }
        let name = names[self.random.below(names.len() as u64) as usize];
        Some((name, self.topic.find(name).expect("both have it")))
    }

    fn create_channel(&mut self) {
        let name = CHANNELS[self.random.below(3) as usize];
        self.topic.create_channel(name, false, self.clock).expect("written");
        self.reference.channels.entry(name).or_default();
        self.reference.pump(self.step);
    }

    fn delete_channel(&mut self) {
        let Some((name, key)) = self.channel() else { return };
        self.topic.delete_channel(key, self.clock).expect("written");
        self.reference.channels.remove(name);
    }

    fn subscribe(&mut self) {
        if self.random.below(4) == 0 || self.reference.channels.is_empty() {
            self.create_channel();
        }
        let (name, key) = self.channel().expect("one was made");
        let timeout = Duration::from_millis(1000 + self.random.below(3000));
        let conn = ConnId { index: self.next_conn, generation: 0 };
        self.next_conn += 1;
        let terms = Terms {
            conn,
            timeout,
            timeout_max: Duration::from_secs(6),
            sample_rate: 0,
            nearness: Nearness::Elsewhere,
        };
        let consumer = self.topic.channel_mut(key).expect("found").subscribe(terms);
        let entry = RefConsumer { key: consumer, ready: 0, closing: false, timeout };
        self.reference.channels.get_mut(name).expect("same").consumers.insert(conn.index, entry);
    }

    fn consumer(&mut self) -> Option<(&'static str, ChannelKey, u32, RefConsumer)> {
        let (name, key) = self.channel()?;
        let channel = &self.reference.channels[name];
        let mut conns: Vec<_> = channel.consumers.keys().copied().collect();
        conns.sort_unstable();
        if conns.is_empty() {
            return None;
        }
        let conn = conns[self.random.below(conns.len() as u64) as usize];
        Some((name, key, conn, self.reference.channels[name].consumers[&conn]))
    }

    fn unsubscribe(&mut self) {
        let step = self.step;
        let Some((name, key, conn, consumer)) = self.consumer() else { return };
        let clock = self.clock;
        self.topic.channel_mut(key).expect("found").unsubscribe(consumer.key, clock);
        let channel = self.reference.channels.get_mut(name).expect("same");
        channel.consumers.remove(&conn);
        for row in channel.rows.values_mut() {
            if matches!(row.state, State::InFlight { consumer, .. } if consumer.index == conn) {
                row.go_back(State::Queued, step);
            }
        }
    }

    fn ready(&mut self) {
        let Some((name, key, conn, consumer)) = self.consumer() else { return };
        if consumer.closing {
            return;
        }
        let count = self.random.below(6);
        self.topic.channel_mut(key).expect("found").set_ready(consumer.key, count as u32);
        self.reference.consumer(name, conn).ready = count;
    }

    fn close_consumer(&mut self) {
        let Some((name, key, conn, consumer)) = self.consumer() else { return };
        self.topic.channel_mut(key).expect("found").close(consumer.key);
        let entry = self.reference.consumer(name, conn);
        (entry.closing, entry.ready) = (true, 0);
    }

    /// A random message in flight, and its consumer.
    fn flight(&mut self) -> Option<(&'static str, ChannelKey, u32, RefConsumer)> {
        let (name, key) = self.channel()?;
        let channel = &self.reference.channels[name];
        let flights: Vec<_> = channel
            .rows
            .iter()
            .filter_map(|(&number, row)| match row.state {
                State::InFlight { consumer, .. } => Some((number, consumer.index)),
                _ => None,
            })
            .collect();
        if flights.is_empty() {
            return None;
        }
        let (number, conn) = flights[self.random.below(flights.len() as u64) as usize];
        Some((name, key, number, self.reference.channels[name].consumers[&conn]))
    }

    fn finish(&mut self) {
        let Some((name, key, number, consumer)) = self.flight() else { return };
        let id = self.ids[&number];
        let channel = self.topic.channel_mut(key).expect("found");
        assert_eq!(channel.finish(consumer.key, id).map(|flight| flight.id), Ok(id));
        assert_eq!(channel.finish(consumer.key, id), Err(Refused::NotInFlight));
        self.reference.channels.get_mut(name).expect("same").rows.remove(&number);
    }

    fn requeue(&mut self) {
        let Some((name, key, number, consumer)) = self.flight() else { return };
        let delay =
            Duration::from_millis(if self.random.below(2) == 0 { 0 } else { self.random.below(4000) });
        let clock = self.clock;
        let channel = self.topic.channel_mut(key).expect("found");
        assert_eq!(channel.requeue(consumer.key, self.ids[&number], delay, clock), Ok(()));
        let step = self.step;
        let row = self.reference.row(name, number);
        row.go_back(State::Queued, step);
        if !delay.is_zero() {
            row.state = State::Deferred(clock.now + delay);
            row.written_due = Written::new(clock, clock.now + delay);
        }
    }

    fn touch(&mut self) {
        let Some((name, key, number, consumer)) = self.flight() else { return };
        let now = self.clock.now;
        assert_eq!(
            self.topic.channel_mut(key).expect("found").touch(consumer.key, self.ids[&number], now),
            Ok(())
        );
        if let State::InFlight { delivered, deadline, .. } = &mut self.reference.row(name, number).state {
            *deadline = (now + consumer.timeout).min(*delivered + Duration::from_secs(6));
        }
    }

    /// FIN by a consumer that does not have the message.
    fn foreign_finish(&mut self) {
        let Some((name, key, number, owner)) = self.flight() else { return };
        let other = self.reference.channels[name].consumers.values().find(|c| c.key != owner.key).copied();
        let channel = self.topic.channel_mut(key).expect("found");
        if let Some(other) = other {
            assert_eq!(channel.finish(other.key, self.ids[&number]), Err(Refused::NotOwner));
        }
        assert_eq!(channel.finish(owner.key, u64::MAX), Err(Refused::NotInFlight));
    }

    fn advance(&mut self) {
        let mut step = Duration::from_millis(self.random.below(1500));
        if self.random.below(3) == 0
            && let Some(due) = self.topic.next_due()
        {
            step = due.since(self.clock.now);
        }
        self.clock.now = self.clock.now + step;
        // The wall clock drifts and steps; nothing may depend on it while the process lives.
        let step_ns = step.as_nanos() as i64;
        self.clock.wall.0 += if self.random.below(50) == 0 { -step_ns } else { step_ns };
        self.topic.expire(self.clock);
        let step = self.step;
        for channel in self.reference.channels.values_mut() {
            for row in channel.rows.values_mut() {
                match row.state {
                    State::InFlight { deadline, .. } if deadline <= self.clock.now => {
                        row.go_back(State::Queued, step);
                    }
                    State::Deferred(due) if due <= self.clock.now => {
                        (row.state, row.order, row.fresh) = (State::Queued, (step, 0), false);
                    }
                    _ => {}
                }
            }
        }
    }

    fn pause_channel(&mut self) {
        let Some((name, key)) = self.channel() else { return };
        let paused = self.random.below(2) == 0;
        self.topic.pause_channel(key, paused, self.clock).expect("written");
        self.reference.channels.get_mut(name).expect("same").paused = paused;
    }

    fn pause_topic(&mut self) {
        let paused = self.random.below(3) == 0;
        self.topic.pause(paused, self.clock).expect("written");
        self.reference.paused = paused;
        self.reference.pump(self.step);
    }

    fn empty_channel(&mut self) {
        let Some((name, key)) = self.channel() else { return };
        self.topic.empty_channel(key, self.clock).expect("written");
        self.reference.channels.get_mut(name).expect("same").rows.clear();
    }

    fn seek_to_end(&mut self) {
        let Some((name, key)) = self.channel() else { return };
        assert_eq!(self.topic.seek(key, SeekTo::End, self.clock).map(|sought| sought.count), Ok(0));
        self.reference.channels.get_mut(name).expect("same").rows.clear();
    }

    fn empty_topic(&mut self) {
        self.topic.empty(self.clock).expect("written");
        self.reference.waiting.clear();
    }

    fn checkpoint(&mut self) {
        if self.random.below(2) == 0 {
            self.topic.begin_anew(1, self.clock);
        }
        let Some(job) = self.topic.checkpoint(self.clock) else { return };
        let remove = self.topic.checkpointed(job.run(), self.clock.wall.0).expect("the disk is fine");
        if let Some(job) = remove {
            self.topic.journal.removed(job.run()).expect("the disk is fine");
        }
        let clock = self.clock;
        for (_, due) in &mut self.reference.waiting {
            *due = due.map(|(due, _)| (due, Written::new(clock, due)));
        }
        for channel in self.reference.channels.values_mut() {
            for row in channel.rows.values_mut() {
                row.written_attempts = row.attempts;
                row.written_due = match row.state {
                    State::Deferred(due) => Written::new(clock, due),
                    _ => Written::default(),
                };
                row.written_fresh = row.fresh;
                row.written_order = Some(row.order);
                if matches!(row.state, State::InFlight { .. }) {
                    (row.written_order, row.written_fresh) = (Some((0, 0)), false);
                }
            }
        }
    }

    fn clean(&mut self) {
        let mut next = self.unfinished.take();
        if next.is_none() {
            self.checkpoint();
            next = self.topic.clean(self.clock.wall.0, u64::MAX);
        }
        while let Some(copy) = next {
            if self.random.below(8) == 0 {
                // Other steps run first.
                self.unfinished = Some(copy);
                return;
            }
            let mut blocks = copy.blocks;
            // Messages finished meanwhile may be gone.
            blocks
                .extend(copy.jobs.into_iter().filter_map(|job| self.topic.journal.read_done(job.run()).ok()));
            let copied = queue::topic::Copied { blocks };
            next = self.topic.copy_forward(&copied, self.clock).expect("the disk is fine");
        }
    }

    /// Ends the process, cleanly or not, and starts it again.
    fn restart(&mut self) {
        if self.random.below(2) == 0 {
            self.checkpoint();
        } else {
            self.commit();
        }
        self.note_written(self.reference.paused);
        self.files.crash(journal::files::Crash::Process);
        self.clock.now = Instant(self.random.below(1 << 40));
        if self.random.below(4) == 0 {
            let day = 86_400_000_000_000;
            self.clock.wall.0 += if self.random.below(3) == 0 { day } else { -day };
        }
        // Without damage a recount changes nothing.
        let recount = if self.random.below(2) == 0 { 0 } else { u64::MAX };
        self.topic = open(&self.files, &self.options, self.clock, recount);
        self.unfinished = None;
        self.reference.channels.remove("c#ephemeral");
        self.reference.paused = self.topic.is_paused();
        let clock = self.clock;
        let step = self.step;
        for (_, due) in &mut self.reference.waiting {
            *due = due.map(|(_, written)| (clock.now + written.left(clock.wall.0), written));
        }
        for channel in self.reference.channels.values_mut() {
            channel.consumers.clear();
            for row in channel.rows.values_mut() {
                row.attempts = row.written_attempts;
                row.state = match row.written_due.left(clock.wall.0) {
                    Duration::ZERO => State::Queued,
                    left => State::Deferred(clock.now + left),
                };
                (row.order, row.fresh) = (row.written_order.expect("noted"), row.written_fresh);
                if row.written_due.due != 0 {
                    (row.order, row.fresh) = ((step, u32::MAX), false);
                }
            }
        }
        self.reference.pump(self.step);
    }

    /// Delivers everything deliverable, and checks each delivery.
    fn settle(&mut self) {
        let keys: Vec<_> = self.topic.iter().map(|(key, channel)| (key, channel.name.clone())).collect();
        for (key, name) in keys {
            self.reference.channels.get_mut(name.as_str()).expect("both have it").note_many();
            let mut sink = Deliveries::default();
            while let Some(job) = deliver(&mut self.topic, key, self.clock, &mut sink) {
                self.read(key, job);
            }
            for (conn, attempts, id, number) in sink.0 {
                self.check_delivery(&name, conn, attempts, id, number);
            }
        }
    }

    fn read(&mut self, key: ChannelKey, job: ReadJob) {
        let block = self.topic.journal.read_done(job.run()).expect("the disk is fine");
        self.topic.channel_mut(key).expect("found").notes.fetched = Some(block);
    }

    fn check_delivery(&mut self, name: &str, conn: ConnId, attempts: u16, id: u64, number: u32) {
        let step = self.step;
        assert_eq!(self.ids[&number], id, "step {step}: message {number} changed its id");
        self.delivered += 1;
        let now = self.clock.now;
        let channel = self.reference.channels.get_mut(name).expect("both have it");
        assert!(!channel.paused, "step {step}: delivery from a paused channel");
        let in_flight = channel.in_flight_of(conn);
        let consumer = channel.consumers.get(&conn.index).expect("a consumer that is there");
        assert!(in_flight < consumer.ready && !consumer.closing, "step {step}: more than RDY");
        let deadline = now + consumer.timeout;
        let row = channel.rows.get_mut(&number);
        let row =
            row.unwrap_or_else(|| panic!("step {step}: {name} delivers {number}, which it does not have"));
        assert_eq!(row.state, State::Queued, "step {step}: {name} delivers {number}");
        let order = row.order;
        channel.check_order(number, order, step);
        let row = channel.rows.get_mut(&number).expect("still there");
        row.attempts += 1;
        assert_eq!(attempts, row.attempts, "step {step}: attempts of {number} in {name}");
        row.state = State::InFlight { consumer: conn, delivered: now, deadline };
    }

    fn compare(&self) {
        let step = self.step;
        assert_eq!(
            self.topic.depth(),
            self.reference.waiting.len() as u64,
            "step {step}: depth of the topic"
        );
        assert_eq!(self.topic.channel_count(), self.reference.channels.len(), "step {step}");
        for (name, expected) in &self.reference.channels {
            let channel = self.topic.channel(self.topic.find(name).expect("both have it")).expect("found");
            let count =
                |want: fn(&State) -> bool| expected.rows.values().filter(|row| want(&row.state)).count();
            let queued = count(|state| *state == State::Queued);
            assert_eq!(channel.depth(), queued as u64, "step {step}: depth of {name}");
            let in_flight = count(|state| matches!(state, State::InFlight { .. }));
            assert_eq!(channel.in_flight_count(), in_flight, "step {step}: in flight in {name}");
            let deferred = count(|state| matches!(state, State::Deferred(..)));
            assert_eq!(channel.deferred_count(), deferred, "step {step}: deferred in {name}");
            let room = expected.consumers.iter().any(|(&index, consumer)| {
                expected.in_flight_of(ConnId { index, generation: 0 }) < consumer.ready && !consumer.closing
            });
            assert!(
                expected.paused || !room || queued == 0,
                "step {step}: {name} keeps {queued} messages back"
            );
        }
    }
}

impl Row {
    fn go_back(&mut self, state: State, step: u64) {
        self.state = state;
        (self.order, self.fresh) = ((step, 0), false);
        (self.written_order, self.written_fresh) = (None, false);
        self.written_attempts = self.attempts;
        self.written_due = Written::default();
    }
}

/// Number of requeued messages from which they may be reordered.
const MANY: usize = 16;

impl RefChannel {
    /// Checks that a delivered message overtakes no waiting one.
    fn check_order(&self, number: u32, order: Order, step: u64) {
        let queued = || self.rows.iter().filter(|(_, row)| row.state == State::Queued);
        let fresh = self.rows[&number].fresh;
        for (other, row) in queued().filter(|(_, row)| fresh || row.fresh || !self.lined_up) {
            assert!(order <= row.order, "step {step}: {number} {order:?} overtakes {other} {:?}", row.order);
        }
    }

    fn note_many(&mut self) {
        let again = self.rows.values().filter(|row| row.state == State::Queued && !row.fresh).count();
        self.lined_up = again >= MANY || self.lined_up && again > 0;
    }

    fn in_flight_of(&self, conn: ConnId) -> u64 {
        let has = |row: &&Row| matches!(row.state, State::InFlight { consumer, .. } if consumer == conn);
        self.rows.values().filter(has).count() as u64
    }
}

impl Reference {
    fn pump(&mut self, step: u64) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for (number, due) in self.waiting.drain(..) {
            for channel in self.channels.values_mut() {
                let state = due.map_or(State::Queued, |(due, _)| State::Deferred(due));
                let written_due = due.map_or(Written::default(), |(_, written)| written);
                let (order, fresh) = ((step, number), due.is_none());
                let row = Row {
                    state,
                    order,
                    written_order: Some(order),
                    fresh,
                    written_fresh: fresh,
                    attempts: 0,
                    written_attempts: 0,
                    written_due,
                };
                channel.rows.insert(number, row);
            }
        }
    }

    fn consumer(&mut self, name: &str, conn: u32) -> &mut RefConsumer {
        self.channels.get_mut(name).and_then(|c| c.consumers.get_mut(&conn)).expect("it is there")
    }

    fn row(&mut self, name: &str, number: u32) -> &mut Row {
        self.channels.get_mut(name).and_then(|c| c.rows.get_mut(&number)).expect("it is there")
    }
}

fn open(files: &MemFiles, options: &QueueOptions, clock: Clock, mut recount: u64) -> Topic<u32> {
    let files = Arc::new(files.clone());
    let opened = Topic::open(
        "t",
        queue::topic::Known { tag: 7, end: 0 },
        files,
        Path::new(DIR),
        options,
        clock,
        &mut recount,
    );
    let (topic, found) = opened.expect("opens");
    assert_eq!((found.journal.damages, found.lost, found.lost_elsewhere), (0, vec![], 0));
    topic
}

fn check(seed: u64, steps: u64) -> u64 {
    let mut world = World::new(seed);
    world.run(steps);
    world.delivered
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn topic_and_channels_agree_with_the_reference() {
    let steps =
        number_from_env("MODEL_STEPS").unwrap_or(if cfg!(debug_assertions) { 4_000 } else { 400_000 });
    let seeds = match number_from_env("MODEL_SEED") {
        Some(seed) => vec![seed],
        None => (1..=5).collect(),
    };
    for seed in seeds {
        println!("MODEL_SEED={seed} MODEL_STEPS={steps}");
        let delivered = check(seed, steps);
        assert!(delivered > steps / 10, "the run was idle: {delivered} deliveries");
    }
}
