//! Clients, good and bad: they pipeline, write in pieces cut anywhere, half-close, vanish, read slowly or
//! never, and end with malformed frames.

mod memcache;
mod redis;

use std::collections::{HashMap, HashSet};

use bytes::BytesMut;
use config::checked::{Pool, Protocol};
use net::Instant;
use std::time::Duration;

use crate::expect::{self, Certainty, Expected, Got, Line, What};
use crate::network::{End, LinkId, Network, Read};
use crate::oracle::Oracle;
use crate::resp::{self, Node};
use crate::rng::Rng;
use crate::scenario::{Flood, Scenario};
use crate::tamper::{Plan, Tamper};

/// Behaviour of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temper {
    /// Reads everything that arrives.
    Polite,
    /// Reads this many bytes at intervals.
    Slow(usize),
    /// Sends everything at once and reads nothing.
    Never,
    /// Begins a large request, never ends it, and reads nothing.
    Unending,
    /// Vanishes at any moment.
    Vanishing,
}

/// Ways to end a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    HalfClose,
    Quit,
    /// With a refused command, followed by one that must therefore not be executed.
    Refused,
    Malformed,
    /// After all its replies have arrived.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Talking,
    /// All requests are sent; replies and FIN are outstanding.
    Leaving,
    Done,
}

/// Surroundings of a client that is woken.
pub(crate) struct Around<'a> {
    pub(crate) net: &'a mut Network,
    pub(crate) oracle: &'a mut Oracle,
    /// Request number, counted over all clients.
    pub(crate) uid: &'a mut u64,
    pub(crate) plan: &'a mut Plan,
    /// A reply taken from another client.
    pub(crate) leaked: &'a mut Option<(usize, Got)>,
    /// True once its shard was asked to stop: the client may be closed at any time.
    pub(crate) stopping: bool,
    /// True to print the bytes that clients write and read.
    pub(crate) trace: bool,
    /// Certainty about the replies.
    pub(crate) certainty: Certainty,
    /// True if its pool was ever removed: it may get an error, or find no listener.
    pub(crate) removed: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) index: usize,
    pub(crate) pool: usize,
    pub(crate) temper: Temper,
    pub(crate) link: Option<LinkId>,
    /// Time of its arrival.
    pub(crate) arrived: Instant,
    /// Time of its next wake-up.
    pub(crate) wake_at: Option<Instant>,
    protocol: Protocol,
    /// True if the pool limits its clients.
    limited: bool,
    password: Option<String>,
    rng: Rng,
    ending: Ending,
    state: State,
    requests_left: u64,
    /// Most requests in progress.
    depth: usize,
    think_max: u64,
    next_at: Instant,
    fill_max: usize,
    hash_tag: bool,
    output: BytesMut,
    input: BytesMut,
    pub(crate) line: Line,
    /// Its own keys and their values, if no request failed.
    model: HashMap<Vec<u8>, Vec<u8>>,
    deleted: HashSet<Vec<u8>>,
    /// Names of the scripts it has loaded.
    scripts: Vec<Vec<u8>>,
    /// True if the exact reply to every request is known.
    calm: bool,
    /// A reply held back, to be swapped with the next one.
    swapped: Option<Got>,
}

