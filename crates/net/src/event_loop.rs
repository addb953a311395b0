//! The real [`Io`]: connections over the kernel's sockets.

mod accept;
mod layered;
mod listen;
mod open;
mod read;
mod write;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mio::{Registry, Token};

use crate::clock::{monotonic_now, wall_now};
use crate::coalesce::{Gathering, Round};
use crate::conn::{Conn, Stage, inbox_memory};
use crate::descriptors::ClientPlaces;
use crate::listeners::Listeners;
use crate::load::Load;
use crate::options::ServerTls;
use crate::outbox::Spare;
use crate::slab::Slab;
use crate::stopwatch::Stopwatch;
use crate::stream::Stream;
use crate::timers::Timers;
use crate::{
    Address, App, ConnId, Fault, Instant, Io, Layer, ListenOptions, Listener, ListenerId, Parcel,
    SocketOptions, TimerId, Unsent, WallTime,
};

/// The mailbox's token.
pub(crate) const WAKER_TOKEN: usize = usize::MAX;
/// The listener in place `n` has token `LISTENER_TOKENS + n`; connection tokens are smaller.
pub(crate) const LISTENER_TOKENS: usize = 1 << 62;
/// Size of one read, and so the most that a connection without a backlog holds.
const SCRATCH: usize = 64 * 1024;
/// Retry interval for accepting when file descriptors have run out, unless one is closed earlier.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// Longest time without progress on a finished connection.
const LINGER: Duration = Duration::from_secs(2);

pub(crate) enum Due {
    App(u64),
    Conn(ConnId),
    Accept,
}

type Resolve = Box<dyn Fn(ConnId, String, u16) + Send>;

/// The event loop of a shard, as its product sees it.
pub struct EventLoop {
    registry: Registry,
    listeners: Listeners,
    conns: Slab<Conn>,
    /// Connections with something to write.
    dirty: Vec<ConnId>,
    /// Outgoing connections among them, which may get more to write before the end of the next turn.
    held_back: Vec<ConnId>,
    /// Connections with something left to read or to show.
    queued: Vec<ConnId>,
    timers: Timers<Due>,
    scratch: Box<[u8]>,
    /// Encoded output of layers, before it is moved to an outbox.
    wire: Vec<u8>,
    /// Decoded bytes of the connection being read.
    plain: BytesMut,
    spare: Spare,
    spare_since: bool,
    /// Bytes read since the last `take_arrived`.
    arrived: usize,
    stopwatch: Stopwatch,
    gathering: Gathering,
    /// Open accepted connections.
    clients: usize,
    now: Instant,
    /// Wall clock of this turn, read when it is first asked for.
    wall: Cell<Option<WallTime>>,
    /// The sum of [`Conn::held`] over all connections.
    buffered: usize,
    resolve: Resolve,
    /// Descriptors of accepted connections.
    places: ClientPlaces,
    /// Accepting has run out of file descriptors or of places.
    starved: bool,
    load: Load,
    /// Time of the last accept.
    accepted_at: Instant,
    /// Clients that had said nothing when listening ended, and may still.
    silent: Vec<ConnId>,
    /// Time of the next accept attempt.
    accept_timer: Option<(Instant, TimerId)>,
    /// Bytes that never left of the outgoing connection that was closed last, if there were any.
    left_behind: Option<(ConnId, Unsent)>,
    /// The client being announced to the app, and its listener's TLS: nothing was read or written yet.
    newcomer: Option<(ConnId, ServerTls)>,
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("connections", &self.conns.len()).finish_non_exhaustive()
    }
}

impl EventLoop {
    pub(crate) fn new(
        registry: Registry,
        listeners: Vec<Listener>,
        places: ClientPlaces,
        resolve: Resolve,
        now: Instant,
    ) -> io::Result<EventLoop> {
        let mut el = EventLoop {
            registry,
            listeners: Listeners::default(),
            conns: Slab::new(),
            dirty: Vec::new(),
            held_back: Vec::new(),
            queued: Vec::new(),
            timers: Timers::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            wire: Vec::new(),
            plain: BytesMut::new(),
            spare: Spare::default(),
            spare_since: false,
            arrived: 0,
            stopwatch: Stopwatch::default(),
            gathering: Gathering::default(),
            clients: 0,
            now,
            wall: Cell::new(None),
            buffered: 0,
            resolve,
            places,
            starved: false,
            load: Load::default(),
            accepted_at: now,
            silent: Vec::new(),
            accept_timer: None,
            left_behind: None,
            newcomer: None,
        };
        for listener in listeners {
            el.add_listener(listener)?;
        }
        Ok(el)
    }

