//! A client: it pipelines requests, and checks every reply as it comes.

mod asking;
mod session;
mod taking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use net::Instant;

use super::keys;
use super::scenario::{Reads, Scenario, Trouble};
use super::store::Store;
use crate::network::{End, LinkId, Network};
use crate::rng::Rng;

/// A request whose reply is to come.
#[derive(Debug, Clone)]
enum Asked {
    Multi,
    /// A request of a transaction, and whether keys are watched.
    Queued(bool),
    Push(usize, u64),
    /// A transaction of two pushes, and whether keys are watched.
    Exec(usize, [u64; 2], bool),
    Count(usize),
    /// For the swap of this number, if it is for one.
    Watch(Option<u64>),
    Unwatch,
    /// A watched number is read for a swap,
    Read(usize, u64),
    /// and this is written in its place.
    Swap(usize, u64),
    /// An element for a queue.
    Enqueue(usize, u64),
    Pop(usize),
    /// Texts and their versions.
    Set(Vec<(Vec<u8>, u64)>),
    Get(Text),
    GetMany(Vec<Text>),
    Exists(usize),
}

/// A text that is read: its key, the time of the request, and the last version written before, if it is the
/// client's own.
#[derive(Debug, Clone)]
struct Text {
    key: Vec<u8>,
    at: Instant,
    sent: Option<u64>,
}

/// An element that a list was told to hold: a slot, a number, and its place if it was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed {
    pub(super) tag: usize,
    pub(super) number: u64,
    pub(super) place: Option<usize>,
    /// The number that comes right after it in the same transaction.
    pub(super) next: Option<u64>,
    /// It was not executed, as its client was told.
    pub(super) is_absent: bool,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) index: usize,
    pub(super) link: Option<LinkId>,
    pub(super) is_done: bool,
    /// Time of its next wake-up.
    pub(super) wake_at: Option<Instant>,
    pub(super) pushed: Vec<Pushed>,
    /// Acknowledged values of counters, in order, and the number of increments that may have happened.
    pub(super) counts: BTreeMap<usize, (Vec<u64>, usize)>,
    /// Numbers that were written in place of watched ones, in order.
    pub(super) swaps: BTreeMap<usize, Vec<u64>>,
    /// Transactions that were not executed, since a watched key had changed.
    pub(super) broken_watches: u64,
    pub(super) queues: Queues,
    pub(super) replies: u64,
    pub(super) errors: u64,
    rng: Rng,
    trouble: Trouble,
    clients: usize,
    left: u64,
    depth: usize,
    think_max: u64,
    vanishes: bool,
    next_at: Instant,
    output: BytesMut,
    input: BytesMut,
    /// Requests without a reply, and whether they must succeed.
    line: VecDeque<(Asked, bool)>,
    next_number: u64,
    /// Versions of own texts: the last one sent, the last one acknowledged.
    versions: BTreeMap<Vec<u8>, (u64, u64)>,
    /// Versions that a read has seen that was sent before them: it was sent again after the connection was
    /// lost on which they followed it. They must not be acknowledged.
    early: BTreeSet<(Vec<u8>, u64)>,
    is_last_round: bool,
    sessions: bool,
    reads: Reads,
    /// A watched number was asked for, in the swap of this number: nothing else is sent until it is replaced.
    swapping: Option<u64>,
    swaps_begun: u64,
    now: Instant,
}

/// Elements that a client has given to queues and got from them, by slot.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// Acknowledged ones.
    pub(super) given: BTreeMap<usize, Vec<u64>>,
    pub(super) got: BTreeMap<usize, Vec<u64>>,
    /// Number of requests for one that may have popped one.
    pub(super) unsure: BTreeMap<usize, usize>,
}

impl Client {
    pub(super) fn new(index: usize, scenario: &Scenario, mut rng: Rng) -> Client {
        Client {
            index,
            link: None,
            is_done: false,
            wake_at: None,
            pushed: Vec::new(),
            counts: BTreeMap::new(),
            swaps: BTreeMap::new(),
            broken_watches: 0,
            queues: Queues::default(),
            replies: 0,
            errors: 0,
            trouble: scenario.trouble,
            clients: scenario.clients,
            left: scenario.requests,
            depth: scenario.depth,
            think_max: scenario.think_max,
            vanishes: rng.one_in(8) && scenario.vanishes,
            rng,
            next_at: Instant(0),
            output: BytesMut::new(),
            input: BytesMut::new(),
            line: VecDeque::new(),
            next_number: index as u64 * keys::NUMBERS,
            versions: BTreeMap::new(),
            early: BTreeSet::new(),
            is_last_round: false,
            sessions: scenario.sessions,
            reads: scenario.reads,
            swapping: None,
            swaps_begun: 0,
            now: Instant(0),
        }
    }

    /// Its state, for an error's text.
    pub(super) fn stuck(&self) -> String {
        let first = self.line.front();
        format!("client {} waits for {} replies, first {first:?}", self.index, self.line.len())
    }

    /// Reads, checks, sends and writes. Returns the time of its next wake-up, or the broken rule.
    pub(super) fn wake(&mut self, net: &mut Network, store: &mut Store) -> Result<Option<Instant>, String> {
        self.now = net.now;
        let Some(link) = self.link.filter(|_| !self.is_done) else { return Ok(None) };
        if self.vanishes && !self.is_last_round && self.rng.one_in(200) {
            self.leave(net);
            return Ok(None);
        }
        self.read(net, link, store)?;
        if self.is_done {
            return Ok(None);
        }
        if !self.is_last_round && self.left > 0 && net.now >= self.next_at {
            self.ask_some();
            self.next_at = net.now + Duration::from_micros(self.rng.between(1, self.think_max));
        }
        self.write(net, link);
        if self.is_last_round && self.line.is_empty() && self.output.is_empty() {
            self.leave(net);
        }
        let more = !self.is_last_round && self.left > 0 && self.line.len() < self.depth;
        Ok(more.then_some(self.next_at))
    }

    fn leave(&mut self, net: &mut Network) {
        self.is_done = true;
        for (asked, _) in std::mem::take(&mut self.line) {
            self.give_up(asked, b"");
        }
        if let Some(link) = self.link {
            net.close(link, End::Peer);
        }
    }
}
