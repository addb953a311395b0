//! The queue's shard: everything that one thread owns, driven by the event loop.
//!
//! ```text
//! turn:  received ▸ command/* ▸ stage, FIN, REQ …      timers ▸ heartbeats, timeouts, due times      mail ▸ disk, requests
//!        turn_end ▸ commit each topic that has something new (one write) ▸ OKs ▸ deliver ▸ arm timers
//! ```
//! All topics live on this one shard: a message costs so little here that one thread outruns nsqd on all of
//! its cores, and publishers and consumers of one topic need no hand-over between threads. Nothing below this
//! file depends on that: topics, channels and connections are reached through keys, and threads communicate
//! by mail.

mod requests;
mod dead_letters;
mod engine_arrivals;
mod engine_link;
mod engine_news;
mod engine_tasks;
mod forward;
mod forwarders;
mod clients;
mod conditions;
mod configure;
mod create;
mod departure;
mod inventory;
mod kept;
mod leaving;
mod logins;
mod memory;
mod moves;
mod moving;
mod on_engine;
mod open_error;
mod open_files;
mod order;
mod peek;
mod redrive;
mod results;
mod retry;
mod rights;
mod space;
mod stats;
mod store;
mod taken;
mod taking;
mod topics;
mod turn;
mod watch_clock;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use access::User;
use engine::Completion;
use journal::files::Dir;
use journal::{DeleteJob, Files};
use net::{App, ConnId, Fault, Input, Instant, Io, LayerInfo, Peer};
use rustc_hash::FxHashMap;
use wire::nsq::Limits;
use wire::nsq::identify::Terms;

use crate::authority::AuthAnswer;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::disk::{Disk, Done};
use crate::error::JournalRefusal;
use crate::options::{Authority, QueueOptions, Settings};
use crate::outside::{Asker, Outside};
use crate::registry::{Registry, TopicKey};
use crate::request::{PeekJob, Reply, Request};
use crate::reserve::Reserve;
use crate::topic::{ChannelKey, Memory, Outcome};
use crate::work_list::WorkList;

pub use crate::snapshot::{ChannelStats, ClientStats, Condition, EngineStats, Snapshot, TopicStats};
use conditions::Conditions;
use engine_link::EngineLink;
use forwarders::Forwarders;
use logins::Logins;
pub(crate) use on_engine::Subscribable;
pub use open_error::OpenError;
pub(crate) use store::{STORE, topic_directory, topic_tag};

/// Mail from other threads to the queue.
#[derive(Debug)]
pub enum Mail {
    /// Result of a finished disk job.
    Done(Done),
    /// The authority has answered.
    Auth(Asker, AuthAnswer),
    /// A password was checked: the user it belongs to, or `None`.
    Login(Asker, Option<Arc<User>>),
    /// Channels of a topic that lookup daemons know; the topic was waiting for them.
    KnownChannels(String, Vec<String>),
    /// A request from the control thread.
    Request(Request, Reply),
    /// The engine has done something, or has news.
    Engine(Completion),
    /// Another process takes over the directory. A stop follows, which requeues messages in flight without
    /// counting an attempt.
    HandOver,
}

/// Waiter for a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// A client, by the number of the answer owed to it.
    Client {
        /// Its connection.
        conn: ConnId,
        /// Number in its queue of owed answers.
        number: u64,
    },
    /// A request from the control thread.
    Request(u64),
    /// A channel that moves its dead letters.
    Letters {
        /// Its topic.
        topic: TopicKey,
        /// The channel.
        channel: ChannelKey,
        /// The batch under way.
        batch: u32,
    },
    /// A redrive of dead letters.
    Redrive(u64),
    /// Messages of the engine that the topic takes over.
    Taken(u64),
}

/// Kinds of timers; the rest of a token identifies the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timer {
    /// A client's heartbeat, or the deadline of its magic.
    Heartbeat,
    /// A channel has something due.
    Channel,
    /// Events are due to be written.
    Events,
    /// Checkpoints and flushes, once a second.
    Tick,
    /// Work left over from the last turn.
    Work,
    /// End of a topic's wait for its known channels.
    Known,
    /// A throttled client is read again.
    Limit,
}

const TIMERS: [Timer; 7] =
    [Timer::Heartbeat, Timer::Channel, Timer::Events, Timer::Tick, Timer::Work, Timer::Known, Timer::Limit];

/// A timer's token: kind, and two numbers of 28 bits.
fn token(kind: Timer, a: u32, b: u32) -> u64 {
    (kind as u64) << 56 | u64::from(a & 0xfff_ffff) << 28 | u64::from(b & 0xfff_ffff)
}

fn untoken(token: u64) -> Option<(Timer, u32, u32)> {
    let kind = TIMERS.get((token >> 56) as usize)?;
    Some((*kind, (token >> 28) as u32 & 0xfff_ffff, token as u32 & 0xfff_ffff))
}

