//! The registry as a product of an event loop: connections of nodes in, responses out.
//!
//! A connection that sends no magic, or that is silent for too long, is closed; nsqlookupd keeps both
//! forever. Nothing else depends on time here: inactive producers are left out of answers and reappear with
//! their next PING.

use std::time::Duration;

use net::{App, ConnId, Fault, Input, Instant, Io, Peer, WallTime};
use telemetry::{debug, info, warn};
use wire::nsq::lookup::{Command, MAGIC_V1, Node, OK, Refusal, Scan, Scanner, write_response};

use crate::connection::{Connection, Stage};
use crate::registry::{Full, Lifetimes, Limits, Registry};
use crate::request::{Answer, Counts, Reply, Request};
use crate::snapshot::Snapshot;

/// Nodes of a snapshot in one answer: other requests wait meanwhile.
const SAVED_NODES_MAX: usize = 32;
/// Token of the timer that ends the use of a restored snapshot.
const RESTORED: u64 = u64::MAX;
/// Unsent bytes above which a connection is not read until it drains.
const UNSENT_MAX: usize = 1 << 20;

/// Settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// Identity sent to nodes.
    pub node: Node,
    /// Lifetimes of producers and tombstones.
    pub lifetimes: Lifetimes,
    /// Limits on names and registrations.
    pub limits: Limits,
    /// Most connections at once; 0 for no limit.
    pub connections_max: usize,
    /// Time allowed for a node to send the magic.
    pub magic_timeout: Duration,
    /// Time a connection may be silent; nsqd sends a PING every 15 seconds.
    pub silence_max: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            node: Node::default(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            connections_max: 65_536,
            magic_timeout: Duration::from_secs(30),
            silence_max: Duration::from_hours(1),
        }
    }
}

/// Mail from other threads.
#[derive(Debug)]
pub enum Mail {
    /// A request of the HTTP API.
    Request(Request, Reply),
    /// New settings.
    Configure(Box<Options>),
}

/// The product.
#[derive(Debug)]
pub struct Lookup {
    options: Options,
    registry: Registry,
    connections: Vec<Option<Box<Connection>>>,
    count: usize,
    /// True after a refused connection was logged, until there is room again.
    crowded: bool,
    answer: Vec<u8>,
    out: Vec<u8>,
}

/// Effect of a command on its connection.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Close,
}

impl Lookup {
    /// An empty registry without connections.
    pub fn new(options: Options) -> Lookup {
        let mut answer = Vec::new();
        options.node.write_answer(&mut answer);
        let registry = Registry::new(options.limits);
        Lookup {
            options,
            registry,
            connections: Vec::new(),
            count: 0,
            crowded: false,
            answer,
            out: Vec::new(),
        }
    }

    /// Applies new settings: identity and timeouts to new connections, limits to new registrations, lifetimes
    /// at once. Existing connections stay.
    pub fn configure(&mut self, options: Options) {
        self.answer.clear();
        options.node.write_answer(&mut self.answer);
        self.registry.set_limits(options.limits);
        self.options = options;
    }

