//! A fake event loop for unit tests, which records its calls, and a proxy over it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use access::Book;
use bytes::Bytes;
use net::{
    Address, App, ConnId, Input, Instant, Io, Layer, ListenOptions, Listener, ListenerId, Parcel, Peer,
    SocketOptions, TimerId, Unsent, WallTime,
};

use crate::gate::SlowLogin;
use crate::generation::{Generation, Settings};
use crate::mail::{Doubt, Mail, Receipt, Step};
use crate::notice::Notice;
use crate::proxy::{Proxy, Setup};
use crate::replica_watch::Standing;

/// Settings of a native configuration.
pub(crate) fn settings(config: &str) -> Settings {
    let config = config::native::check(config, 1).config.expect("valid");
    let users: Vec<_> = config.users.iter().map(|user| user.spec.clone()).collect();
    Settings::of(&config, Book::build(&users).expect("valid"))
}

/// Settings of pool `s`, whose master `m` has this port at host `h`, and replicas at others, each with
/// whether it may be read from.
pub(crate) fn behind_sentinels(options: &str, master: u16, replicas: &[(u16, bool)]) -> Settings {
    let pool = format!(
        "[pool.s]\nlisten = \"127.0.0.1:1\"\ntopology = \"sentinel\"\nsentinels = [\"a:1\"]\nmasters = [\"m\"]\n\
         timeout = \"5s\"\n{options}"
    );
    let mut settings = settings(&pool);
    let name = ("s".to_owned(), "m".to_owned());
    settings.named.masters.insert(name.clone(), ("h".into(), master));
    settings.named.replicas.insert(name, replicas.iter().map(|(port, _)| ("h".into(), *port)).collect());
    let standing = |(port, is_fit): &(u16, bool)| {
        (format!("h:{port}"), Standing { is_fit: *is_fit, ..Standing::default() })
    };
    settings.standings.insert("s".into(), replicas.iter().map(standing).collect());
    settings
}

/// The only shard's proxy, for a native configuration.
pub(crate) fn proxy(io: &mut FakeIo, config: &str) -> Proxy {
    proxy_with_budget(io, config, 1 << 20)
}

/// The only shard's proxy with a budget of this many bytes.
pub(crate) fn proxy_with_budget(io: &mut FakeIo, config: &str, budget: usize) -> Proxy {
    proxy_of(io, Arc::new(Generation::first(1, settings(config))), budget)
}

fn proxy_of(io: &mut FakeIo, generation: Arc<Generation>, budget: usize) -> Proxy {
    proxy_told(io, generation, budget, &Told::default())
}

/// Notices and logins recorded from a proxy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Notices, in order.
    pub(crate) notices: Arc<Mutex<Vec<Notice>>>,
    /// Logins to be verified; there is room for two.
    pub(crate) logins: Arc<Mutex<Vec<SlowLogin>>>,
    /// Doubts, in order.
    pub(crate) doubts: Arc<Mutex<Vec<Doubt>>>,
}

fn proxy_told(io: &mut FakeIo, generation: Arc<Generation>, budget: usize, told: &Told) -> Proxy {
    let Told { notices, logins, doubts } = told.clone();
    let setup = Setup {
        generation,
        budget: Arc::new(crate::Budget::new(budget, 1)),
        stats: Arc::default(),
        seed: 1,
        notify: Box::new(move |notice| notices.lock().expect("notices").push(notice)),
        shard: 0,
        loads: Arc::new([AtomicU32::new(0)]),
        post: Box::new(|_, _| {}),
        client_numbers: Arc::new(AtomicU64::new(1)),
        verify: Box::new(move |login| {
            let mut logins = logins.lock().expect("logins");
            let has_room = logins.len() < 2;
            logins.extend(has_room.then_some(login));
            has_room
        }),
        doubt: Box::new(move |doubt| doubts.lock().expect("doubts").push(doubt)),
    };
    Proxy::new(setup, io)
}

/// A small generator of random numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// A proxy with its fake event loop.
pub(crate) struct World {
    pub(crate) io: FakeIo,
    pub(crate) proxy: Proxy,
    /// The generation it serves.
    pub(crate) generation: Arc<Generation>,
    pub(crate) told: Told,
}

impl World {
    /// Makes a world for a native configuration.
    pub(crate) fn new(config: &str) -> World {
        World::with_budget(config, 1 << 20)
    }

    /// Makes a world with a budget of this many bytes.
    pub(crate) fn with_budget(config: &str, budget: usize) -> World {
        let mut io = FakeIo::default();
        let generation = Arc::new(Generation::first(1, settings(config)));
        let told = Told::default();
        let proxy = proxy_told(&mut io, Arc::clone(&generation), budget, &told);
        World { io, proxy, generation, told }
    }

