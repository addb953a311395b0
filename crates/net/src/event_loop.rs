//! The real [`Io`]: connections over the kernel's sockets.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mio::event::Event;
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;

use crate::conn::{Conn, Opening, Stage};
use crate::listener::{ListenSocket, Listener};
use crate::outbox::{LARGE, Spare};
use crate::resolve;
use crate::slab::Slab;
use crate::stream::Stream;
use crate::timers::Timers;
use crate::{Address, App, ConnId, Fault, Input, Instant, Io, Layer, Peer, SocketOptions, TimerId, WallTime};

/// The mailbox's token.
pub(crate) const WAKER_TOKEN: usize = usize::MAX;
/// Listener `n` has the token `LISTENER_TOKENS + n`; connections have smaller ones.
pub(crate) const LISTENER_TOKENS: usize = 1 << 62;
/// Bytes of one read, and so the most that a connection without a backlog holds.
const SCRATCH: usize = 64 * 1024;
/// Reads of one connection in one turn, so that one fast peer cannot starve the others.
const READS_PER_TURN: usize = 4;
/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 128;
/// A connection's buffer grows by at most this much ahead of what has arrived, whatever length was announced.
const GROW_MAX: usize = 1 << 20;
/// When there are no file descriptors left, accepting is tried again after this time or when one is closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
/// How long a finished connection may make no progress.
const LINGER: Duration = Duration::from_secs(2);

pub(crate) enum Due {
    App(u64),
    Conn(ConnId),
    Accept,
}

type Ask = Box<dyn Fn(ConnId, String, u16) + Send>;

/// The event loop of a shard, as its product sees it.
pub struct EventLoop {
    registry: Registry,
    listeners: Vec<Listener>,
    conns: Slab<Conn>,
    /// Connections with something to write.
    dirty: Vec<ConnId>,
    /// Connections with something left to read or to show.
    queued: Vec<ConnId>,
    timers: Timers<Due>,
    scratch: Box<[u8]>,
    spare: Spare,
    spare_since: bool,
    now: Instant,
    wall: WallTime,
    buffered: usize,
    names: FxHashMap<(String, u16), (Vec<SocketAddr>, Instant)>,
    ask: Ask,
    /// Accepting ran out of file descriptors.
    starved: bool,
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("connections", &self.conns.len()).finish_non_exhaustive()
    }
}

impl EventLoop {
    pub(crate) fn new(
        registry: Registry,
        mut listeners: Vec<Listener>,
        ask: Ask,
        now: Instant,
        wall: WallTime,
    ) -> io::Result<EventLoop> {
        for (n, listener) in listeners.iter_mut().enumerate() {
            let token = Token(LISTENER_TOKENS + n);
            match &mut listener.socket {
                ListenSocket::Tcp(l) => registry.register(l, token, Interest::READABLE)?,
                ListenSocket::Unix(l) => registry.register(l, token, Interest::READABLE)?,
            }
        }
        Ok(EventLoop {
            registry,
            listeners,
            conns: Slab::new(),
            dirty: Vec::new(),
            queued: Vec::new(),
            timers: Timers::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            spare: Spare::default(),
            spare_since: false,
            now,
            wall,
            buffered: 0,
            names: FxHashMap::default(),
            ask,
            starved: false,
        })
    }

    // ---- the clock and the timers -------------------------------------------------------------------------------

    pub(crate) fn tick(&mut self, now: Instant, wall: WallTime) {
        self.now = now;
        self.wall = wall;
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

    pub(crate) fn has_spare(&self) -> bool {
        self.spare_since
    }

    pub(crate) fn nothing_unsent(&self) -> bool {
        self.buffered == 0
    }

    // ---- accepting ----------------------------------------------------------------------------------------------

    pub(crate) fn accept<A: App<EventLoop>>(&mut self, app: &mut A, listener: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(l) = self.listeners.get(listener) else { return };
            let tag = l.tag;
            let accepted = match &l.socket {
                ListenSocket::Tcp(l) => l.accept().map(|(s, a)| (Stream::Tcp(s), Peer::Tcp(a))),
                ListenSocket::Unix(l) => l.accept().map(|(s, _)| (Stream::Unix(s), Peer::Unix)),
            };
            match accepted {
                Ok((stream, peer)) => self.adopt(app, tag, stream, peer),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if is_starvation(&e) => {
                    if !self.starved {
                        self.starved = true;
                        app.starved(self, &e);
                        self.timers.set(self.now + ACCEPT_RETRY, Due::Accept);
                    }
                    return;
                }
                // The client went away before we got to it, or a network error that belongs to it alone.
                Err(_) => {}
            }
        }
        // More may be waiting, and an edge-triggered listener will not say so again.
        self.timers.set(self.now, Due::Accept);
    }

