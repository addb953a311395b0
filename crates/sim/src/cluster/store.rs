//! The data of the cluster, and what a node answers to a request.

mod copies;
mod session;

use std::collections::BTreeMap;

use net::Instant;

use super::keys;
use super::replication::Replication;
use super::session::{Session, role};
use super::tamper::{Plan, Tamper};
use super::truth::{Declined, Truth};
use crate::resp::Node;
use crate::rng::Rng;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    List(Vec<u64>),
    Count(u64),
    /// The last version of a text.
    Text(u64),
}

/// All data, and how it was served.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) data: BTreeMap<Vec<u8>, Value>,
    pub(super) now: Instant,
    pub(super) replication: Replication,
    /// Number of changes of each key, moves included.
    changes: BTreeMap<Vec<u8>, u64>,
    /// Time at which each version of a text was written.
    written: BTreeMap<Vec<u8>, BTreeMap<u64, Instant>>,
    /// Elements in the order in which they were popped, by key.
    pub(super) popped: BTreeMap<Vec<u8>, Vec<u64>>,
    pub(super) plan: Plan,
    pub(super) counts: Declines,
    /// Broken rules that a node sees.
    pub(super) faults: Vec<String>,
}

/// Number of requests that nodes have declined, by error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declines {
    /// With MOVED.
    pub moved: u64,
    /// With ASK.
    pub ask: u64,
    /// With TRYAGAIN.
    pub try_again: u64,
    /// With CLUSTERDOWN.
    pub down: u64,
}

fn ok() -> Node {
    Node::Simple(b"OK".to_vec())
}

fn error(text: &str) -> Node {
    Node::Error(text.as_bytes().to_vec())
}

impl Store {
    pub(super) fn new(plan: Plan, rng: &mut Rng) -> Store {
        Store {
            data: BTreeMap::new(),
            now: Instant(0),
            replication: Replication::new(rng),
            changes: BTreeMap::new(),
            written: BTreeMap::new(),
            popped: BTreeMap::new(),
            plan,
            counts: Declines::default(),
            faults: Vec::new(),
        }
    }

    /// Lets a key exist from the beginning, where it belongs.
    pub(super) fn begin_with(&mut self, truth: &mut Truth, key: Vec<u8>, value: Value) {
        let node = truth.place_at_owner(&key);
        if let Value::Text(version) = value {
            self.replication.write_text(node, &key, Some(version), self.now);
        }
        self.data.insert(key, value);
    }

    /// Notes that a key has moved from one master to another.
    pub(super) fn moved(&mut self, key: &[u8], from: usize, to: usize) {
        *self.changes.entry(key.to_vec()).or_default() += 1;
        match self.data.get(key) {
            Some(Value::Text(version)) => {
                self.replication.write_text(to, key, Some(*version), self.now);
                self.replication.write_text(from, key, None, self.now);
            }
            _ => [from, to].into_iter().for_each(|node| self.replication.write(node, self.now)),
        }
    }

    /// Answers a request at a node. None while it blocks.
    pub(super) fn answer(
        &mut self,
        truth: &mut Truth,
        node: usize,
        session: &mut Session,
        request: Vec<Vec<u8>>,
    ) -> Option<Node> {
        let name = request[0].to_ascii_uppercase();
        if let Some(answer) = self.answer_about_session(truth, node, session, &name) {
            return Some(answer);
        }
        if let Some(answer) = self.answer_as_replica(truth, node, session, &name, &request) {
            return Some(answer);
        }
        let asking =
            if session.queued.is_some() { session.asking } else { std::mem::take(&mut session.asking) };
        let declined = self.declines(truth, node, asking, &request);
        if let Some((requests, is_spoiled)) = &mut session.queued {
            *is_spoiled |= declined.is_some();
            requests.push(request);
            return Some(
                declined.map_or(Node::Simple(b"QUEUED".to_vec()), |declined| error(&declined.text())),
            );
        }
        match declined {
            Some(Declined::Ask(..)) if name == b"GET" && self.plan.strikes(Tamper::NilForMoved) => {
                Some(Node::Null)
            }
            Some(declined) => Some(error(&declined.text())),
            None if name == b"BLPOP" => self.pop_or_block(truth, node, session, &request),
            None if name == b"WATCH" => {
                let changes = self.changes_of(&request[1]);
                session.watched.push((request[1].clone(), changes));
                Some(ok())
            }
            None => Some(self.execute(truth, node, &request)),
        }
    }