    /// Makes a world with the pool of [`behind_sentinels`], whose master has port 1.
    pub(crate) fn behind_sentinels(options: &str, replicas: &[(u16, bool)]) -> World {
        let settings = behind_sentinels(options, 1, replicas);
        let mut io = FakeIo::default();
        let generation = Arc::new(Generation::first(1, settings));
        let told = Told::default();
        let proxy = proxy_told(&mut io, Arc::clone(&generation), 1 << 20, &told);
        World { io, proxy, generation, told }
    }

    /// The last connection to a port, established.
    pub(crate) fn node(&mut self, port: u16) -> ConnId {
        let to = |address: &Address| matches!(address, Address::Tcp { port: own, .. } if *own == port);
        let conn = self.io.connects.iter().rfind(|(_, address)| to(address)).expect("a connection").0;
        self.proxy.connected(&mut self.io, conn);
        conn
    }

    /// Sends the shard the next generation, and ends its turn.
    pub(crate) fn reload(&mut self, settings: Settings) {
        let users = self.generation.users().next(settings.users.specs()).expect("valid");
        self.generation = Arc::new(self.generation.next(Settings { users, ..settings }));
        let (generation, receipt) = (Arc::clone(&self.generation), Receipt(Box::new(drop)));
        let step = Step { generation, listeners: Vec::new(), receipt };
        self.proxy.mail(&mut self.io, Mail::Generation(Box::new(step)));
        self.proxy.turn_end(&mut self.io);
    }

    /// A new client of the listener with this tag.
    pub(crate) fn accept(&mut self, tag: u32) -> ConnId {
        self.accept_from(tag, Peer::Unix)
    }

    /// A new client of the listener with this tag, from this peer.
    pub(crate) fn accept_from(&mut self, tag: u32, peer: Peer) -> ConnId {
        let client = self.io.open();
        self.proxy.accepted(&mut self.io, tag, client, peer);
        client
    }

    /// Feeds bytes to a connection, which must all be taken, and returns the answer.
    pub(crate) fn says(&mut self, conn: ConnId, bytes: &str) -> String {
        let before = self.io.sent(conn).len();
        assert_eq!(self.receive(conn, bytes.as_bytes()), bytes.len(), "{bytes:?} waits");
        String::from_utf8(self.io.sent(conn)[before..].to_vec()).expect("text")
    }

    /// A new client of the first pool, which sends `request`.
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> ConnId {
        let client = self.accept(0);
        self.receive(client, request.as_ref());
        client
    }

    /// Offers unread `bytes` on `conn`. Returns the number taken.
    pub(crate) fn receive(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        let mut input = Input::scratch(bytes);
        self.proxy.received(&mut self.io, conn, &mut input);
        input.outcome().0
    }

    /// Feeds `bytes` in pieces of `size`.
    pub(crate) fn receive_in_pieces(&mut self, conn: ConnId, bytes: &[u8], size: usize) {
        let mut unread = Vec::new();
        for piece in bytes.chunks(size) {
            unread.extend_from_slice(piece);
            let taken = self.receive(conn, &unread);
            unread.drain(..taken);
        }
    }

    /// The `n`th server connection, connected.
    pub(crate) fn server(&mut self, n: usize) -> ConnId {
        let conn = self.io.connects[n].0;
        self.proxy.connected(&mut self.io, conn);
        conn
    }

    /// Everything sent on `conn` so far, as text.
    pub(crate) fn sent(&self, conn: ConnId) -> String {
        String::from_utf8(self.io.sent(conn).to_vec()).expect("text")
    }

    /// Flushes everything that was sent, at the end of a turn.
    pub(crate) fn drain(&mut self) {
        for conn in std::mem::take(&mut self.io.drain_wanted) {
            match self.io.unsent(conn) {
                0 => self.proxy.drained(&mut self.io, conn),
                _ => self.io.drain_wanted.push(conn),
            }
        }
    }

    /// Advances the clock and runs due timers.
    pub(crate) fn pass_time(&mut self, time: Duration) {
        self.io.now = self.io.now + time;
        while let Some(due) = self.io.timers.first_entry().filter(|t| t.key().0 <= self.io.now) {
            let token = due.remove();
            self.proxy.timer(&mut self.io, token);
        }
    }
}

/// Requests as they are written at a terminal, encoded.
pub(crate) fn lines(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        wire::redis::encode_inline(line.as_bytes(), &mut bytes).unwrap();
    }
    bytes
}

/// Requests of a client, none of which has to wait.
pub(crate) fn send(w: &mut World, client: ConnId, requests: &[&str]) {
    let bytes = lines(requests);
    assert_eq!(w.receive(client, &bytes), bytes.len(), "{requests:?}");
    w.proxy.turn_end(&mut w.io);
}

/// Replies of a server.
pub(crate) fn reply(w: &mut World, server: ConnId, bytes: &str) {
    w.receive(server, bytes.as_bytes());
    w.proxy.turn_end(&mut w.io);
}