    /// Accepts from all listeners, after a shortage or a full turn.
    pub(crate) fn accept_again<A: App<EventLoop>>(&mut self, app: &mut A) {
        self.starved = false;
        for n in 0..self.listeners.len() {
            self.accept(app, n);
        }
    }

    fn adopt<A: App<EventLoop>>(&mut self, app: &mut A, tag: u32, mut stream: Stream, peer: Peer) {
        stream.tune(None);
        let id = self.conns.insert(Conn::new(Stream::None, Stage::Open));
        if stream.register(&self.registry, token(id)).is_err() {
            self.conns.remove(id);
            return;
        }
        if let Some(conn) = self.conns.get_mut(id) {
            conn.stream = stream;
        }
        app.accepted(self, tag, id, peer);
    }

    pub(crate) fn close_listeners(&mut self) {
        self.listeners.clear();
    }

    // ---- opening ------------------------------------------------------------------------------------------------

    fn open(&mut self, id: ConnId, to: &Address, options: &SocketOptions) {
        let deadline = self.timers.set(self.now + options.connect_timeout, Due::Conn(id));
        let opening = Opening { keepalive: options.keepalive, ..Opening::default() };
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.timer = Some(deadline);
        conn.opening = Some(Box::new(opening));
        match to {
            Address::Unix(path) => self.open_unix(id, path),
            Address::Tcp { host, port } => {
                if let Some(address) = resolve::literal(host, *port) {
                    return self.open_any(id, vec![address]);
                }
                let key = (host.clone(), *port);
                match self.names.get(&key) {
                    Some((found, at)) if self.now.since(*at) < resolve::FRESH_FOR => {
                        let found = found.clone();
                        self.open_any(id, found);
                    }
                    _ => (self.ask)(id, key.0, key.1),
                }
            }
        }
    }

