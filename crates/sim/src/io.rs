//! [`net::Io`] over the simulated network, with the same guarantees as the real event loop.
//!
//! Choices that the contract leaves open are drawn from the seed: how much a read returns, whether input lies
//! in the shared scratch buffer or in the connection's own, whether a large piece is written at once.

mod conn;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use net::{
    Address, ConnId, Instant, Io, Layer, ListenOptions, Listener, ListenerId, Parcel, SocketOptions, TimerId,
    Unsent, WallTime,
};

use crate::network::{End, LinkId, Network};
use crate::rng::Rng;
pub(crate) use conn::{Conn, Stage};

/// Size from which a piece may be written within the call that sends it, as in `net`.
const LARGE: usize = 16 * 1024;
/// Time that a finished connection may make no progress, and time it waits for the peer's FIN.
const LINGER: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(2));

/// Time during which clients may still arrive at a closing listener.
const LEAVING: Duration = Duration::from_millis(200);

/// Id that no connection has.
pub(crate) const NOBODY: ConnId = ConnId { index: u32::MAX, generation: 0 };

/// The owner of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    App(u64),
    Conn(ConnId),
}

/// A connection requested by the app.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) conn: ConnId,
    pub(crate) backend: usize,
}

/// A step between a loop and its app, recorded only if an oracle watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passed {
    /// The app consumed this many bytes of a connection's input.
    Took(ConnId, usize),
    /// The app sent bytes.
    Sent(ConnId, Vec<u8>),
    /// The app closed a connection.
    Closed(ConnId),
    /// A connection is gone, and the app was notified.
    Gone(ConnId),
    /// The app received one of the shard's letters, by number.
    Mail(usize),
}

/// State of one shard's loop.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) now: Instant,
    /// Nanoseconds by which the wall clock is ahead of [`Loop::now`].
    pub(crate) wall: i64,
    /// Index of the shard.
    pub(crate) shard: usize,
    /// Load that it reports, drawn from the seed for each turn.
    pub(crate) load: u32,
    pub(crate) rng: Rng,
    slots: Vec<(u32, Option<Conn>)>,
    free: Vec<u32>,
    pub(crate) dirty: Vec<ConnId>,
    pub(crate) queued: Vec<ConnId>,
    timers: BTreeMap<(Instant, u64), Due>,
    timer_at: BTreeMap<u64, Instant>,
    next_timer: u64,
    /// Bytes that never left of the connection that was closed last.
    left_behind: Option<(ConnId, Unsent)>,
    pub(crate) buffered: usize,
    /// Listeners, and the close times of those being closed.
    listeners: Vec<(Listener, Option<Instant>)>,
    /// Connections requested in this turn.
    pub(crate) opening: Vec<Opening>,
    /// Servers to which [`Io::send`] was called during the current callback, with the first bytes.
    pub(crate) sent: Vec<(usize, Vec<u8>)>,
    /// Bytes read from the network in this turn.
    pub(crate) intake: usize,
    /// Most bytes per read.
    pub(crate) read_max: usize,
    /// Steps since the oracle last took them; None without an oracle that watches.
    pub(crate) watched: Option<Vec<Passed>>,
}

impl Loop {
    pub(crate) fn new(shard: usize, rng: Rng, read_max: usize) -> Loop {
        Loop {
            now: Instant(0),
            wall: 1_700_000_000_000_000_000,
            shard,
            load: 0,
            rng,
            slots: Vec::new(),
            free: Vec::new(),
            dirty: Vec::new(),
            queued: Vec::new(),
            timers: BTreeMap::new(),
            timer_at: BTreeMap::new(),
            next_timer: 0,
            left_behind: None,
            buffered: 0,
            listeners: Vec::new(),
            opening: Vec::new(),
            sent: Vec::new(),
            intake: 0,
            read_max,
            watched: None,
        }
    }