#[derive(Debug, Default)]
pub(crate) struct FakeIo {
    pub(crate) now: Instant,
    pub(crate) load: u32,
    next: u32,
    sent: BTreeMap<ConnId, Vec<u8>>,
    pub(crate) connects: Vec<(ConnId, Address)>,
    pub(crate) closed: Vec<ConnId>,
    /// Connections whose output was held.
    pub(crate) held: Vec<ConnId>,
    pub(crate) paused: Vec<ConnId>,
    /// Bytes not yet taken by each peer.
    pub(crate) unsent: BTreeMap<ConnId, usize>,
    /// Connections whose owner waits until nothing is unsent.
    pub(crate) drain_wanted: Vec<ConnId>,
    /// Size of the buffers,
    pub(crate) buffered: usize,
    /// and true if unsent and unread bytes count towards it.
    pub(crate) counts_sockets: bool,
    /// Bytes sent by each peer and not yet taken by the proxy.
    pub(crate) unread: BTreeMap<ConnId, usize>,
    pub(crate) timers: BTreeMap<(Instant, u64), u64>,
    pub(crate) listeners: Vec<Listener>,
}

impl FakeIo {
    pub(crate) fn open(&mut self) -> ConnId {
        self.next += 1;
        ConnId { index: self.next, generation: 0 }
    }

    /// Everything sent on `conn` so far.
    pub(crate) fn sent(&self, conn: ConnId) -> &[u8] {
        self.sent.get(&conn).map_or(&[], |v| v)
    }
}

impl Io for FakeIo {
    fn now(&self) -> Instant {
        self.now
    }
    fn wall_time(&self) -> WallTime {
        WallTime(self.now.0 as i64 * 1000)
    }
    fn connect(&mut self, to: &Address, _: &SocketOptions) -> ConnId {
        let id = self.open();
        self.connects.push((id, to.clone()));
        id
    }
    fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.sent.entry(conn).or_default().extend_from_slice(bytes);
    }
    fn hold(&mut self, conn: ConnId) {
        self.held.push(conn);
    }
    fn send_shared(&mut self, conn: ConnId, bytes: Bytes) {
        self.send(conn, &bytes);
    }
    fn unread(&self, conn: ConnId) -> usize {
        self.unread.get(&conn).copied().unwrap_or(0)
    }
    fn unsent(&self, conn: ConnId) -> usize {
        self.unsent.get(&conn).copied().unwrap_or(0)
    }
    fn take_unsent(&mut self, conn: ConnId) -> Unsent {
        let (all, left) = (self.sent(conn), self.unsent(conn));
        Unsent { bytes: all.to_vec(), written: all.len() - left }
    }
    fn notify_drained(&mut self, conn: ConnId) {
        self.drain_wanted.push(conn);
    }
    fn pause(&mut self, conn: ConnId) {
        self.paused.push(conn);
    }
    fn resume(&mut self, conn: ConnId) {
        self.paused.retain(|c| *c != conn);
    }
    fn finish(&mut self, conn: ConnId) {
        self.closed.push(conn);
    }
    fn abort(&mut self, conn: ConnId) {
        self.closed.push(conn);
    }
    fn set_timer(&mut self, at: Instant, token: u64) -> TimerId {
        self.next += 1;
        self.timers.insert((at, u64::from(self.next)), token);
        TimerId(u64::from(self.next))
    }
    fn cancel_timer(&mut self, timer: TimerId) {
        self.timers.retain(|(_, id), _| *id != timer.0);
    }
    fn push_layer(&mut self, _: ConnId, _: Layer) {}
    fn release(&mut self, conn: ConnId) -> Option<Parcel> {
        if self.unread(conn) + self.unsent(conn) > 0 {
            return None;
        }
        self.closed.push(conn);
        Some(Parcel::simulated(u64::from(conn.index)))
    }
    fn adopt(&mut self, _: Parcel) -> Option<ConnId> {
        Some(self.open())
    }
    fn listen(&mut self, listener: Listener) -> std::io::Result<()> {
        self.listeners.push(listener);
        Ok(())
    }
    fn set_listener(&mut self, id: ListenerId, options: ListenOptions) {
        self.listeners.iter_mut().filter(|l| l.id() == id).for_each(|l| l.options = options.clone());
    }
    fn unlisten(&mut self, id: ListenerId) {
        self.listeners.retain(|l| l.id() != id);
    }
    fn leave_listeners(&mut self) {
        self.listeners.clear();
    }
    fn load(&self) -> u32 {
        self.load
    }
    fn buffered(&self) -> usize {
        let open = |(id, _): &(&ConnId, &usize)| self.counts_sockets && !self.closed.contains(id);
        let sockets = self.unsent.iter().chain(&self.unread).filter(open);
        self.buffered + sockets.map(|(_, bytes)| bytes).sum::<usize>()
    }
}