/// The queue.
pub struct Queue {
    options: QueueOptions,
    limits: Limits,
    terms: Terms,
    /// Authorization of clients.
    authority: Authority,
    /// Failed logins.
    pub(crate) logins: Logins,
    files: Arc<dyn Files>,
    /// The directory of the journals, kept open so that flushing it needs no further descriptor.
    topics_open: Option<Arc<dyn Dir>>,
    disk: Box<dyn Disk>,
    outside: Box<dyn Outside>,
    /// The engine, if one is configured.
    engine: Option<EngineLink>,
    /// Local topics that are forwarded to it, if publications are accepted here first.
    forwarders: Option<Forwarders>,
    clock: Clock,
    started: Clock,
    topics: Registry<Waiter>,
    clients: Vec<Option<Box<Connection>>>,
    client_count: usize,
    /// Channels of all topics.
    channel_count: usize,
    /// Topics with staged messages or records.
    dirty: WorkList<TopicKey>,
    /// Topics whose channels have unwritten events.
    lazy: WorkList<TopicKey>,
    lazy_armed: bool,
    /// Topics that were written to since their last checkpoint.
    written: WorkList<TopicKey>,
    /// Channels that may have messages to deliver, or timers to set.
    scheduled: WorkList<(TopicKey, ChannelKey)>,
    /// Clients whose owed answers may have become known.
    payable: WorkList<ConnId>,
    work_armed: bool,
    /// New topics waiting for the channels that lookup daemons know.
    awaiting_channels: Vec<TopicKey>,
    /// True if a notice of a change could not be delivered.
    unannounced: bool,
    /// Ephemeral channels that have lost their last consumer.
    doomed: Vec<(TopicKey, ChannelKey)>,
    /// Ephemeral channels that could not be deleted.
    undeleted: Vec<(TopicKey, ChannelKey)>,
    /// Directories of deleted topics that could not be removed.
    undeleted_files: Vec<DeleteJob>,
    /// Topics of which a segment could not be deleted.
    unreleased: Vec<TopicKey>,
    /// Topics whose journal refused a write.
    unwritten: WorkList<TopicKey>,
    /// Channels whose read failed.
    retries: Vec<(TopicKey, ChannelKey)>,
    /// Channels whose dead letters were refused or could not be read.
    dead_letter_retries: Vec<(TopicKey, ChannelKey)>,
    /// Finished moves between journals: the source's waiter and the outcome.
    moved: Vec<(Waiter, Outcome)>,
    replies: FxHashMap<u64, Reply>,
    peek_jobs: FxHashMap<u64, PeekJob>,
    redrives: FxHashMap<u64, order::Redrive>,
    next_request: u64,
    jobs_out: usize,
    /// Memory of all topics.
    memory: Memory,
    /// Topics in memory that may have messages to release.
    to_release: WorkList<TopicKey>,
    /// Journal cache that is in use and could not be released, with some room to grow.
    cache_in_use: usize,
    /// Topics whose journal has open files, oldest entry first.
    open_files: VecDeque<TopicKey>,
    /// Descriptors of all journals.
    descriptors: usize,
    turn: u64,
    ticks: u64,
    /// Time of the last tick.
    ticked: Clock,
    stopping: bool,
    /// Another process takes over the directory: deliveries interrupted by the stop do not count as attempts.
    handing_over: bool,
    /// The inventory and its pending work.
    kept: kept::Kept,
    /// Remaining budget (bytes) for recounting journals as they are opened.
    recount_left: u64,
    /// Present conditions.
    conditions: Conditions,
    /// The reason publications are refused until there is room on the disk.
    out_of_space: Option<JournalRefusal>,
    /// The emergency disk reserve, spent when the disk is full.
    reserve: Reserve,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue {{ {} topics, {} clients }}", self.topics.len(), self.client_count)
    }
}

impl Queue {
    /// Opens a queue over the journals in the data path and recovers them, which blocks. Must be called
    /// before any client is served, on any thread.
    pub fn open(
        options: QueueOptions,
        files: Arc<dyn Files>,
        disk: Box<dyn Disk>,
        outside: Box<dyn Outside>,
        clock: Clock,
    ) -> Result<Queue, OpenError> {
        let mut queue = Queue {
            limits: options.limits(),
            recount_left: options.recount_bytes,
            reserve: Reserve::new(Arc::clone(&files), &options.settings.data_path),
            terms: options.terms(),
            authority: options.authority(),
            logins: Logins::default(),
            options,
            files,
            topics_open: None,
            disk,
            outside,
            engine: None,
            forwarders: None,
            clock,
            started: clock,
            topics: Registry::default(),
            clients: Vec::new(),
            client_count: 0,
            channel_count: 0,
            dirty: WorkList::default(),
            lazy: WorkList::default(),
            lazy_armed: false,
            written: WorkList::default(),
            scheduled: WorkList::default(),
            payable: WorkList::default(),
            work_armed: false,
            awaiting_channels: Vec::new(),
            unannounced: false,
            doomed: Vec::new(),
            undeleted: Vec::new(),
            undeleted_files: Vec::new(),
            unreleased: Vec::new(),
            unwritten: WorkList::default(),
            retries: Vec::new(),
            dead_letter_retries: Vec::new(),
            moved: Vec::new(),
            replies: FxHashMap::default(),
            peek_jobs: FxHashMap::default(),
            redrives: FxHashMap::default(),
            next_request: 1,
            jobs_out: 0,
            memory: Memory::default(),
            to_release: WorkList::default(),
            cache_in_use: 0,
            open_files: VecDeque::new(),
            descriptors: 0,
            turn: 0,
            ticks: 0,
            ticked: clock,
            stopping: false,
            handing_over: false,
            kept: kept::Kept::default(),
            conditions: Conditions::default(),
            out_of_space: None,
            scratch: Vec::new(),
        };
        queue.recover()?;
        Ok(queue)
    }