    /// The resolver's answer; no addresses means that the name is not known.
    pub(crate) fn resolved<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, found: Vec<SocketAddr>) {
        if found.is_empty() {
            if self.conns.get(id).is_some_and(|c| c.stage == Stage::Opening) {
                self.fail(app, id, Fault::Unresolved);
            }
            return;
        }
        self.open_any(id, found);
        self.connect_failed_yet(app, id);
    }

    fn open_any(&mut self, id: ConnId, addresses: Vec<SocketAddr>) {
        if let Some(opening) = self.conns.get_mut(id).and_then(|c| c.opening.as_mut()) {
            opening.addresses = addresses.into();
        }
        self.open_next(id);
    }

    /// Starts connecting to the next address that can be started with. If none is left, the failure is told by the
    /// connection's timer, which is made due at once: a connect never fails from within [`Io::connect`].
    fn open_next(&mut self, id: ConnId) {
        loop {
            let Some(conn) = self.conns.get_mut(id) else { return };
            let Some(opening) = conn.opening.as_mut() else { return };
            let Some(address) = opening.addresses.pop_front() else { break };
            match Stream::connect_tcp(address)
                .and_then(|mut s| s.register(&self.registry, token(id)).map(|()| s))
            {
                Ok(stream) => {
                    stream.tune(opening.keepalive);
                    conn.stream = stream;
                    return;
                }
                Err(e) => opening.errno = e.raw_os_error().or(opening.errno),
            }
        }
        self.give_up_soon(id);
    }

    fn open_unix(&mut self, id: ConnId, path: &Path) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        match Stream::connect_unix(path).and_then(|mut s| s.register(&self.registry, token(id)).map(|()| s)) {
            Ok(stream) => conn.stream = stream,
            Err(e) => {
                if let Some(opening) = conn.opening.as_mut() {
                    opening.errno = e.raw_os_error();
                }
                self.give_up_soon(id);
            }
        }
    }

    fn give_up_soon(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Some(opening) = conn.opening.as_mut() {
            opening.errno = opening.errno.or(Some(libc::ECONNREFUSED));
        }
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        conn.timer = Some(self.timers.set(self.now, Due::Conn(id)));
    }

    /// After an event on a connection that is being opened: does it stand, or is the next address to be tried?
    fn connect_failed_yet<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if matches!(conn.stream, Stream::None) {
            return;
        }
        match conn.stream.take_error() {
            Ok(None) if conn.stream.is_connected() => {}
            Ok(None) => return,
            Ok(Some(e)) | Err(e) => {
                if let Some(opening) = conn.opening.as_mut() {
                    opening.errno = e.raw_os_error();
                }
                conn.stream = Stream::None;
                return self.open_next(id);
            }
        }
        conn.stage = Stage::Open;
        conn.opening = None;
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        if conn.outbox.len() > 0 {
            self.mark_dirty(id);
        }
        app.connected(self, id);
    }

    // ---- events -------------------------------------------------------------------------------------------------

    pub(crate) fn event<A: App<EventLoop>>(&mut self, app: &mut A, event: &Event) {
        let id = id_of(event.token());
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.stage == Stage::Opening {
            self.connect_failed_yet(app, id);
            match self.conns.get(id) {
                Some(conn) if conn.stage == Stage::Open => {}
                _ => return,
            }
        }
        let Some(conn) = self.conns.get_mut(id) else { return };
        if event.is_writable() && conn.flags.blocked {
            conn.flags.blocked = false;
            self.mark_dirty(id);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            let Some(conn) = self.conns.get_mut(id) else { return };
            conn.flags.readable = true;
            conn.flags.peer_done |= event.is_read_closed() || event.is_error();
            self.read(app, id);
        }
    }

    pub(crate) fn has_queued(&self) -> bool {
        !self.queued.is_empty()
    }

    /// Reads from the connections that were left over by the last turn.
    pub(crate) fn read_queued<A: App<EventLoop>>(&mut self, app: &mut A) {
        for id in std::mem::take(&mut self.queued) {
            let Some(conn) = self.conns.get_mut(id) else { continue };
            conn.flags.queued = false;
            if conn.flags.show_again && !conn.flags.paused {
                conn.flags.show_again = false;
                if !conn.inbox.is_empty() && conn.stage == Stage::Open {
                    self.show(app, id, 0);
                }
            }
            self.read(app, id);
        }
    }

    fn queue_read(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.flags.queued
        {
            conn.flags.queued = true;
            self.queued.push(id);
        }
    }

    fn read<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        for _ in 0..READS_PER_TURN {
            let Some(conn) = self.conns.get_mut(id) else { return };
            if !conn.flags.readable || conn.flags.paused {
                return;
            }
            match conn.stage {
                Stage::Open => {}
                Stage::Lingering | Stage::Finishing => return self.discard(id),
                Stage::Opening => return,
            }
            let outcome =
                if conn.inbox.is_empty() { self.read_scratch(app, id) } else { self.read_own(app, id) };
            match outcome {
                Ok(Progress::More) => {}
                Ok(Progress::Dry) => return,
                Ok(Progress::End) => {
                    if let Some(conn) = self.conns.get_mut(id)
                        && !conn.flags.ended
                    {
                        conn.flags.ended = true;
                        conn.flags.readable = false;
                        app.ended(self, id);
                    }
                    return;
                }
                Err(e) => return self.fail(app, id, fault_of(&e)),
            }
        }
        self.queue_read(id);
    }

    /// The usual case: nothing is left over, so the bytes need not be kept if the app consumes them all.
    fn read_scratch<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) -> io::Result<Progress> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(Progress::Dry) };
        let n = match io::Read::read(&mut conn.stream, &mut self.scratch) {
            Ok(n) => n,
            Err(e) => return dry(conn, e),
        };
        if n == 0 {
            return Ok(Progress::End);
        }
        let progress = after_read(conn, n < SCRATCH);
        let scratch = std::mem::take(&mut self.scratch);
        let mut input = Input::scratch(&scratch[..n]);
        app.received(self, id, &mut input);
        let (consumed, want) = input.outcome();
        if consumed < n
            && let Some(conn) = self.conns.get_mut(id)
            && conn.stage == Stage::Open
        {
            conn.inbox.reserve((want.min(GROW_MAX)).max(n - consumed));
            conn.inbox.extend_from_slice(&scratch[consumed..n]);
            conn.want = want;
            self.buffered += n - consumed;
        }
        self.scratch = scratch;
        Ok(progress)
    }

    /// A frame is incomplete: read behind what is there.
    fn read_own<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) -> io::Result<Progress> {
        let Some(conn) = self.conns.get_mut(id) else { return Ok(Progress::Dry) };
        let missing = conn.want.saturating_sub(conn.inbox.len());
        let room = missing.clamp(4096, GROW_MAX.max(conn.inbox.len()));
        if conn.inbox.capacity() - conn.inbox.len() < room.min(SCRATCH) {
            conn.inbox.reserve(room);
        }
        let spare = conn.inbox.spare_capacity_mut();
        let room = spare.len();
        let n = match conn.stream.read_uninit(spare) {
            Ok(n) => n,
            Err(e) => return dry(conn, e),
        };
        if n == 0 {
            return Ok(Progress::End);
        }
        // SAFETY: the kernel has initialised the first `n` bytes of the spare capacity.
        unsafe { conn.inbox.set_len(conn.inbox.len() + n) };
        let progress = after_read(conn, n < room);
        self.buffered += n;
        if conn.inbox.len() >= conn.want {
            self.show(app, id, n);
        }
        Ok(progress)
    }

    /// Shows the app what lies in the connection's own buffer.
    fn show<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId, _arrived: usize) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        let mut inbox = std::mem::take(&mut conn.inbox);
        let before = inbox.len();
        let mut input = Input::owned(&mut inbox);
        app.received(self, id, &mut input);
        let (consumed, want) = input.outcome();
        let _ = inbox.split_to(consumed);
        self.buffered -= before - inbox.len();
        let Some(conn) = self.conns.get_mut(id) else {
            self.buffered -= inbox.len();
            return;
        };
        if conn.stage != Stage::Open {
            self.buffered -= inbox.len();
            return;
        }
        conn.want = want;
        conn.inbox = if inbox.is_empty() { BytesMut::new() } else { inbox };
    }

    /// Throws away what arrives on a connection that the app is done with.
    fn discard(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        for _ in 0..READS_PER_TURN {
            match io::Read::read(&mut conn.stream, &mut self.scratch) {
                Ok(0) => {
                    conn.flags.ended = true;
                    conn.flags.readable = false;
                    if conn.stage == Stage::Lingering {
                        self.close(id);
                    }
                    return;
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    conn.flags.readable = false;
                    return;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(id),
            }
        }
        self.queue_read(id);
    }

    // ---- writing ------------------------------------------------------------------------------------------------

    #[inline]
    fn mark_dirty(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.flags.dirty
        {
            conn.flags.dirty = true;
            self.dirty.push(id);
        }
    }

    /// One write for each connection that has something to send. A failing connection is told to the app, which may
    /// make others dirty: they are written too.
    pub(crate) fn write_all<A: App<EventLoop>>(&mut self, app: &mut A) {
        let mut wrote = false;
        while !self.dirty.is_empty() {
            wrote = true;
            let mut dirty = std::mem::take(&mut self.dirty);
            for id in dirty.drain(..) {
                self.write(app, id);
            }
            if self.dirty.is_empty() {
                self.dirty = dirty;
            }
        }
        if wrote {
            self.spare_since = true;
        } else if self.spare_since && self.buffered == 0 {
            self.spare.release();
            self.spare_since = false;
        }
    }

    fn write<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.flags.dirty = false;
        if conn.stage == Stage::Opening || conn.flags.blocked {
            return;
        }
        let before = conn.outbox.len();
        if before > 0 {
            let result = conn.outbox.write_to(&mut conn.stream, &mut self.spare);
            let left = conn.outbox.len();
            self.buffered -= before - left;
            if let Err(e) = result {
                if conn.stage == Stage::Open {
                    return self.fail(app, id, fault_of(&e));
                }
                return self.close(id);
            }
            conn.flags.blocked = left > 0;
        }
        if conn.outbox.len() > 0 {
            return;
        }
        match conn.stage {
            Stage::Finishing => self.linger(id),
            Stage::Open if conn.flags.notify_drained => {
                conn.flags.notify_drained = false;
                app.drained(self, id);
            }
            _ => {}
        }
    }

    /// Everything is written: say so to the peer and wait for it to say the same.
    fn linger(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.flags.ended {
            return self.close(id);
        }
        conn.stage = Stage::Lingering;
        conn.stream.shutdown_write();
        self.restart_conn_timer(id, LINGER);
        self.discard(id);
    }

    fn restart_conn_timer(&mut self, id: ConnId, after: Duration) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if let Some(timer) = conn.timer.take() {
            self.timers.cancel(timer);
        }
        conn.timer = Some(self.timers.set(self.now + after, Due::Conn(id)));
    }

    /// A connection's own timer: connecting took too long or failed at once, or a finished one makes no progress.
    pub(crate) fn conn_timer<A: App<EventLoop>>(&mut self, app: &mut A, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.timer = None;
        match conn.stage {
            Stage::Opening => {
                let fault = match conn.opening.as_ref().and_then(|o| o.errno) {
                    Some(errno) => fault_of(&io::Error::from_raw_os_error(errno)),
                    None => Fault::ConnectTimeout,
                };
                self.fail(app, id, fault);
            }
            Stage::Finishing => {
                let left = conn.outbox.len();
                if std::mem::replace(&mut conn.want, left) == left {
                    self.close(id);
                } else {
                    self.restart_conn_timer(id, LINGER * 5);
                }
            }
            Stage::Open => {}
            Stage::Lingering => self.close(id),
        }
    }

    // ---- the end ------------------------------------------------------------------------------------------------

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
        if let Some(timer) = conn.timer {
            self.timers.cancel(timer);
        }
        if self.starved {
            // A descriptor is free again.
            self.timers.set(self.now, Due::Accept);
        }
    }
}