    /// Restores a snapshot. Its entries are kept for this long, unless their nodes register again.
    pub fn restore<I: Io>(&mut self, io: &mut I, snapshot: &Snapshot, last: Duration) {
        self.registry.restore(&snapshot.nodes, nanos(io.wall_time()));
        io.set_timer(io.now() + last, RESTORED);
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    fn take(&mut self, conn: ConnId) -> Option<Box<Connection>> {
        let place = self.connections.get_mut(conn.index as usize)?;
        if place.as_ref()?.id == conn { place.take() } else { None }
    }

    fn put(&mut self, connection: Box<Connection>) {
        let index = connection.id.index as usize;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(connection);
    }

    /// Runs the commands that have arrived. False once the connection is to be closed.
    fn read<I: Io>(&mut self, io: &mut I, connection: &mut Connection, input: &mut Input<'_>) -> bool {
        if connection.stage == Stage::Silent && !self.greet(io, connection, input) {
            return connection.stage == Stage::Silent && input.bytes().len() < MAGIC_V1.len();
        }
        while !connection.held {
            let identified = connection.producer().is_some();
            let (flow, used) = match connection.scanner.scan(input.bytes(), identified) {
                Scan::NeedMore { want } => {
                    input.want(want);
                    return true;
                }
                Scan::Done { command, len } => (self.carry_out(io, connection, command), len),
                Scan::Bad(refusal) => {
                    self.refuse(io, connection, &refusal);
                    (Flow::Close, 0)
                }
                Scan::LineTooLong => {
                    info!(peer = %connection.peer, "connection closed: line too long");
                    (Flow::Close, 0)
                }
            };
            if flow == Flow::Close {
                return false;
            }
            input.consume(used);
            connection.heard = io.now();
            if io.unsent(connection.id) >= UNSENT_MAX {
                connection.held = true;
                io.pause(connection.id);
                io.notify_drained(connection.id);
            }
        }
        true
    }

    /// Reads the magic. True once it has arrived.
    fn greet<I: Io>(&mut self, io: &mut I, connection: &mut Connection, input: &mut Input<'_>) -> bool {
        match input.bytes().first_chunk() {
            None => {
                input.want(MAGIC_V1.len());
                false
            }
            Some(MAGIC_V1) => {
                input.consume(MAGIC_V1.len());
                connection.stage = Stage::Greeted;
                connection.heard = io.now();
                true
            }
            Some(_) => {
                self.refuse(io, connection, &Refusal::Protocol);
                false
            }
        }
    }

    fn carry_out<I: Io>(&mut self, io: &mut I, connection: &mut Connection, command: Command<'_>) -> Flow {
        let now = nanos(io.wall_time());
        match (command, connection.stage) {
            (Command::Ping, _) => {
                if let Some(key) = connection.producer() {
                    self.registry.heard(key, now);
                }
                self.reply(io, connection.id, OK);
            }
            (Command::Identify(node), _) => {
                info!(peer = %connection.peer, address = node.broadcast_address, "node connected");
                let key = self.registry.add_producer(connection.peer.to_string(), node, now);
                connection.stage = Stage::Identified(key);
                let answer = std::mem::take(&mut self.answer);
                self.reply(io, connection.id, &answer);
                self.answer = answer;
            }
            (Command::Register { topic, channel }, Stage::Identified(key)) => {
                debug!(peer = %connection.peer, topic, channel, "registers");
                if let Err(full) = self.registry.register(key, topic, channel) {
                    return self.full(io, connection, full);
                }
                self.reply(io, connection.id, OK);
            }
            (Command::Unregister { topic, channel }, Stage::Identified(key)) => {
                debug!(peer = %connection.peer, topic, channel, "unregisters");
                self.registry.unregister(key, topic, channel);
                self.reply(io, connection.id, OK);
            }
            (Command::Register { .. } | Command::Unregister { .. }, _) => {
                self.refuse(io, connection, &Refusal::NotIdentified);
                return Flow::Close;
            }
        }
        Flow::Next
    }

    /// Refuses a command at a limit. That is no protocol error, but in V1 every error ends the connection.
    fn full<I: Io>(&mut self, io: &mut I, connection: &Connection, full: Full) -> Flow {
        warn!(peer = %connection.peer, "registration refused: {full}");
        self.reply(io, connection.id, format!("E_INVALID REGISTER {full}").as_bytes());
        Flow::Close
    }

    fn reply<I: Io>(&mut self, io: &mut I, conn: ConnId, data: &[u8]) {
        self.out.clear();
        write_response(&mut self.out, data);
        io.send(conn, &self.out);
    }

    fn refuse<I: Io>(&mut self, io: &mut I, connection: &Connection, refusal: &Refusal<'_>) {
        let mut text = Vec::new();
        refusal.write(&mut text);
        info!(peer = %connection.peer, "refused: {}", String::from_utf8_lossy(&text));
        self.reply(io, connection.id, &text);
    }

    /// Forgets a connection and its registrations.
    fn detach<I: Io>(&mut self, io: &mut I, connection: &Connection) {
        self.count -= 1;
        self.crowded = false;
        io.cancel_timer(connection.timer);
        if let Some(key) = connection.producer() {
            info!(peer = %connection.peer, "node disconnected");
            self.registry.remove_producer(key);
        }
    }

    fn close<I: Io>(&mut self, io: &mut I, connection: &Connection) {
        self.detach(io, connection);
        io.finish(connection.id);
    }

    /// Time of the next check that a connection is still alive.
    fn deadline(&self, connection: &Connection) -> Instant {
        let patience = match connection.stage {
            Stage::Silent => self.options.magic_timeout,
            Stage::Greeted | Stage::Identified(_) => self.options.silence_max,
        };
        connection.heard + patience
    }

    fn answer(&mut self, request: Request, now: i64) -> Answer {
        let lifetimes = self.options.lifetimes;
        let done = |result: Result<(), Full>| match result {
            Ok(()) => Answer::Done,
            Err(full) => Answer::Full(full.to_string()),
        };
        match request {
            Request::Lookup(topic) => {
                self.registry.lookup(&topic, now, lifetimes).map_or(Answer::Unknown, Answer::Found)
            }
            Request::Topics => Answer::Names(self.registry.topics()),
            Request::Channels(topic) => Answer::Names(self.registry.channels(&topic)),
            Request::Nodes => Answer::Nodes(self.registry.nodes(now, lifetimes)),
            Request::Registrations => Answer::Registrations(self.registry.registrations()),
            Request::Counts => {
                let (producers, topics, channels) = self.registry.counts();
                let stale = self.registry.stale();
                Answer::Counts(Counts { connections: self.count, producers, stale, topics, channels })
            }
            Request::Changes => Answer::Changes(self.registry.changes()),
            Request::Saved(after) => {
                let (nodes, next) = self.registry.saved(after, SAVED_NODES_MAX);
                Answer::Saved(nodes, next)
            }
            Request::CreateTopic(topic) => done(self.registry.create_topic(&topic)),
            Request::CreateChannel(topic, channel) => done(self.registry.create_channel(&topic, &channel)),
            Request::DeleteTopic(topic) => {
                self.registry.delete_topic(&topic);
                Answer::Done
            }
            Request::DeleteChannel(topic, channel) => {
                if self.registry.delete_channel(&topic, &channel) {
                    Answer::Done
                } else {
                    Answer::Unknown
                }
            }
            Request::Tombstone(topic, node) => {
                self.registry.tombstone(&topic, &node, now);
                Answer::Done
            }
        }
    }
}

fn nanos(wall: WallTime) -> i64 {
    wall.0
}

/// A connection's slot, as carried by its timer, with the generation, so that a late timer finds no other
/// connection.
fn token(conn: ConnId) -> u64 {
    u64::from(conn.generation) << 32 | u64::from(conn.index)
}

impl<I: Io> App<I> for Lookup {
    type Mail = Mail;

