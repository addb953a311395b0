//! A queue without sockets, threads or a clock: an `Io` that records output, a disk that works on demand, and
//! a file system in memory that fails on request.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::Proof;
use bytes::Bytes;
use journal::{Files, MemFiles};
use net::{
    Address, App, ConnId, Input, Instant, Io, Layer, ListenOptions, ListenerId, Parcel, Peer, SocketOptions,
    TimerId, WallTime,
};
use nuthatch_queue::authority::AuthQuery;
use nuthatch_queue::disk::{Disk, Job};
use nuthatch_queue::outside::{Asker, Notice, Outside};
use nuthatch_queue::queue::OpenError;
use nuthatch_queue::request::{Answer, Reply, Request};
use nuthatch_queue::{Clock, Configuration, Mail, Queue, QueueOptions, Settings};

/// One end of a connection, as the test sees it.
#[derive(Debug, Default)]
pub struct Wire {
    pub sent: Vec<u8>,
    pub closed: bool,
    pub paused: bool,
    inbox: Vec<u8>,
    wants_drained: bool,
    /// True while the kernel accepts no output.
    pub stuck: bool,
    unsent: usize,
}

/// The loop, in memory.
#[derive(Debug)]
pub struct TestIo {
    pub clock: Clock,
    pub wires: HashMap<ConnId, Wire>,
    timers: BTreeMap<(Instant, u64), u64>,
    next_timer: u64,
    resumed: Vec<ConnId>,
}

impl Io for TestIo {
    fn now(&self) -> Instant {
        self.clock.now
    }
    fn wall_time(&self) -> WallTime {
        self.clock.wall
    }
    fn connect(&mut self, _to: &Address, _options: &SocketOptions) -> ConnId {
        unreachable!("the queue connects to nobody")
    }
    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.sent.extend_from_slice(bytes);
            wire.unsent += bytes.len();
        }
    }
    fn send_shared(&mut self, conn: ConnId, bytes: Bytes) {
        self.send(conn, &bytes);
    }
    fn unread(&self, conn: ConnId) -> usize {
        self.wires.get(&conn).map_or(0, |wire| wire.inbox.len())
    }
    fn unsent(&self, conn: ConnId) -> usize {
        self.wires.get(&conn).map_or(0, |wire| wire.unsent)
    }
    fn notify_drained(&mut self, conn: ConnId) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.wants_drained = true;
        }
    }
    fn pause(&mut self, conn: ConnId) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.paused = true;
        }
    }
    fn resume(&mut self, conn: ConnId) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.paused = false;
            self.resumed.push(conn);
        }
    }
    fn finish(&mut self, conn: ConnId) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            wire.closed = true;
        }
    }
    fn abort(&mut self, conn: ConnId) {
        self.finish(conn);
    }
    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId {
        self.next_timer += 1;
        self.timers.insert((at, self.next_timer), token);
        TimerId(self.next_timer)
    }
    fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.retain(|(_, id), _| *id != timer.0);
    }
    fn push_layer(&mut self, _conn: ConnId, _layer: Layer) {}
    fn release(&mut self, _conn: ConnId) -> Option<Parcel> {
        None
    }
    fn adopt(&mut self, _parcel: Parcel) -> Option<ConnId> {
        unreachable!("nothing is released")
    }
    fn listen(&mut self, _listener: net::Listener) -> std::io::Result<()> {
        Ok(())
    }
    fn set_listener(&mut self, _listener: ListenerId, _options: ListenOptions) {}
    fn unlisten(&mut self, _listener: ListenerId) {}
    fn leave_listeners(&mut self) {}
    fn load(&self) -> u32 {
        0
    }
    fn buffered(&self) -> usize {
        self.wires.values().filter(|wire| !wire.closed).map(|wire| wire.inbox.len() + wire.unsent).sum()
    }
}

/// Slot for an answer that may come later.
pub type Asked = Arc<Mutex<Option<Answer>>>;

type Jobs = Arc<Mutex<VecDeque<Job>>>;

struct TestDisk(Jobs);

impl Disk for TestDisk {
    fn submit(&mut self, job: Job) {
        self.0.lock().expect("one thread").push_back(job);
    }
}

/// Notices of the queue since it was opened.
#[derive(Debug, Default)]
pub struct Heard {
    pub proofs: Vec<(Asker, Proof)>,
    /// True while notices and requests are rejected.
    pub busy: bool,
    pub notices: Vec<Notice>,
    /// Topics whose known channels were requested.
    pub asked: Vec<String>,
}