    fn exec(&mut self, truth: &mut Truth, node: usize, session: &mut Session) -> Node {
        let asking = std::mem::take(&mut session.asking);
        let watched = std::mem::take(&mut session.watched);
        let Some((requests, is_spoiled)) = session.queued.take() else {
            self.faults.push("EXEC without MULTI".into());
            return error("ERR EXEC without MULTI");
        };
        if is_spoiled {
            return error("EXECABORT Transaction discarded because of previous errors.");
        }
        if let Some(declined) =
            requests.iter().find_map(|request| self.declines(truth, node, asking, request))
        {
            return error(&declined.text());
        }
        let is_changed = watched.iter().any(|(key, changes)| self.changes_of(key) != *changes);
        if is_changed && !(self.is_outdated(&requests[0]) && self.plan.strikes(Tamper::IgnoreWatch)) {
            let is_push = requests[0][0] == b"RPUSH";
            if is_push && self.plan.strikes(Tamper::ExecuteDiscarded) {
                requests.iter().for_each(|request| drop(self.execute(truth, node, request)));
            }
            return Node::NullArray;
        }
        let mut replies = Vec::new();
        for request in &requests {
            replies.push(self.execute(truth, node, request));
            if replies.len() == 1
                && self.plan.strikes(Tamper::SplitTransaction)
                && let Some(Value::List(list)) = self.data.get_mut(&request[1])
            {
                list.push(u64::MAX);
            }
        }
        Node::Array(replies)
    }

    fn declines(
        &mut self,
        truth: &Truth,
        node: usize,
        asking: bool,
        request: &[Vec<u8>],
    ) -> Option<Declined> {
        let keys = keys_of(request);
        let slots: Vec<Option<usize>> = keys.iter().map(|key| truth.slot_of(key)).collect();
        let Some(slot) = slots[0].filter(|_| slots.iter().all(|slot| *slot == slots[0])) else {
            self.faults.push(format!("node {node} got a request over several slots"));
            return None;
        };
        let declined = truth.decline(node, asking, slot, &keys);
        match declined {
            Some(Declined::Moved(..)) => self.counts.moved += 1,
            Some(Declined::Ask(..)) => self.counts.ask += 1,
            Some(Declined::TryAgain) => self.counts.try_again += 1,
            Some(Declined::Down) => self.counts.down += 1,
            None => {}
        }
        declined
    }

    /// True for a write of a watched number that has that value, or a greater one, already.
    fn is_outdated(&self, request: &[Vec<u8>]) -> bool {
        let Some(Value::Count(count)) = self.data.get(&request[1]) else { return false };
        request[0] == b"SET" && number(&request[2]) <= *count
    }

    fn changes_of(&self, key: &[u8]) -> u64 {
        self.changes.get(key).copied().unwrap_or_default()
    }

    /// Notes a write at a master.
    fn change(&mut self, truth: &mut Truth, node: usize, key: &[u8]) {
        truth.place(key, node);
        *self.changes.entry(key.to_vec()).or_default() += 1;
        self.replication.write(node, self.now);
    }