    /// Records a step, if an oracle watches.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> Passed) {
        if let Some(watched) = &mut self.watched {
            watched.push(what());
        }
    }

    // ---- connections --------------------------------------------------------------------------------------

    pub(crate) fn insert(&mut self, stage: Stage, backend: Option<usize>) -> ConnId {
        let conn = Conn {
            link: None,
            backend,
            stage,
            inbox: BytesMut::new(),
            want: 0,
            outbox: BytesMut::new(),
            torn: Vec::new(),
            paused: false,
            readable: false,
            ended: false,
            dirty: false,
            queued: false,
            blocked: false,
            notify_drained: false,
            show_again: false,
            always_owned: self.rng.one_in(4),
            timer: None,
            left: 0,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.1 = Some(conn);
        ConnId { index, generation: slot.0 }
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.slots.get(id.index as usize).filter(|s| s.0 == id.generation)?.1.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index as usize).filter(|s| s.0 == id.generation)?.1.as_mut()
    }

    /// Forgets a connection and returns its link, which the caller has to close.
    pub(crate) fn remove(&mut self, id: ConnId) -> Option<LinkId> {
        let slot = self.slots.get_mut(id.index as usize).filter(|s| s.0 == id.generation)?;
        let conn = slot.1.take()?;
        slot.0 += 1;
        self.free.push(id.index);
        self.buffered -= conn.inbox.len() + conn.outbox.len();
        let bytes = [&conn.torn[..], &conn.outbox].concat();
        self.left_behind = Some((id, Unsent { bytes, written: conn.torn.len() }));
        if let Some(timer) = conn.timer {
            self.cancel(timer);
        }
        conn.link
    }

    /// Number of connections.
    pub(crate) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn mark_dirty(&mut self, id: ConnId) {
        if let Some(conn) = self.get_mut(id)
            && !std::mem::replace(&mut conn.dirty, true)
        {
            self.dirty.push(id);
        }
    }

    pub(crate) fn queue_read(&mut self, id: ConnId) {
        if let Some(conn) = self.get_mut(id)
            && !std::mem::replace(&mut conn.queued, true)
        {
            self.queued.push(id);
        }
    }

    // ---- listeners ----------------------------------------------------------------------------------------

    pub(crate) fn listen(&mut self, listener: Listener) {
        self.listeners.push((listener, None));
    }

    /// True if clients can arrive at this listener.
    pub(crate) fn listens(&self, id: ListenerId) -> bool {
        self.listeners.iter().any(|(listener, until)| listener.id() == id && until.is_none())
    }

    /// Tag for a client that arrives now; None without a listener. While a listener closes, the seed decides
    /// whether the client still reaches it.
    pub(crate) fn arriving(&mut self, id: ListenerId) -> Option<u32> {
        self.listeners.retain(|(_, until)| until.is_none_or(|until| self.now < until));
        let (listener, until) = self.listeners.iter().find(|(listener, _)| listener.id() == id)?;
        (until.is_none() || self.rng.one_in(2)).then_some(listener.options.tag)
    }

    // ---- timers -------------------------------------------------------------------------------------------

    pub(crate) fn arm(&mut self, at: Instant, due: Due) -> TimerId {
        self.next_timer += 1;
        self.timers.insert((at, self.next_timer), due);
        self.timer_at.insert(self.next_timer, at);
        TimerId(self.next_timer)
    }

    fn cancel(&mut self, timer: TimerId) {
        if let Some(at) = self.timer_at.remove(&timer.0) {
            self.timers.remove(&(at, timer.0));
        }
    }

    pub(crate) fn restart_timer(&mut self, id: ConnId, after: Duration) {
        if let Some(timer) = self.get_mut(id).and_then(|c| c.timer.take()) {
            self.cancel(timer);
        }
        let timer = self.arm(self.now + after, Due::Conn(id));
        match self.get_mut(id) {
            Some(conn) => conn.timer = Some(timer),
            None => self.cancel(timer),
        }
    }

    pub(crate) fn cancel_conn_timer(&mut self, id: ConnId) {
        if let Some(timer) = self.get_mut(id).and_then(|c| c.timer.take()) {
            self.cancel(timer);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop_due(&mut self) -> Option<Due> {
        let entry = self.timers.first_entry().filter(|e| e.key().0 <= self.now)?;
        let ((_, id), due) = entry.remove_entry();
        self.timer_at.remove(&id);
        Some(due)
    }

    /// Number of timers that the app has set.
    pub(crate) fn app_timers(&self) -> usize {
        self.timers.values().filter(|d| matches!(d, Due::App(_))).count()
    }
}

/// A shard's loop with access to the network, as the app sees it.
pub(crate) struct View<'a> {
    pub(crate) looped: &'a mut Loop,
    pub(crate) net: &'a mut Network,
}