/// A topic, or a topic and a channel.
pub type Name = (String, Option<String>);

impl Heard {
    /// The topics and channels that the notices add up to. Each notice must change something, and no channel
    /// may lack its topic.
    pub fn announced(&self) -> BTreeSet<Name> {
        let mut set = BTreeSet::new();
        for notice in &self.notices {
            let changed = match notice.clone() {
                Notice::TopicAdded(topic) => set.insert((topic, None)),
                Notice::ChannelAdded(topic, channel) => {
                    set.contains(&(topic.clone(), None)) && set.insert((topic, Some(channel)))
                }
                Notice::ChannelRemoved(topic, channel) => set.remove(&(topic, Some(channel))),
                Notice::TopicRemoved(topic) => {
                    assert!(!set.iter().any(|(name, channel)| *name == topic && channel.is_some()));
                    set.remove(&(topic, None))
                }
                Notice::All(topics) => {
                    set.clear();
                    for (topic, channels) in topics {
                        set.insert((topic.clone(), None));
                        set.extend(channels.into_iter().map(|channel| (topic.clone(), Some(channel))));
                    }
                    true
                }
            };
            assert!(changed, "{notice:?} among {:?}", self.notices);
        }
        set
    }
}

/// The external services: records notices, and knows no channels.
struct Listener(Arc<Mutex<Heard>>);

impl Outside for Listener {
    fn ask_authority(&mut self, _asker: Asker, _query: AuthQuery) -> bool {
        !self.0.lock().expect("one thread").busy
    }
    fn verify(&mut self, asker: Asker, proof: Proof) -> bool {
        let mut heard = self.0.lock().expect("one thread");
        if !heard.busy {
            heard.proofs.push((asker, proof));
        }
        !heard.busy
    }
    fn notice(&mut self, notice: Notice) -> bool {
        let mut heard = self.0.lock().expect("one thread");
        if !heard.busy {
            heard.notices.push(notice);
        }
        !heard.busy
    }
    fn ask_channels(&mut self, topic: &str) -> bool {
        self.0.lock().expect("one thread").asked.push(topic.to_owned());
        false
    }
}

/// A queue with its loop.
pub struct World {
    pub files: MemFiles,
    pub options: QueueOptions,
    pub io: TestIo,
    pub queue: Queue,
    pub heard: Arc<Mutex<Heard>>,
    jobs: Jobs,
    /// True if jobs run at the end of each turn.
    pub disk_works: bool,
    next_conn: u32,
}

impl World {
    pub fn new(options: QueueOptions) -> World {
        World::open(MemFiles::new(1), options, 1_700_000_000_000_000_000)
    }

    /// A queue over existing files.
    pub fn open(files: MemFiles, options: QueueOptions, wall: i64) -> World {
        World::try_open(files, options, wall).expect("opens")
    }

    /// [`World::open`] that may fail.
    pub fn try_open(files: MemFiles, options: QueueOptions, wall: i64) -> Result<World, OpenError> {
        World::open_through(files.clone(), Arc::new(files), options, wall)
    }

    /// [`World::try_open`] with the queue using the files through `seen`.
    pub fn open_through(
        files: MemFiles,
        seen: Arc<dyn Files>,
        mut options: QueueOptions,
        wall: i64,
    ) -> Result<World, OpenError> {
        if options.settings.data_path == Settings::default().data_path {
            // The root of the file system, which survives every power loss.
            options.settings.data_path = ".".into();
        }
        let clock = Clock { now: Instant(1_000_000), wall: WallTime(wall) };
        let jobs = Jobs::default();
        let disk = Box::new(TestDisk(Arc::clone(&jobs)));
        let heard = Arc::<Mutex<Heard>>::default();
        let outside = Box::new(Listener(Arc::clone(&heard)));
        let queue = Queue::open(options.clone(), seen, disk, outside, clock)?;
        let io = TestIo {
            clock,
            wires: HashMap::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            resumed: Vec::new(),
        };
        let mut world = World { files, options, io, queue, heard, jobs, disk_works: true, next_conn: 0 };
        world.queue.start(&mut world.io);
        world.turn();
        Ok(world)
    }

    /// Ends the process without a stop and starts it again.
    pub fn crash(self, how: journal::files::Crash) -> World {
        let World { files, options, io, queue, .. } = self;
        drop(queue);
        files.crash(how);
        World::open(files, options, io.clock.wall.0)
    }