impl Client {
    pub(crate) fn new(index: usize, scenario: &Scenario, pool: usize, config: &Pool, mut rng: Rng) -> Client {
        let temper = if scenario.calm {
            Temper::Polite
        } else if scenario.flood == Some(Flood::Requests) {
            rng.pick(&[Temper::Unending, Temper::Unending, Temper::Unending, Temper::Polite])
        } else if scenario.flood == Some(Flood::Replies) {
            rng.pick(&[Temper::Never, Temper::Never, Temper::Unending, Temper::Polite])
        } else {
            let slow = Temper::Slow(rng.between(100, 500) as usize + scenario.fill_max);
            rng.pick(&[
                Temper::Polite,
                Temper::Polite,
                Temper::Polite,
                slow,
                Temper::Never,
                Temper::Vanishing,
            ])
        };
        let never = temper == Temper::Never;
        let requests = if never { scenario.requests * 4 } else { rng.between(1, scenario.requests * 2) };
        let redis = config.protocol == Protocol::Redis;
        let endings = [Ending::HalfClose, Ending::Close, Ending::Quit, Ending::Refused, Ending::Malformed];
        Client {
            index,
            pool,
            temper,
            link: None,
            arrived: Instant(0),
            wake_at: None,
            protocol: config.protocol,
            limited: config.client_connections.is_some(),
            password: config.auth.as_ref().map(|auth| auth.reveal().to_owned()),
            ending: rng.pick(&endings[..if redis { 5 } else { 4 }]),
            state: State::Talking,
            requests_left: requests,
            depth: if never { usize::MAX } else { rng.pick(&[1, 1, 4, 30, 200]) },
            think_max: scenario.chaos.as_micros() as u64 * 2 / requests,
            next_at: Instant(0),
            fill_max: scenario.fill_max,
            hash_tag: config.hash_tag.is_some(),
            output: BytesMut::new(),
            input: BytesMut::new(),
            line: Line::default(),
            model: HashMap::new(),
            deleted: HashSet::new(),
            scripts: Vec::new(),
            calm: scenario.calm && !scenario.moves_keys(),
            swapped: None,
            rng,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Description of the outstanding replies.
    pub(crate) fn stuck(&self) -> String {
        format!(
            "client {} ({:?}, {:?}) still waits: {} requests open, {} bytes unsent, next {:?}",
            self.index,
            self.temper,
            self.ending,
            self.line.len(),
            self.output.len(),
            self.line.first().map(crate::expect::due)
        )
    }

    /// Resets the connection without warning.
    pub(crate) fn vanish(&mut self, net: &mut Network) {
        self.state = State::Done;
        if let Some(link) = self.link {
            if self.rng.one_in(2) { net.reset(link, End::Peer) } else { net.close(link, End::Peer) }
        }
    }

    /// Reads, checks, sends and writes. Returns the time of its next wake-up.
    pub(crate) fn wake(&mut self, around: &mut Around<'_>) -> Option<Instant> {
        let link = self.link?;
        if self.is_done() {
            return None;
        }
        if self.temper == Temper::Vanishing && self.rng.one_in(25) {
            self.vanish(around.net);
            return None;
        }
        let more = self.read(link, around);
        if self.is_done() {
            return None;
        }
        let now = around.net.now;
        if self.state == State::Talking && now >= self.next_at {
            self.ask(around);
            self.next_at = now + Duration::from_micros(self.rng.between(1, self.think_max.max(2)));
        }
        let unsent = self.write(link, around.net, around.trace);
        self.leave(link, around.net);
        let mut in_a_while =
            |yes: bool| yes.then(|| now + Duration::from_micros(self.rng.between(200, 3000)));
        let again = [in_a_while(unsent), in_a_while(more), self.may_ask().then_some(self.next_at)];
        again.into_iter().flatten().min()
    }

    /// False if it has no more requests, or must wait for replies.
    fn may_ask(&self) -> bool {
        match (self.state, self.temper, self.requests_left) {
            (State::Leaving | State::Done, ..) | (_, Temper::Never | Temper::Unending, 0) => false,
            (.., 0) if self.ending != Ending::Close => true,
            (.., 0) => self.line.is_satisfied(),
            _ => self.line.len() < self.depth || self.line.is_satisfied(),
        }
    }

    // ---- asking -------------------------------------------------------------------------------------------

    fn ask(&mut self, around: &mut Around<'_>) {
        if self.model.is_empty() && self.line.answered == 0 && self.line.len() == 0 {
            self.introduce();
        }
        if self.temper == Temper::Unending {
            if std::mem::take(&mut self.requests_left) > 0 {
                self.begin_large();
            }
            return;
        }
        let burst = if self.temper == Temper::Never { 50 } else { self.rng.between(1, 40) };
        for _ in 0..burst {
            let waits = self.line.len() >= self.depth && !self.line.is_satisfied();
            if self.requests_left == 0 || waits || self.output.len() > 64 << 10 {
                break;
            }
            self.requests_left -= 1;
            *around.uid += 1;
            match self.protocol {
                Protocol::Redis => self.ask_redis(*around.uid),
                Protocol::Memcache => self.ask_memcache(*around.uid),
            }
        }
        let closes = self.ending != Ending::Close || self.line.is_satisfied();
        if self.requests_left == 0 && closes && !self.is_mute() {
            self.take_leave(around.plan);
        }
    }

    /// True if it reads nothing: it stays until the end of chaos.
    pub(crate) fn is_mute(&self) -> bool {
        matches!(self.temper, Temper::Never | Temper::Unending)
    }

    /// Sends a large request without its end.
    fn begin_large(&mut self) {
        let length = self.rng.between(1, 3_000_000);
        let head = match self.protocol {
            Protocol::Redis => format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${length}\r\n"),
            Protocol::Memcache => format!("set k 0 0 {length}\r\n"),
        };
        self.output.extend_from_slice(head.as_bytes());
        self.output.resize(self.output.len() + length as usize, b'x');
    }

    /// Sends the commands that begin a session: AUTH, HELLO and so on.
    fn introduce(&mut self) {
        if let Some(password) = self.password.clone() {
            self.push(
                resp::request(&[b"AUTH", password.as_bytes()]),
                node(Node::Simple(b"OK".to_vec())),
                &[],
            );
        }
        if self.protocol == Protocol::Redis && self.rng.one_in(5) {
            self.push(resp::request(&[b"HELLO", b"3"]), (What::AnyMap, None), &[]);
        }
    }

    fn take_leave(&mut self, plan: &mut Plan) {
        self.state = State::Leaving;
        let ok = node(Node::Simple(b"OK".to_vec()));
        match (self.ending, self.protocol) {
            (Ending::Quit, Protocol::Redis) => self.push(resp::request(&[b"QUIT"]), ok, &[]),
            (Ending::Quit, Protocol::Memcache) => self.output.extend_from_slice(b"quit\r\n"),
            (Ending::Refused, Protocol::Redis) => self.end_with_refusal(plan),
            (Ending::Refused, Protocol::Memcache) => self.end_with_memcached_refusal(plan),
            (Ending::Malformed, _) => {
                let broken = self.rng.pick(&[
                    "*2\r\n$3\r\nGET\r\n:1\r\n",
                    "*x\r\n",
                    "*1\r\n$-5\r\n",
                    "*1\r\n$3\r\nGETxx",
                ]);
                self.push(broken.as_bytes().to_vec(), (What::ErrorLike("ERR Protocol error"), None), &[]);
            }
            _ => {}
        }
    }

    fn push(&mut self, request: Vec<u8>, (what, exactly): (What, Option<Got>), keys: &[Vec<u8>]) {
        self.output.extend_from_slice(&request);
        self.line.push(Expected { what, exactly, optional: false, keys: keys.to_vec() });
    }

    // ---- keys ---------------------------------------------------------------------------------------------

    /// One of its own keys, or one that exists from the start.
    fn key(&mut self) -> Vec<u8> {
        let (own, n) = (self.rng.one_in(2), self.rng.below(12));
        let name = if own { format!("c{}:{n}", self.index) } else { format!("p:{n}") };
        let tag = if self.hash_tag && self.rng.one_in(2) { format!("{{t{}}}", n % 2) } else { String::new() };
        format!("{name}{tag}").into_bytes()
    }

    /// One of its own keys, which it may write.
    fn own_key(&mut self) -> Vec<u8> {
        format!("c{}:{}", self.index, self.rng.below(12)).into_bytes()
    }

    fn lookup(&self, key: &[u8]) -> Option<Vec<u8>> {
        let original = || crate::value::original(key, self.fill_max).filter(|_| !self.deleted.contains(key));
        self.model.get(key).cloned().or_else(original)
    }

    fn write_key(&mut self, key: &[u8], uid: u64) -> Vec<u8> {
        let fill = self.rng.below(self.fill_max as u64 + 1) as usize;
        let value = crate::value::value(key, uid, fill);
        self.deleted.remove(key);
        self.model.insert(key.to_vec(), value.clone());
        value
    }

    /// Deletes a key; true if it existed.
    fn delete_key(&mut self, key: &[u8]) -> bool {
        let there = self.lookup(key).is_some();
        self.model.remove(key);
        self.deleted.insert(key.to_vec());
        there
    }

    // ---- reading ------------------------------------------------------------------------------------------

    /// Reads replies; true if it left some unread for later.
    fn read(&mut self, link: LinkId, around: &mut Around<'_>) -> bool {
        let most = match self.temper {
            Temper::Never | Temper::Unending => return false,
            Temper::Slow(n) => n,
            Temper::Polite | Temper::Vanishing => usize::MAX,
        };
        match around.net.read(link, End::Peer, most) {
            Read::Bytes(bytes) => self.input.extend_from_slice(&bytes),
            Read::Dry => return false,
            Read::End | Read::Reset => {
                self.closed(around);
                return false;
            }
        }
        loop {
            let parsed = match self.protocol {
                Protocol::Redis => resp::parse(&self.input).map(|p| p.map(|(n, used)| (Got::Redis(n), used))),
                Protocol::Memcache => crate::memcache::parse_reply(&self.input)
                    .map(|p| p.map(|(r, used)| (Got::Memcache(r), used))),
            };
            match parsed {
                Ok(Some((got, used))) => {
                    let _ = self.input.split_to(used);
                    self.take(got, around);
                    if self.is_done() {
                        return false;
                    }
                }
                Ok(None) => break,
                Err(why) => {
                    around.oracle.fault(format!("client {} got no reply: {why}", self.index));
                    return false;
                }
            }
        }
        // There may be more input, or the end.
        if most == usize::MAX { self.read(link, around) } else { true }
    }

    /// Checks a reply, unless the tamperer interferes.
    fn take(&mut self, mut got: Got, around: &mut Around<'_>) {
        let plan = &mut *around.plan;
        if plan.strikes(Tamper::DropReply) {
            return;
        }
        if around.leaked.is_none() && plan.strikes(Tamper::LeakReply) {
            *around.leaked = Some((self.index, got));
            return;
        }
        if let Some((_, leaked)) = around.leaked.take_if(|l| l.0 != self.index && same_kind(&l.1, &got)) {
            self.check(&leaked, around);
        }
        if has_value(&got) && around.plan.strikes(Tamper::OtherKey) {
            change_key(&mut got);
        }
        if let Got::Redis(Node::Array(nodes)) = &mut got
            && nodes.len() >= 2
            && nodes[0] != nodes[1]
            && matches!(self.line.first(), Some(Expected { what: What::Values(_), .. }))
            && around.plan.strikes(Tamper::SwapElements)
        {
            nodes.swap(0, 1);
        }
        if self.swapped.is_none() && around.plan.strikes(Tamper::SwapReplies) {
            self.swapped = Some(got);
            return;
        }
        self.check(&got, around);
        if around.plan.strikes(Tamper::DuplicateReply) {
            self.check(&got, around);
        }
        if let Some(swapped) = self.swapped.take_if(|s| *s != got) {
            self.check(&swapped, around);
        }
    }

    fn check(&mut self, got: &Got, around: &mut Around<'_>) {
        if self.limited && self.line.answered == 0 && is_refusal(got) {
            self.vanish(around.net);
            return;
        }
        if around.removed && is_removal(got) {
            around.oracle.removals += 1;
            if !self.input.is_empty() {
                let rest = resp::show(&self.input);
                around.oracle.fault(format!("client {} got '{rest}' after its pool's end", self.index));
            }
            self.vanish(around.net);
            return;
        }
        if around.trace {
            eprintln!("{:>10} client {} reads '{}'", around.net.now.0, self.index, expect::name(got));
        }
        if let Some(uid) = self.element(got) {
            around.oracle.received(uid);
        }
        if let Err(why) = self.line.meet(got, around.certainty) {
            let (index, got) = (self.index, expect::name(got));
            around
                .oracle
                .fault(format!("client {index} got '{got}' as reply {}: {why}", self.line.answered + 1));
        }
    }

    /// The number of the element that a reply to BLPOP has.
    fn element(&self, got: &Got) -> Option<u64> {
        let Some(Expected { what: What::Popped(key), .. }) = self.line.first() else { return None };
        let Got::Redis(Node::Array(nodes)) = got else { return None };
        let Some(Node::Bulk(value)) = nodes.get(1) else { return None };
        crate::value::written_by(key, value).ok()
    }

    /// Handles the proxy's close of the connection.
    fn closed(&mut self, around: &mut Around<'_>) {
        let owed = !self.line.is_satisfied() || !self.input.is_empty();
        // Malformed or refused input may be answered before all of it is sent.
        let sent = self.output.is_empty() || matches!(self.ending, Ending::Malformed | Ending::Refused);
        let expected = self.state == State::Leaving && self.ending != Ending::Close && !owed && sent;
        let refused = self.limited && self.line.answered == 0;
        if !(expected || refused || around.stopping || around.removed) {
            let found = format!("at {} µs {}", around.net.now.0, self.stuck());
            around.oracle.cut_off.push(found);
        }
        self.vanish(around.net);
    }

    // ---- writing ------------------------------------------------------------------------------------------

    /// Writes output; true if it held some back that may fit.
    fn write(&mut self, link: LinkId, net: &mut Network, trace: bool) -> bool {
        if self.output.is_empty() {
            return false;
        }
        let whole = self.output.len() as u64;
        let piece = if self.rng.one_in(4) { self.rng.between(1, whole) } else { whole } as usize;
        if trace {
            eprintln!(
                "{:>10} client {} writes '{}'",
                net.now.0,
                self.index,
                resp::show(&self.output[..piece])
            );
        }
        match net.write(link, End::Peer, &self.output[..piece]) {
            Ok(taken) => {
                let _ = self.output.split_to(taken);
                taken == piece && !self.output.is_empty()
            }
            Err(()) => false,
        }
    }

    fn leave(&mut self, link: LinkId, net: &mut Network) {
        if self.state != State::Leaving || !self.output.is_empty() {
            return;
        }
        match self.ending {
            Ending::HalfClose => net.shutdown(link, End::Peer),
            Ending::Close if self.line.is_satisfied() => {
                self.state = State::Done;
                net.close(link, End::Peer);
            }
            _ => {}
        }
    }
}

/// Expects exactly this node.
fn node(node: Node) -> (What, Option<Got>) {
    (What::Node(node.clone()), Some(Got::Redis(node)))
}

fn is_refusal(got: &Got) -> bool {
    match got {
        Got::Redis(Node::Error(text)) => text == b"ERR max number of clients reached",
        Got::Memcache(reply) => {
            *reply == crate::memcache::Reply::line("SERVER_ERROR too many open connections")
        }
        Got::Redis(_) => false,
    }
}

/// True for the error that clients of a removed pool get before they are closed.
fn is_removal(got: &Got) -> bool {
    match got {
        Got::Redis(Node::Error(text)) => text == b"ERR pool removed from the configuration",
        Got::Redis(_) => false,
        Got::Memcache(reply) => {
            *reply == crate::memcache::Reply::line("SERVER_ERROR pool removed from the configuration")
        }
    }
}

fn same_kind(a: &Got, b: &Got) -> bool {
    matches!((a, b), (Got::Redis(_), Got::Redis(_)) | (Got::Memcache(_), Got::Memcache(_)))
}

fn has_value(got: &Got) -> bool {
    match got {
        Got::Redis(Node::Bulk(bytes)) => bytes.contains(&b'|'),
        Got::Redis(_) => false,
        Got::Memcache(crate::memcache::Reply::Blocks(blocks)) => !blocks.is_empty(),
        Got::Memcache(reply) => matches!(reply, crate::memcache::Reply::Va { .. }),
    }
}

/// Changes a value to that of another key.
fn change_key(got: &mut Got) {
    match got {
        Got::Redis(Node::Bulk(bytes)) => bytes[0] = b'z',
        Got::Memcache(crate::memcache::Reply::Blocks(blocks)) => blocks[0].1[0] = b'z',
        Got::Memcache(crate::memcache::Reply::Va { value, .. }) => value[0] = b'z',
        _ => {}
    }
}
