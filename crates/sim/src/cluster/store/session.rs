//! Requests about a connection to a node, and those that block it.

use std::time::Duration;

use super::super::session::{loading, role};
use super::super::tamper::Tamper;
use super::super::truth::{Declined, Truth};
use super::{Session, Store, Value, error, ok};
use crate::resp::Node;

impl Store {
    /// Answers a request that is about the connection. None for any other.
    pub(super) fn answer_about_session(
        &mut self,
        truth: &mut Truth,
        node: usize,
        session: &mut Session,
        name: &[u8],
    ) -> Option<Node> {
        Some(match name {
            b"PING" if self.replication.is_loading(node) => loading(),
            b"PING" => Node::Simple(b"PONG".to_vec()),
            b"ASKING" => {
                session.asking = true;
                ok()
            }
            b"READONLY" => {
                session.is_readonly = true;
                ok()
            }
            b"READWRITE" => {
                session.is_readonly = false;
                ok()
            }
            b"ROLE" => {
                self.replication.advance(node, self.now, truth.is_fed(node));
                role(truth.is_master(node), self.replication.is_linked(node))
            }
            b"UNWATCH" => {
                session.watched.clear();
                ok()
            }
            b"MULTI" => {
                session.queued = Some((Vec::new(), false));
                ok()
            }
            b"EXEC" => self.exec(truth, node, session),
            _ => return None,
        })
    }

    /// Pops an element, or lets the connection wait for one.
    pub(super) fn pop_or_block(
        &mut self,
        truth: &mut Truth,
        node: usize,
        session: &mut Session,
        request: &[Vec<u8>],
    ) -> Option<Node> {
        let reply = self.pop(truth, node, &request[1]);
        if reply.is_none() {
            let seconds: f64 =
                std::str::from_utf8(&request[2]).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
            session.blocked = Some((request[1].clone(), self.now + Duration::from_secs_f64(seconds)));
        }
        reply
    }

    /// Ends what blocks a connection, if an element has come, its time is over, or its node does not serve it
    /// any more.
    pub(in crate::cluster) fn unblock(
        &mut self,
        truth: &mut Truth,
        node: usize,
        session: &mut Session,
    ) -> Option<Node> {
        let (key, until) = session.blocked.clone()?;
        let slot = truth.slot_of(&key)?;
        let reply = match truth.decline(node, false, slot, &[&key]) {
            Some(Declined::Moved(..)) if !truth.is_master(node) => {
                session.is_ending = true;
                error(
                    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
                )
            }
            Some(declined @ (Declined::Moved(..) | Declined::Down)) => error(&declined.text()),
            _ if until <= self.now => Node::NullArray,
            _ => self.pop(truth, node, &key)?,
        };
        session.blocked = None;
        Some(reply)
    }

    /// Pops an element. None if there is none at this node.
    fn pop(&mut self, truth: &mut Truth, node: usize, key: &[u8]) -> Option<Node> {
        let is_here = truth.has(node, key);
        let Some(Value::List(list)) = self.data.get_mut(key).filter(|_| is_here) else { return None };
        let number = *list.first()?;
        if !self.plan.strikes(Tamper::RepeatPop) {
            list.remove(0);
        }
        if !list.is_empty() && self.plan.strikes(Tamper::LosePop) {
            list.remove(0);
        }
        let is_empty = list.is_empty();
        self.popped.entry(key.to_vec()).or_default().push(number);
        self.change(truth, node, key);
        if is_empty {
            self.data.remove(key);
            truth.displace(key);
        }
        Some(Node::Array(vec![Node::Bulk(key.to_vec()), Node::Bulk(number.to_string().into_bytes())]))
    }
}