    /// A client that has sent the magic.
    pub fn client(&mut self) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId { index: self.next_conn, generation: 0 };
        self.io.wires.insert(conn, Wire::default());
        let address = ([127, 0, 0, 1], 10_000 + (self.next_conn % 50_000) as u16).into();
        self.queue.accepted(&mut self.io, 0, conn, Peer::Tcp(address));
        self.send(conn, b"  V2");
        conn
    }

    /// A client that consumes a channel.
    pub fn consumer(&mut self, topic: &str, channel: &str, ready: u32) -> ConnId {
        let conn = self.client();
        self.send(conn, format!("SUB {topic} {channel}\nRDY {ready}\n").as_bytes());
        let answer = self.take(conn);
        assert!(answer.starts_with(b"\0\0\0\x06\0\0\0\0OK"), "{}", answer.escape_ascii());
        self.wire(conn).sent = answer[10..].to_vec();
        conn
    }

    pub fn wire(&mut self, conn: ConnId) -> &mut Wire {
        self.io.wires.get_mut(&conn).expect("a client of this test")
    }

    /// Delivers bytes from a client and ends the turn.
    pub fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.arrive(conn, bytes);
        self.turn();
    }

    /// Delivers bytes from a client without ending the turn.
    pub fn arrive(&mut self, conn: ConnId, bytes: &[u8]) {
        self.wire(conn).inbox.extend_from_slice(bytes);
        self.show(conn);
    }

    fn show(&mut self, conn: ConnId) {
        let wire = self.wire(conn);
        if wire.closed || wire.paused || wire.inbox.is_empty() {
            return;
        }
        let inbox = std::mem::take(&mut wire.inbox);
        let mut input = Input::scratch(&inbox);
        self.queue.received(&mut self.io, conn, &mut input);
        let (consumed, _) = input.outcome();
        let rest = inbox[consumed..].to_vec();
        let wire = self.wire(conn);
        wire.inbox.splice(0..0, rest);
    }

    pub fn publish(&mut self, conn: ConnId, topic: &str, body: &[u8]) {
        let mut command = format!("PUB {topic}\n").into_bytes();
        command.extend_from_slice(&(body.len() as u32).to_be_bytes());
        command.extend_from_slice(body);
        self.send(conn, &command);
    }

    /// Runs turns until nothing more happens at this time.
    pub fn turn(&mut self) {
        loop {
            self.run_timers();
            self.queue.turn_end(&mut self.io);
            self.write();
            let resumed = std::mem::take(&mut self.io.resumed);
            let idle = resumed.is_empty();
            for conn in resumed {
                self.show(conn);
            }
            let worked = self.disk_works && self.work_disk() > 0;
            let due = self.io.timers.first_key_value().is_some_and(|((at, _), _)| *at <= self.io.clock.now);
            if idle && !worked && !due {
                return;
            }
        }
    }

    /// Runs the pending jobs and returns their number.
    pub fn work_disk(&mut self) -> usize {
        let jobs: Vec<Job> = self.jobs.lock().expect("one thread").drain(..).collect();
        let count = jobs.len();
        for job in jobs {
            self.queue.mail(&mut self.io, Mail::Done(job.run()));
        }
        count
    }

    /// Runs one pending job, picked by `choose` (given their number). False if there is none.
    pub fn work_one(&mut self, choose: impl FnOnce(usize) -> usize) -> bool {
        let mut jobs = self.jobs.lock().expect("one thread");
        let count = jobs.len();
        let Some(job) = (count > 0).then(|| jobs.remove(choose(count))).flatten() else { return false };
        drop(jobs);
        self.queue.mail(&mut self.io, Mail::Done(job.run()));
        self.turn();
        true
    }

    /// Advances the time, timer by timer.
    pub fn advance(&mut self, by: Duration) {
        let end = self.io.clock.now + by;
        loop {
            let next = self
                .io
                .timers
                .first_key_value()
                .map_or(end, |((at, _), _)| (*at).max(self.io.clock.now).min(end));
            let step = next.since(self.io.clock.now);
            self.io.clock.now = next;
            self.io.clock.wall.0 += step.as_nanos() as i64;
            self.turn();
            if next == end {
                return;
            }
        }
    }

    fn run_timers(&mut self) {
        while let Some((&(at, id), &token)) = self.io.timers.first_key_value() {
            if at > self.io.clock.now {
                return;
            }
            self.io.timers.remove(&(at, id));
            self.queue.timer(&mut self.io, token);
        }
    }

    fn write(&mut self) {
        let mut drained = Vec::new();
        for (conn, wire) in &mut self.io.wires {
            if !wire.stuck {
                wire.unsent = 0;
                if std::mem::take(&mut wire.wants_drained) {
                    drained.push(*conn);
                }
            }
        }
        for conn in drained {
            self.queue.drained(&mut self.io, conn);
        }
    }

    /// Resets a client's connection.
    pub fn disconnect(&mut self, conn: ConnId) {
        self.io.wires.remove(&conn);
        self.queue.failed(&mut self.io, conn, net::Fault::Reset);
        self.turn();
    }

    /// Bytes sent to a client since the last call.
    pub fn take(&mut self, conn: ConnId) -> Vec<u8> {
        std::mem::take(&mut self.wire(conn).sent)
    }

    /// Frames sent to a client since the last call: type and data.
    pub fn frames(&mut self, conn: ConnId) -> Vec<(u32, Vec<u8>)> {
        let bytes = self.take(conn);
        let mut frames = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let size = u32::from_be_bytes(rest[..4].try_into().expect("a size")) as usize;
            let kind = u32::from_be_bytes(rest[4..8].try_into().expect("a type"));
            frames.push((kind, rest[8..4 + size].to_vec()));
            rest = &rest[4 + size..];
        }
        frames
    }

    /// Messages sent to a client since the last call: attempts, id, body.
    pub fn messages(&mut self, conn: ConnId) -> Vec<(u16, String, Vec<u8>)> {
        let frames = self.frames(conn).into_iter().filter(|(kind, _)| *kind == 2);
        frames
            .map(|(_, data)| {
                let attempts = u16::from_be_bytes([data[8], data[9]]);
                (attempts, String::from_utf8_lossy(&data[10..26]).into_owned(), data[26..].to_vec())
            })
            .collect()
    }

    pub fn ask(&mut self, ask: Request) -> Answer {
        let asked = self.ask_later(ask);
        Self::answered(&asked).expect("an answer in this turn")
    }

    /// Applies changed settings.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.options.settings);
        self.reconfigure();
    }

    /// Applies other users.
    pub fn set_users(&mut self, users: access::Book) {
        self.options.users = users;
        self.reconfigure();
    }

    fn reconfigure(&mut self) {
        let (settings, tls) = (self.options.settings.clone(), self.options.tls.clone());
        let new = Configuration { settings, tls, users: self.options.users.clone() };
        assert!(matches!(self.ask(Request::Configure(Box::new(new))), Answer::Done));
    }

    /// Sends a request; the answer may come later.
    pub fn ask_later(&mut self, ask: Request) -> Asked {
        let asked = Asked::default();
        let slot = Arc::clone(&asked);
        let reply = Reply(Box::new(move |answer| *slot.lock().expect("one thread") = Some(answer)));
        self.queue.mail(&mut self.io, Mail::Request(ask, reply));
        self.turn();
        asked
    }

    /// Takes the answer, if it has come.
    pub fn answered(asked: &Asked) -> Option<Answer> {
        asked.lock().expect("one thread").take()
    }

    /// Stops the daemon; turns continue.
    pub fn stop(&mut self) {
        self.queue.stopping(&mut self.io);
        self.turn();
    }

    /// True if a stopping daemon may end.
    pub fn is_idle(&self) -> bool {
        App::<TestIo>::idle(&self.queue)
    }

    /// The existing topics and channels.
    pub fn present(&mut self) -> BTreeSet<Name> {
        let ask = Request::Stats { topic: None, channel: None, clients: false };
        let Answer::Stats(snapshot) = self.ask(ask) else { panic!("statistics") };
        let mut set = BTreeSet::new();
        for topic in snapshot.topics.expect("all topics") {
            set.extend(topic.channels.into_iter().map(|channel| (topic.name.clone(), Some(channel.name))));
            set.insert((topic.name, None));
        }
        set
    }

    /// The topics and channels that were announced since the queue was opened.
    pub fn announced(&self) -> BTreeSet<Name> {
        self.heard.lock().expect("one thread").announced()
    }

    /// Depth, in flight and deferred of a channel.
    pub fn counts(&mut self, topic: &str, channel: &str) -> (u64, u64, u64) {
        let ask = Request::Stats { topic: Some(topic.into()), channel: Some(channel.into()), clients: false };
        let Answer::Stats(snapshot) = self.ask(ask) else { panic!("statistics") };
        let topics = snapshot.topics.expect("the topic is there");
        let channel = topics[0].channels.first().expect("the channel is there");
        (channel.depth, channel.in_flight, channel.deferred)
    }

    pub fn health(&mut self) -> Option<String> {
        match self.ask(Request::Health) {
            Answer::Health(health) => health,
            other => panic!("{other:?}"),
        }
    }
}