    fn accepted(&mut self, io: &mut I, _listener: u32, conn: ConnId, peer: Peer) {
        let max = self.options.connections_max;
        if max > 0 && self.count >= max {
            if !std::mem::replace(&mut self.crowded, true) {
                warn!(max, "connection refused: too many connections");
            }
            io.abort(conn);
            return;
        }
        let heard = io.now();
        let timer = io.set_timer(heard + self.options.magic_timeout, token(conn));
        let scanner = Scanner::default();
        self.count += 1;
        self.put(Box::new(Connection {
            id: conn,
            peer,
            stage: Stage::Silent,
            scanner,
            heard,
            timer,
            held: false,
        }));
    }

    fn connected(&mut self, _io: &mut I, _conn: ConnId) {}

    fn received(&mut self, io: &mut I, conn: ConnId, input: &mut Input<'_>) {
        let Some(mut connection) = self.take(conn) else { return };
        if self.read(io, &mut connection, input) {
            self.put(connection);
        } else {
            input.consume(input.bytes().len());
            self.close(io, &connection);
        }
    }

    fn ended(&mut self, io: &mut I, conn: ConnId) {
        let Some(connection) = self.take(conn) else { return };
        if connection.stage != Stage::Silent
            && let Some(refusal) = connection.scanner.ended()
        {
            self.refuse(io, &connection, &refusal);
        }
        self.close(io, &connection);
    }

    fn failed(&mut self, io: &mut I, conn: ConnId, _fault: Fault) {
        if let Some(connection) = self.take(conn) {
            self.detach(io, &connection);
        }
    }

    fn drained(&mut self, io: &mut I, conn: ConnId) {
        let Some(mut connection) = self.take(conn) else { return };
        connection.held = false;
        io.resume(conn);
        self.put(connection);
    }

    fn timer(&mut self, io: &mut I, token: u64) {
        if token == RESTORED {
            info!(
                nodes = self.registry.stale(),
                "entries of the snapshot dropped that no node has registered again"
            );
            return self.registry.forget_restored();
        }
        let found = self.connections.get((token & 0xffff_ffff) as usize).and_then(Option::as_ref);
        let Some(conn) = found.map(|connection| connection.id) else { return };
        if u64::from(conn.generation) != token >> 32 {
            return;
        }
        let Some(mut connection) = self.take(conn) else { return };
        let deadline = self.deadline(&connection);
        if io.now() >= deadline {
            info!(peer = %connection.peer, "silent connection closed");
            self.detach(io, &connection);
            io.abort(conn);
        } else {
            connection.timer = io.set_timer(deadline, token);
            self.put(connection);
        }
    }

    fn mail(&mut self, io: &mut I, mail: Mail) {
        match mail {
            Mail::Request(request, Reply(reply)) => reply(self.answer(request, nanos(io.wall_time()))),
            Mail::Configure(options) => self.configure(*options),
        }
    }

    fn starved(&mut self, _io: &mut I, error: &std::io::Error) {
        warn!(%error, "accepting paused");
    }
}