    /// Directory of the journals.
    fn topics_dir(&self) -> PathBuf {
        self.settings().data_path.join(STORE)
    }

    /// Arms the periodic timers and those of recovered channels. Must be called once, in the loop.
    pub fn start<I: Io>(&mut self, io: &mut I) {
        self.tick_clock(io);
        self.put_space_by();
        io.set_timer(io.now() + TICK, token(Timer::Tick, 0, 0));
        for key in self.topics.keys() {
            self.schedule_all(key);
        }
        self.wake(io);
    }

    fn tick_clock<I: Io>(&mut self, io: &I) {
        self.clock = Clock { now: io.now(), wall: io.wall_time() };
    }

    /// Makes sure that another turn comes soon even if no input arrives.
    fn wake<I: Io>(&mut self, io: &mut I) {
        if !self.work_armed {
            self.work_armed = true;
            io.set_timer(io.now(), token(Timer::Work, 0, 0));
        }
    }

    fn submit(&mut self, job: crate::disk::Job) {
        self.jobs_out += 1;
        self.disk.submit(job);
    }

    /// The turn's clock.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn options(&self) -> &QueueOptions {
        &self.options
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.options.settings
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Authorization of clients.
    #[inline]
    pub(crate) fn authority(&self) -> Authority {
        self.authority
    }

    pub(crate) fn outside(&mut self) -> &mut dyn Outside {
        &mut *self.outside
    }

    /// Summary of the present conditions, if there are any.
    fn health(&self) -> Option<String> {
        self.conditions.text()
    }

    fn now(&self) -> Instant {
        self.clock.now
    }
}

const TICK: std::time::Duration = std::time::Duration::from_secs(1);

impl<I: Io> App<I> for Queue {
    type Mail = Mail;

    fn accepted(&mut self, io: &mut I, _listener: u32, conn: ConnId, peer: Peer) {
        self.tick_clock(io);
        self.accept(io, conn, peer);
    }

    fn connected(&mut self, _io: &mut I, _conn: ConnId) {}

    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>) {
        self.tick_clock(io);
        self.receive(io, conn, input);
    }

    fn ended(&mut self, io: &mut I, conn: ConnId) {
        self.tick_clock(io);
        self.client_ended(io, conn);
    }

    fn failed(&mut self, io: &mut I, conn: ConnId, _fault: Fault) {
        self.tick_clock(io);
        self.forget_client(io, conn);
    }

    fn drained(&mut self, io: &mut I, conn: ConnId) {
        self.tick_clock(io);
        self.client_drained(io, conn);
    }

    fn layered(&mut self, io: &mut I, conn: ConnId, info: LayerInfo) {
        self.tick_clock(io);
        self.handshake_done(io, conn, info);
    }

    fn timer(&mut self, io: &mut I, due: u64) {
        self.tick_clock(io);
        match untoken(due) {
            Some((Timer::Heartbeat, index, generation)) => self.heartbeat(io, index, generation),
            Some((Timer::Channel, topic, channel)) => self.channel_due(topic, channel),
            Some((Timer::Events, ..)) => self.events_due(),
            Some((Timer::Tick, ..)) => self.tick(io),
            Some((Timer::Work, ..)) => self.work_armed = false,
            Some((Timer::Known, topic, _)) => self.known_late(topic),
            Some((Timer::Limit, index, generation)) => self.resume_client(io, index, generation),
            None => {}
        }
    }

    fn mail(&mut self, io: &mut I, mail: Mail) {
        self.tick_clock(io);
        match mail {
            Mail::Done(done) => self.job_done(done),
            Mail::Auth(asker, answer) => self.auth_answered(io, asker.0, answer),
            Mail::Login(asker, user) => self.login_verified(io, asker.0, user),
            Mail::KnownChannels(topic, channels) => self.known_channels(&topic, &channels),
            Mail::Request(request, reply) => self.ask(io, request, reply),
            Mail::Engine(completion) => self.engine_completed(io, completion),
            Mail::HandOver => self.handing_over = true,
        }
    }

    fn turn_end(&mut self, io: &mut I) {
        self.tick_clock(io);
        self.end_turn(io);
    }

    fn stopping(&mut self, io: &mut I) {
        self.tick_clock(io);
        self.stop(io);
    }

    fn idle(&self) -> bool {
        self.jobs_out == 0
            && self.dirty.is_empty()
            && self.moved.is_empty()
            && self.client_count == 0
            && !self.is_publishing()
    }
}