    // ---- the clock and the timers -------------------------------------------------------------------------

    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.wall.set(None);
        self.left_behind = None;
        self.load.tick(now);
    }

    pub(crate) fn now_at(&self) -> Instant {
        self.now
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.next_due()
    }

    pub(crate) fn pop_due(&mut self) -> Option<Due> {
        self.timers.pop_due(self.now)
    }

    /// Bytes read since the last call, without those under layers.
    fn take_arrived(&mut self) -> usize {
        std::mem::take(&mut self.arrived)
    }

    /// The round that has found `events`, for the decision whether to sleep.
    pub(crate) fn round(&mut self, events: usize) -> Round {
        let timer = self.timers.next_due();
        Round { now: self.now, events, bytes: self.take_arrived(), clients: self.clients, timer }
    }

    pub(crate) fn set_gathering(&mut self, gathering: Gathering) {
        self.gathering = gathering;
    }

    /// Median time from a request to its reply since the last call; None if too few were sampled.
    pub(crate) fn take_latency(&mut self) -> Option<u32> {
        self.stopwatch.take()
    }

    pub(crate) fn has_spare(&self) -> bool {
        self.spare_since
    }

    pub(crate) fn nothing_unsent(&self) -> bool {
        self.buffered == 0
    }

    // ---- the end ------------------------------------------------------------------------------------------

    fn fail<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, fault: Fault) {
        let known = self.conns.get(id).is_some_and(|c| matches!(c.stage, Stage::Open | Stage::Opening));
        self.close(id);
        if known {
            app.failed(self, id, fault);
        }
    }

    fn close(&mut self, id: ConnId) {
        let Some(conn) = self.conns.remove(id) else { return };
        self.buffered -= conn.held();
        if conn.flags.outgoing && conn.layers.is_none() && conn.outbox.len() > 0 {
            self.left_behind = Some((id, conn.outbox.unwritten()));
        }
        if !conn.flags.outgoing {
            self.places.give_back();
            self.clients -= 1;
        }
        if let Some(timer) = conn.timer {
            self.timers.cancel(timer);
        }
        if self.starved {
            // A descriptor is free again.
            self.accept_at(self.now);
        }
    }
}

impl Io for EventLoop {
    #[inline]
    fn now(&self) -> Instant {
        self.now
    }

    fn clock(&self) -> Instant {
        monotonic_now()
    }

    #[inline]
    fn wall_time(&self) -> WallTime {
        let wall = self.wall.get().unwrap_or_else(wall_now);
        self.wall.set(Some(wall));
        wall
    }

    fn connect(&mut self, to: &Address, options: &SocketOptions) -> ConnId {
        let mut conn = Conn::new(Stream::None, Stage::Opening);
        conn.flags.outgoing = true;
        let id = self.conns.insert(conn);
        if let Some(tls) = &options.tls {
            self.begin_client_tls(id, tls);
        }
        self.open(id, to, options);
        id
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.append(conn, bytes);
    }

    fn send_now(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        self.append_now(conn, bytes)
    }

    fn local_address(&self, conn: ConnId) -> Option<SocketAddr> {
        self.conns.get(conn)?.stream.local_address()
    }

    fn send_shared(&mut self, conn: ConnId, bytes: Bytes) {
        self.append_shared(conn, bytes);
    }

    fn unread(&self, conn: ConnId) -> usize {
        self.conns.get(conn).map_or(0, |c| c.inbox.len())
    }

    #[inline]
    fn unsent(&self, conn: ConnId) -> usize {
        self.conns.get(conn).map_or(0, Conn::unsent)
    }

    fn take_unsent(&mut self, conn: ConnId) -> Unsent {
        self.left_behind.take_if(|(id, _)| *id == conn).map(|(_, bytes)| bytes).unwrap_or_default()
    }