impl View<'_> {
    /// Closes the socket of a connection, if any, and forgets the connection.
    pub(crate) fn close(&mut self, id: ConnId) {
        if let Some(link) = self.looped.remove(id) {
            self.net.close(link, End::Proxy);
        }
    }

    /// Writes as much as there is room for; an error if the connection is broken.
    pub(crate) fn flush(&mut self, id: ConnId) -> Result<(), ()> {
        let Some(conn) = self.looped.get_mut(id) else { return Ok(()) };
        let Some(link) = conn.link else { return Ok(()) };
        if conn.outbox.is_empty() || conn.blocked {
            return Ok(());
        }
        let taken = self.net.write(link, End::Proxy, &conn.outbox)?;
        let gone = conn.outbox.split_to(taken);
        if conn.outbox.is_empty() {
            conn.torn.clear();
        } else {
            conn.torn.extend_from_slice(&gone);
        }
        conn.blocked = !conn.outbox.is_empty();
        self.looped.buffered -= taken;
        Ok(())
    }

    fn queue(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        if !matches!(conn.stage, Stage::Open | Stage::Opening) || bytes.is_empty() {
            return;
        }
        conn.outbox.extend_from_slice(bytes);
        self.looped.buffered += bytes.len();
        self.looped.mark_dirty(id);
        self.looped.note(|| Passed::Sent(id, bytes.to_vec()));
    }
}