impl Io for EventLoop {
    #[inline]
    fn now(&self) -> Instant {
        self.now
    }

    #[inline]
    fn wall_time(&self) -> WallTime {
        self.wall
    }

    fn connect(&mut self, to: &Address, options: &SocketOptions) -> ConnId {
        let id = self.conns.insert(Conn::new(Stream::None, Stage::Opening));
        self.open(id, to, options);
        id
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !matches!(c.stage, Stage::Open | Stage::Opening) || bytes.is_empty() {
            return;
        }
        let mut rest = bytes;
        if bytes.len() >= LARGE && c.stage == Stage::Open && !c.flags.blocked {
            let before = c.outbox.len();
            // An error shows again, and is told, when the connection is written at the end of the turn.
            let taken = c.outbox.write_with(&mut c.stream, bytes, &mut self.spare).unwrap_or(0);
            self.buffered -= before - c.outbox.len();
            if taken == bytes.len() {
                return;
            }
            rest = &bytes[taken..];
        }
        c.outbox.push(rest, &mut self.spare);
        self.buffered += rest.len();
        if !c.flags.dirty {
            c.flags.dirty = true;
            self.dirty.push(conn);
        }
    }

    fn send_shared(&mut self, conn: ConnId, bytes: Bytes) {
        let Some(c) = self.conns.get_mut(conn) else { return };
        if !matches!(c.stage, Stage::Open | Stage::Opening) || bytes.is_empty() {
            return;
        }
        self.buffered += bytes.len();
        c.outbox.push_shared(bytes, &mut self.spare);
        self.mark_dirty(conn);
    }

