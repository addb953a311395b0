//! The node's end of a connection: it reads, executes and answers in its own time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use net::Instant;

use super::session::Session;
use super::store::{Store, lost_answer};
use super::truth::{Mood, Truth};
use crate::network::{End, LinkId, Network, Read};
use crate::resp::{self, Node};
use crate::rng::Rng;

/// A connection to a node.
#[derive(Debug)]
pub(super) struct NodeConn {
    pub(super) node: usize,
    pub(super) link: LinkId,
    pub(super) is_closed: bool,
    /// Time of its next wake-up.
    pub(super) wake_at: Option<Instant>,
    input: BytesMut,
    session: Session,
    /// Scheduled replies.
    replies: VecDeque<(Instant, Vec<u8>)>,
    output: BytesMut,
    /// Bytes of input that are executed and lost: they waited while another node took this one's place.
    void: usize,
    /// The proxy has closed it: what came before is executed all the same.
    has_ended: bool,
}

impl NodeConn {
    pub(super) fn new(node: usize, link: LinkId) -> NodeConn {
        NodeConn {
            node,
            link,
            is_closed: false,
            wake_at: None,
            input: BytesMut::new(),
            session: Session::default(),
            replies: VecDeque::new(),
            output: BytesMut::new(),
            void: 0,
            has_ended: false,
        }
    }

    pub(super) fn close(&mut self, net: &mut Network, hard: bool) {
        if !std::mem::replace(&mut self.is_closed, true) {
            if hard { net.reset(self.link, End::Peer) } else { net.close(self.link, End::Peer) }
        }
    }

    /// All that has been sent to it so far is executed and lost.
    pub(super) fn lose_input(&mut self, net: &Network) {
        self.void = self.input.len() + net.under_way(self.link, End::Peer);
    }

    /// Loses the connection, after some of what waits was executed without an answer.
    pub(super) fn lose(&mut self, net: &mut Network, truth: &mut Truth, store: &mut Store, rng: &mut Rng) {
        self.read(net);
        let most = rng.below(4);
        for _ in 0..most {
            self.execute_one(net.now, truth, store, rng);
        }
        self.close(net, rng.one_in(2));
    }

    /// Reads, executes and writes. Returns the time of its next wake-up.
    pub(super) fn wake(
        &mut self,
        net: &mut Network,
        truth: &mut Truth,
        store: &mut Store,
        rng: &mut Rng,
    ) -> Option<Instant> {
        if self.is_closed || matches!(truth.nodes[self.node].mood, Mood::Frozen | Mood::Dead) {
            return None;
        }
        self.read(net);
        let most = rng.between(1, 6);
        let mut is_busy = !self.is_closed;
        for _ in 0..most {
            is_busy = is_busy && self.execute_one(net.now, truth, store, rng);
        }
        if self.has_ended && !is_busy {
            self.close(net, false);
        }
        self.write(net);
        let soon = is_busy.then(|| net.now + Duration::from_micros(rng.between(20, 400)));
        let waits = self.session.blocked.is_some();
        let look = waits.then(|| net.now + Duration::from_micros(rng.between(500, 6000)));
        let next = self.replies.front().map(|reply| reply.0);
        [soon, look, next].into_iter().flatten().min().filter(|_| !self.is_closed)
    }

    fn read(&mut self, net: &mut Network) {
        loop {
            match net.read(self.link, End::Peer, 1 << 20) {
                Read::Bytes(bytes) => self.input.extend_from_slice(&bytes),
                Read::Dry => return,
                Read::End => {
                    self.has_ended = true;
                    return;
                }
                Read::Reset => return self.close(net, false),
            }
        }
    }

    /// Executes the first request that waits. False if there is none, or it blocks.
    fn execute_one(&mut self, now: Instant, truth: &mut Truth, store: &mut Store, rng: &mut Rng) -> bool {
        if self.session.is_ending {
            return false;
        }
        if self.session.blocked.is_some() {
            let reply = store.unblock(truth, self.node, &mut self.session);
            return reply.is_some_and(|reply| self.reply(&reply, now, rng));
        }
        let (request, used) = match resp::parse(&self.input) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return false,
            Err(why) => {
                store.faults.push(format!("node {} got {why}", self.node));
                return false;
            }
        };
        let _ = self.input.split_to(used);
        let Some(words) = words(request) else {
            store.faults.push(format!("node {} got no request", self.node));
            return false;
        };
        let is_lost = self.void > 0;
        self.void = self.void.saturating_sub(used);
        let reply = if is_lost {
            Some(lost_answer(&mut self.session, &words))
        } else {
            store.answer(truth, self.node, &mut self.session, words)
        };
        reply.is_some_and(|reply| self.reply(&reply, now, rng))
    }

    /// Replies a little later.
    fn reply(&mut self, reply: &Node, now: Instant, rng: &mut Rng) -> bool {
        let mut bytes = Vec::new();
        resp::write(reply, false, &mut bytes);
        let after = self.replies.back().map_or(now, |reply| reply.0.max(now));
        self.replies.push_back((after + Duration::from_micros(rng.between(1, 300)), bytes));
        true
    }

    fn write(&mut self, net: &mut Network) {
        while let Some((_, reply)) = self.replies.pop_front_if(|reply| reply.0 <= net.now) {
            self.output.extend_from_slice(&reply);
        }
        if self.is_closed || self.output.is_empty() {
            return;
        }
        match net.write(self.link, End::Peer, &self.output) {
            Ok(taken) => drop(self.output.split_to(taken)),
            Err(()) => self.close(net, true),
        }
        if self.session.is_ending && self.replies.is_empty() && self.output.is_empty() {
            self.close(net, false);
        }
    }
}

fn words(request: Node) -> Option<Vec<Vec<u8>>> {
    let Node::Array(items) = request else { return None };
    let words = items.into_iter().map(|item| if let Node::Bulk(bytes) = item { Some(bytes) } else { None });
    words.collect::<Option<Vec<_>>>().filter(|words| !words.is_empty())
}