impl Io for View<'_> {
    fn now(&self) -> Instant {
        self.looped.now
    }

    fn wall_time(&self) -> WallTime {
        WallTime(self.looped.wall + self.looped.now.0 as i64 * 1000)
    }

    fn connect(&mut self, to: &Address, options: &SocketOptions) -> ConnId {
        let Address::Tcp { port, .. } = to else { panic!("the simulator has no unix sockets") };
        let backend = usize::from(*port) - crate::scenario::FIRST_PORT;
        let conn = self.looped.insert(Stage::Opening, Some(backend));
        self.looped.restart_timer(conn, options.connect_timeout);
        self.looped.opening.push(Opening { conn, backend });
        conn
    }

    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(backend) = self.looped.get(conn).and_then(|c| c.backend) {
            self.looped.sent.push((backend, bytes[..bytes.len().min(16)].to_vec()));
        }
        self.queue(conn, bytes);
        let eager = bytes.len() >= LARGE && self.looped.rng.one_in(2);
        if eager && self.looped.get(conn).is_some_and(|c| c.stage == Stage::Open) {
            // An error will show again at the end of the turn.
            let _ = self.flush(conn);
        }
    }

    fn send_shared(&mut self, conn: ConnId, bytes: Bytes) {
        self.queue(conn, &bytes);
    }

    fn unread(&self, conn: ConnId) -> usize {
        self.looped.get(conn).map_or(0, |c| c.inbox.len())
    }

    fn unsent(&self, conn: ConnId) -> usize {
        self.looped.get(conn).map_or(0, |c| c.outbox.len())
    }

    fn take_unsent(&mut self, conn: ConnId) -> Unsent {
        let left = self.looped.left_behind.take_if(|(id, _)| *id == conn);
        left.map(|(_, bytes)| bytes).unwrap_or_default()
    }

    fn notify_drained(&mut self, conn: ConnId) {
        if let Some(c) = self.looped.get_mut(conn) {
            c.notify_drained = true;
            if c.outbox.is_empty() {
                self.looped.mark_dirty(conn);
            }
        }
    }

    fn pause(&mut self, conn: ConnId) {
        if let Some(c) = self.looped.get_mut(conn) {
            c.paused = true;
        }
    }

    fn resume(&mut self, conn: ConnId) {
        if let Some(c) = self.looped.get_mut(conn)
            && std::mem::take(&mut c.paused)
        {
            c.show_again = true;
            c.want = 0;
            self.looped.queue_read(conn);
        }
    }

    fn finish(&mut self, conn: ConnId) {
        self.looped.note(|| Passed::Closed(conn));
        let Some(c) = self.looped.get_mut(conn) else { return };
        match c.stage {
            Stage::Opening => self.close(conn),
            Stage::Open => {
                c.paused = false;
                c.stage = Stage::Finishing;
                c.left = c.outbox.len();
                self.looped.buffered -= std::mem::take(&mut c.inbox).len();
                self.looped.mark_dirty(conn);
                self.looped.restart_timer(conn, LINGER.0);
            }
            Stage::Finishing | Stage::Lingering => {}
        }
    }

    fn abort(&mut self, conn: ConnId) {
        self.looped.note(|| Passed::Closed(conn));
        self.close(conn);
    }

    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId {
        self.looped.arm(at, Due::App(token))
    }

    fn cancel_timer(&mut self, timer: TimerId) {
        self.looped.cancel(timer);
    }

    fn push_layer(&mut self, _: ConnId, _: Layer) {
        panic!("the simulator has no layers");
    }

    fn release(&mut self, conn: ConnId) -> Option<Parcel> {
        let c = self.looped.get(conn)?;
        if c.stage != Stage::Open || !c.inbox.is_empty() || !c.outbox.is_empty() || c.ended {
            return None;
        }
        let link = self.looped.remove(conn)?;
        self.net.link_mut(link).conn = NOBODY;
        Some(Parcel::simulated(link as u64))
    }

    fn adopt(&mut self, parcel: Parcel) -> Option<ConnId> {
        let link = parcel.number()? as LinkId;
        let id = self.looped.insert(Stage::Open, None);
        let at = self.net.link_mut(link);
        (at.shard, at.conn) = (self.looped.shard, id);
        let conn = self.looped.get_mut(id)?;
        (conn.link, conn.readable) = (Some(link), true);
        self.looped.queue_read(id);
        Some(id)
    }

    fn listen(&mut self, listener: Listener) -> std::io::Result<()> {
        self.looped.listen(listener);
        Ok(())
    }

    fn set_listener(&mut self, id: ListenerId, options: ListenOptions) {
        for (listener, _) in self.looped.listeners.iter_mut().filter(|(listener, _)| listener.id() == id) {
            listener.options = options.clone();
        }
    }

    fn unlisten(&mut self, id: ListenerId) {
        let until = self.looped.now + LEAVING;
        for (_, leaving) in self.looped.listeners.iter_mut().filter(|(listener, _)| listener.id() == id) {
            leaving.get_or_insert(until);
        }
    }

    fn leave_listeners(&mut self) {
        self.looped.listeners.clear();
    }

    fn load(&self) -> u32 {
        self.looped.load
    }

    fn buffered(&self) -> usize {
        self.looped.buffered
    }
}

impl View<'_> {
    /// Sends FIN after all output, then waits for the peer's.
    pub(crate) fn linger(&mut self, id: ConnId) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        let (Some(link), false) = (conn.link, conn.ended) else { return self.close(id) };
        conn.stage = Stage::Lingering;
        self.net.shutdown(link, End::Proxy);
        self.looped.restart_timer(id, LINGER.1);
    }
}