    #[inline]
    fn unsent(&self, conn: ConnId) -> usize {
        self.conns.get(conn).map_or(0, |c| c.outbox.len())
    }

    fn notify_drained(&mut self, conn: ConnId) {
        if let Some(c) = self.conns.get_mut(conn) {
            c.flags.notify_drained = true;
            if c.outbox.len() == 0 {
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
        if c.stage == Stage::Opening {
            return self.close(conn);
        }
        c.stage = Stage::Finishing;
        c.flags.paused = false;
        self.buffered -= c.inbox.len();
        c.inbox = BytesMut::new();
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

    fn push_layer(&mut self, _conn: ConnId, _layer: Layer) {}

    fn buffered(&self) -> usize {
        self.buffered
    }
}

enum Progress {
    /// There may be more.
    More,
    /// Read to the end of what is there now.
    Dry,
    /// The peer has sent FIN.
    End,
}

/// A short read has emptied the socket, unless a FIN stands behind it, which only another read can tell.
fn after_read(conn: &mut Conn, short: bool) -> Progress {
    if short && !conn.flags.peer_done {
        conn.flags.readable = false;
        Progress::Dry
    } else {
        Progress::More
    }
}

fn dry(conn: &mut Conn, e: io::Error) -> io::Result<Progress> {
    match e.kind() {
        io::ErrorKind::WouldBlock => {
            conn.flags.readable = false;
            Ok(Progress::Dry)
        }
        io::ErrorKind::Interrupted => Ok(Progress::More),
        _ => Err(e),
    }
}

fn is_starvation(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
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
