//! The data of the cluster, and what a node answers to a request.

use std::collections::BTreeMap;

use super::keys;
use super::tamper::{Plan, Tamper};
use super::truth::{Declined, Truth};
use crate::resp::Node;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    List(Vec<u64>),
    Count(u64),
    /// The last version of a text.
    Text(u64),
}

/// All data, and how it was served.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) data: BTreeMap<Vec<u8>, Value>,
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

/// State of a connection to a node.
#[derive(Debug, Default)]
pub(super) struct Session {
    asking: bool,
    /// Requests between MULTI and EXEC, and whether one was declined.
    queued: Option<(Vec<Vec<Vec<u8>>>, bool)>,
}

fn ok() -> Node {
    Node::Simple(b"OK".to_vec())
}

fn error(text: &str) -> Node {
    Node::Error(text.as_bytes().to_vec())
}

impl Store {
    /// Answers a request at a node.
    pub(super) fn answer(
        &mut self,
        truth: &mut Truth,
        node: usize,
        session: &mut Session,
        request: Vec<Vec<u8>>,
    ) -> Node {
        let name = request[0].to_ascii_uppercase();
        match (&name[..], &mut session.queued) {
            (b"PING", _) => return Node::Simple(b"PONG".to_vec()),
            (b"ASKING", _) => {
                session.asking = true;
                return ok();
            }
            (b"MULTI", queued) => {
                *queued = Some((Vec::new(), false));
                return ok();
            }
            (b"EXEC", _) => return self.exec(truth, node, session),
            _ => {}
        }
        let asking =
            if session.queued.is_some() { session.asking } else { std::mem::take(&mut session.asking) };
        let declined = self.declines(truth, node, asking, &request);
        if let Some((requests, is_spoiled)) = &mut session.queued {
            *is_spoiled |= declined.is_some();
            requests.push(request);
            return declined.map_or(Node::Simple(b"QUEUED".to_vec()), |declined| error(&declined.text()));
        }
        match declined {
            Some(Declined::Ask(..)) if name == b"GET" && self.plan.strikes(Tamper::NilForMoved) => Node::Null,
            Some(declined) => error(&declined.text()),
            None => self.execute(truth, node, &request),
        }
    }

    fn exec(&mut self, truth: &mut Truth, node: usize, session: &mut Session) -> Node {
        let asking = std::mem::take(&mut session.asking);
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

    fn execute(&mut self, truth: &mut Truth, node: usize, request: &[Vec<u8>]) -> Node {
        let key = &request[1];
        let name = request[0].to_ascii_uppercase();
        match &name[..] {
            b"RPUSH" => {
                truth.place(key, node);
                self.push(key, number(&request[2]))
            }
            b"INCR" => {
                truth.place(key, node);
                self.count(key)
            }
            b"GET" if self.plan.strikes(Tamper::FailRead) => error("ERR no"),
            b"GET" if self.plan.strikes(Tamper::ShowMoved) => error("ERR MOVED 1 127.0.0.1:1"),
            b"GET" => self.text(truth, node, key),
            b"MGET" => Node::Array(request[1..].iter().map(|key| self.text(truth, node, key)).collect()),
            b"SET" | b"MSET" => {
                for pair in request[1..].chunks(2) {
                    truth.place(&pair[0], node);
                    self.write(&pair[0], &pair[1]);
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
        let Some(Value::Text(version)) = self.data.get(key).filter(|_| truth.has(node, key)) else {
            return Node::Null;
        };
        let mut version = *version;
        if version > 0 && self.plan.strikes(Tamper::OldValue) {
            version -= 1;
        }
        let key = if self.plan.strikes(Tamper::OtherKey) { &b"{a}other"[..] } else { key };
        Node::Bulk(keys::value(key, version))
    }

    fn write(&mut self, key: &[u8], value: &[u8]) {
        match keys::version(key, value) {
            Some(version) => drop(self.data.insert(key.to_vec(), Value::Text(version))),
            None => self.faults.push(format!("a write of '{}'", value.escape_ascii())),
        }
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
        (_, Some((requests, _))) => {
            requests.push(request.to_vec());
            Node::Simple(b"QUEUED".to_vec())
        }
        (b"RPUSH" | b"INCR" | b"EXISTS" | b"TOUCH", _) => Node::Int(1),
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