    fn hold(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.flags.dirty = false;
        }
    }

    fn notify_drained(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.flags.notify_drained = true;
            if c.unsent() == 0 {
                self.mark_dirty(conn);
            }
        }
    }

    fn pause(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.flags.paused = true;
        }
    }

    fn resume(&mut self, conn: ConnId) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !c.flags.paused {
            return;
        }
        c.flags.paused = false;
        c.flags.show_again = true;
        c.want = 0;
        self.queue_read(conn);
    }

    fn finish(&mut self, conn: ConnId) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !matches!(c.stage, Stage::Open | Stage::Opening) {
            return;
        }
        if c.stage == Stage::Opening || c.flags.greeting || (c.handshaking() && c.unsent() == 0) {
            return self.close(conn);
        }
        c.flags.paused = false;
        self.buffered -= inbox_memory(&c.inbox);
        c.inbox = BytesMut::new();
        if c.handshaking() {
            c.stage = Stage::Finishing;
            c.flags.finish_after_handshake = true;
            return self.queue_read(conn);
        }
        self.close_layers(conn);
        let Some(c) = self.conns.get_mut(conn) else { return };
        c.stage = Stage::Finishing;
        c.want = c.outbox.len();
        self.mark_dirty(conn);
        self.restart_conn_timer(conn, LINGER * 5);
    }

    fn abort(&mut self, conn: ConnId) {
        self.close(conn);
    }

    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId {
        self.timers.set(at, Due::App(token))
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.cancel(timer);
    }

    fn push_layer(&mut self, conn: ConnId, layer: Layer) {
        self.push_on(conn, &layer);
    }

    fn release(&mut self, conn: ConnId) -> Option<Parcel> {
        let c = self.conns.get_mut(conn)?;
        let tls = self.newcomer.as_ref().filter(|(id, _)| *id == conn).map(|(_, tls)| tls.clone());
        let empty = c.inbox.is_empty() && c.outbox.len() == 0;
        let is_layered = c.layers.is_some() && tls.is_none();
        if c.stage != Stage::Open || is_layered || !empty || c.flags.ended {
            return None;
        }
        let mut stream = std::mem::replace(&mut c.stream, Stream::None);
        // On failure the descriptor is not worth keeping: the next loop cannot register it.
        let _ = stream.deregister(&self.registry);
        self.close(conn);
        Some(Parcel::of(stream, tls))
    }

    fn adopt(&mut self, parcel: Parcel) -> Option<ConnId> {
        let (stream, tls) = parcel.into_stream()?;
        self.places.take();
        let id = self.take_in(stream)?;
        if let Some(conn) = self.conns.get_mut(id) {
            // It has spoken where it was.
            conn.flags.heard = true;
        }
        if let Some(tls) = &tls {
            self.begin_server_tls(id, tls);
        }
        Some(id)
    }

    fn listen(&mut self, listener: Listener) -> io::Result<()> {
        self.add_listener(listener)
    }

    fn set_listener(&mut self, listener: ListenerId, options: ListenOptions) {
        self.listeners.set(listener, &options);
    }

    fn unlisten(&mut self, listener: ListenerId) {
        self.remove_listener(listener);
    }

    fn leave_listeners(&mut self) {
        self.listeners.leave_all();
    }

    fn load(&self) -> u32 {
        self.load.permille()
    }

    fn gathering(&self) -> Gathering {
        self.gathering
    }

    fn buffered(&self) -> usize {
        self.buffered + self.spare.bytes()
    }
}

enum Progress {
    /// There may be more.
    More,
    /// Read until nothing was left.
    Dry,
    /// The peer has sent FIN.
    End,
}

fn fault_of(e: &io::Error) -> Fault {
    match e.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Fault::Reset,
        io::ErrorKind::TimedOut => Fault::ConnectTimeout,
        _ => Fault::Os(e.raw_os_error().unwrap_or(0)),
    }
}

fn token(id: ConnId) -> Token {
    Token((id.generation as usize & 0x3fff_ffff) << 32 | id.index as usize)
}

fn id_of(token: Token) -> ConnId {
    ConnId { index: token.0 as u32, generation: (token.0 >> 32) as u32 }
}
