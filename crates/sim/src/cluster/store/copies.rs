//! Reads at replicas: what one has, and not what there is.

use super::super::keys;
use super::super::session::loading;
use super::super::tamper::Tamper;
use super::super::truth::Truth;
use super::{Session, Store, keys_of};
use crate::resp::Node;

impl Store {
    /// Answers a read at a replica, on a connection that has said READONLY. None if it is no such thing, or
    /// the replica declines it.
    pub(super) fn answer_as_replica(
        &mut self,
        truth: &Truth,
        node: usize,
        session: &Session,
        name: &[u8],
        request: &[Vec<u8>],
    ) -> Option<Node> {
        if !session.is_readonly || !matches!(name, b"GET" | b"MGET" | b"EXISTS") || truth.is_master(node) {
            return None;
        }
        if self.replication.is_loading(node) {
            return Some(loading());
        }
        let keys = keys_of(request);
        let slot = truth.slot_of(keys[0])?;
        if keys.iter().any(|key| truth.slot_of(key) != Some(slot)) || !truth.is_replica_of_owner(node, slot) {
            return None;
        }
        self.replication.advance(node, self.now, truth.is_fed(node));
        let mut values: Vec<Node> = keys.iter().map(|key| self.copy_of(node, key)).collect();
        let found = values.iter().filter(|value| **value != Node::Null).count();
        Some(match name {
            b"GET" => values.swap_remove(0),
            b"MGET" => Node::Array(values),
            _ => Node::Int(found as i64),
        })
    }

    fn copy_of(&mut self, node: usize, key: &[u8]) -> Node {
        let Some(version) = self.replication.text(node, key) else { return Node::Null };
        // As if it had heard of nothing for a second.
        let is_old = self.is_long_superseded(key, 0);
        let is_struck = version > 0 && is_old && self.plan.strikes(Tamper::OldCopy);
        Node::Bulk(keys::value(key, if is_struck { 0 } else { version }))
    }
}