    fn execute(&mut self, truth: &mut Truth, node: usize, request: &[Vec<u8>]) -> Node {
        let key = &request[1];
        let name = request[0].to_ascii_uppercase();
        match &name[..] {
            b"RPUSH" => {
                self.change(truth, node, key);
                self.push(key, number(&request[2]))
            }
            b"INCR" => {
                self.change(truth, node, key);
                self.count(key)
            }
            b"GET" if self.plan.strikes(Tamper::FailRead) => error("ERR no"),
            b"GET" if self.plan.strikes(Tamper::ShowMoved) => error("ERR MOVED 1 127.0.0.1:1"),
            b"GET" => self.text(truth, node, key),
            b"MGET" => Node::Array(request[1..].iter().map(|key| self.text(truth, node, key)).collect()),
            b"SET" | b"MSET" => {
                for pair in request[1..].chunks(2) {
                    self.change(truth, node, &pair[0]);
                    self.write(node, &pair[0], &pair[1]);
                }
                ok()
            }
            b"EXISTS" | b"TOUCH" => {
                Node::Int(request[1..].iter().filter(|key| truth.has(node, key)).count() as i64)
            }
            b"BITFIELD" if matches!(self.data.get(key), Some(Value::List(_))) => {
                error("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            b"BITFIELD" => Node::Array(vec![Node::Int(0)]),
            other => {
                self.faults.push(format!("node {node} got '{}'", other.escape_ascii()));
                error("ERR unknown command")
            }
        }
    }

    fn push(&mut self, key: &[u8], number: u64) -> Node {
        let value = self.data.entry(key.to_vec()).or_insert(Value::List(Vec::new()));
        let Value::List(list) = value else { return error("WRONGTYPE") };
        if self.plan.strikes(Tamper::LosePush) {
            return Node::Int(list.len() as i64 + 1);
        }
        list.push(number);
        if self.plan.strikes(Tamper::RepeatPush) {
            list.push(number);
        }
        let len = list.len();
        let are_of_one = len > 1 && keys::of_number(list[len - 2]) == keys::of_number(number);
        if are_of_one && self.plan.strikes(Tamper::SwapPushes) {
            list.swap(len - 2, len - 1);
        }
        Node::Int(len as i64)
    }

    fn count(&mut self, key: &[u8]) -> Node {
        let value = self.data.entry(key.to_vec()).or_insert(Value::Count(0));
        let Value::Count(count) = value else { return error("WRONGTYPE") };
        if *count == 0 || !self.plan.strikes(Tamper::RepeatCount) {
            *count += 1;
        }
        Node::Int(*count as i64)
    }

    fn text(&mut self, truth: &Truth, node: usize, key: &[u8]) -> Node {
        let mut version = match self.data.get(key).filter(|_| truth.has(node, key)) {
            Some(Value::Text(version)) => *version,
            Some(Value::Count(count)) => return Node::Bulk(count.to_string().into_bytes()),
            _ => return Node::Null,
        };
        if version > 0 && self.is_long_superseded(key, version - 1) && self.plan.strikes(Tamper::OldValue) {
            version -= 1;
        }
        let key = if self.plan.strikes(Tamper::OtherKey) { &b"{a}other"[..] } else { key };
        Node::Bulk(keys::value(key, version))
    }

    fn write(&mut self, node: usize, key: &[u8], value: &[u8]) {
        if let Some(Value::Count(count)) = self.data.get_mut(key) {
            *count = number(value);
            return;
        }
        let Some(version) = keys::version(key, value) else {
            self.faults.push(format!("a write of '{}'", value.escape_ascii()));
            return;
        };
        self.data.insert(key.to_vec(), Value::Text(version));
        self.written.entry(key.to_vec()).or_default().entry(version).or_insert(self.now);
        self.replication.write_text(node, key, Some(version), self.now);
    }

    /// True if a version of a text was followed by a later one before any read that is under way was sent.
    fn is_long_superseded(&self, key: &[u8], version: u64) -> bool {
        let long_ago = Instant(self.now.0.saturating_sub(1_000_000));
        self.superseded_at(key, version).is_some_and(|at| at < long_ago)
    }

    /// Time at which a version of a text was first followed by a later one. None if it is the last.
    pub(super) fn superseded_at(&self, key: &[u8], version: u64) -> Option<Instant> {
        self.written.get(key)?.range(version + 1..).map(|(_, at)| *at).min()
    }
}

/// Answer of a master that was frozen to a request that waited in its sockets: as if it had executed it.
pub(super) fn lost_answer(session: &mut Session, request: &[Vec<u8>]) -> Node {
    let name = request[0].to_ascii_uppercase();
    match (&name[..], &mut session.queued) {
        (b"PING", _) => Node::Simple(b"PONG".to_vec()),
        (b"MULTI", queued) => {
            *queued = Some((Vec::new(), false));
            ok()
        }
        (b"EXEC", queued) => {
            let requests = queued.take().unwrap_or_default().0;
            Node::Array(requests.iter().map(|_| Node::Int(1)).collect())
        }
        (b"ROLE", _) => role(true, true),
        (_, Some((requests, _))) => {
            requests.push(request.to_vec());
            Node::Simple(b"QUEUED".to_vec())
        }
        (b"RPUSH" | b"INCR" | b"EXISTS" | b"TOUCH", _) => Node::Int(1),
        (b"BLPOP", _) => Node::Array([&b"lost"[..], b"lost"].map(|text| Node::Bulk(text.to_vec())).to_vec()),
        (b"GET", _) => Node::Bulk(b"lost".to_vec()),
        (b"MGET", _) => Node::Array(request[1..].iter().map(|_| Node::Bulk(b"lost".to_vec())).collect()),
        (b"BITFIELD", _) => Node::Array(vec![Node::Int(0)]),
        _ => ok(),
    }
}

fn keys_of(request: &[Vec<u8>]) -> Vec<&[u8]> {
    let each = match &request[0].to_ascii_uppercase()[..] {
        b"MSET" => 2,
        b"MGET" | b"EXISTS" | b"TOUCH" => 1,
        _ => usize::MAX,
    };
    request[1..].iter().step_by(each).map(Vec::as_slice).collect()
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
