//! The cluster as it is: roles, slots, keys; and what each node believes of it.
//!
//! ```text
//! slot: owner ─ begins to move ▸ importing there, migrating here ▸ its keys move one by one ▸ the target owns it
//!                                                                  ▸ the source knows ▸ the others hear of it
//! node: up ▸ dead | frozen | cut off ▸ its partner takes its place ▸ it is back, as a replica
//! ```
//! Two nodes never both serve a slot, as in Redis; but a frozen node executes what waits in its sockets when
//! it goes on, and all of that is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::Instant;
use proxy::View;
use wire::redis::cluster::{Info, Node as Seen, NodeHealth, SlotRange, SlotView};

use super::keys;
use crate::scenario::FIRST_PORT;

/// Number of masters; each has one replica, its partner.
pub(super) const MASTERS: usize = 3;
/// Number of nodes.
pub(super) const NODES: usize = 2 * MASTERS;

/// Time after which a node may have a slot back. One that has it back sooner executes what waits in its
/// sockets, after it has declined what came before: nobody in front of it can keep the order then.
pub(super) const BACK: Duration = Duration::from_millis(1300);

/// State of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Up,
    /// It does nothing, and its kernel accepts all.
    Frozen,
    Dead,
    /// From the other nodes, not from the proxy.
    CutOff,
}

/// Owners and masters, as somebody knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) epoch: u64,
    /// The masters of the thirds of all slots.
    pub(super) masters: [usize; MASTERS],
    /// Owners of the run's slots.
    pub(super) owners: Vec<usize>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mood: Mood,
    pub(super) known: Known,
    /// Slots that leave it, with their targets,
    pub(super) migrating: BTreeMap<usize, usize>,
    /// and those that come.
    pub(super) importing: BTreeSet<usize>,
    /// Time at which slots have left it.
    left: BTreeMap<usize, Instant>,
    /// Another node has taken its place, and it does not know.
    pub(super) is_superseded: bool,
}

/// A move of a slot.
#[derive(Debug, Clone, Copy)]
struct Move {
    from: usize,
    to: usize,
}

/// The cluster.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) slots: Vec<u16>,
    pub(super) now: Known,
    pub(super) nodes: Vec<Node>,
    /// Nodes that have the existing keys.
    places: BTreeMap<Vec<u8>, usize>,
    moves: BTreeMap<usize, Move>,
    /// All nodes refuse everything, since a shard has no master.
    pub(super) is_down: bool,
}

impl Truth {
    pub(super) fn new() -> Truth {
        let slots = keys::slots();
        let masters = [0, 1, 2];
        let owners = slots.iter().map(|slot| masters[third(*slot)]).collect();
        let now = Known { epoch: 10, masters, owners };
        let node = |_| Node {
            mood: Mood::Up,
            known: now.clone(),
            migrating: BTreeMap::new(),
            importing: BTreeSet::new(),
            left: BTreeMap::new(),
            is_superseded: false,
        };
        let nodes = (0..NODES).map(node).collect();
        Truth { slots, now, nodes, places: BTreeMap::new(), moves: BTreeMap::new(), is_down: false }
    }

    /// The slot of a key, as an index in [`Truth::slots`].
    pub(super) fn slot_of(&self, key: &[u8]) -> Option<usize> {
        let slot = ring::key_slot(key);
        self.slots.iter().position(|known| *known == slot)
    }

    /// Lets a key exist at a node.
    pub(super) fn place(&mut self, key: &[u8], node: usize) {
        self.places.insert(key.to_vec(), node);
    }

    /// Lets a key exist where it belongs. Returns that node.
    pub(super) fn place_at_owner(&mut self, key: &[u8]) -> usize {
        let node = self.slot_of(key).map_or(0, |slot| self.now.owners[slot]);
        self.place(key, node);
        node
    }

    /// Lets a key exist nowhere.
    pub(super) fn displace(&mut self, key: &[u8]) {
        self.places.remove(key);
    }

    pub(super) fn is_master(&self, node: usize) -> bool {
        self.nodes[node].known.masters.contains(&node)
    }

    /// True if a replica gets what its master writes.
    pub(super) fn is_fed(&self, node: usize) -> bool {
        let (own, partner) = (&self.nodes[node].mood, &self.nodes[(node + MASTERS) % NODES].mood);
        *own == Mood::Up && *partner == Mood::Up
    }

    /// True for a node that serves reads of a slot as a replica of its owner, as far as it knows.
    pub(super) fn is_replica_of_owner(&self, node: usize, slot: usize) -> bool {
        !self.refuses_all(node) && self.nodes[node].known.owners[slot] == (node + MASTERS) % NODES
    }

    pub(super) fn has(&self, node: usize, key: &[u8]) -> bool {
        self.places.get(key) == Some(&node)
    }

    /// Lets a node know the truth.
    pub(super) fn inform(&mut self, node: usize) {
        let node_ = &mut self.nodes[node];
        if node_.mood != Mood::Up {
            return;
        }
        node_.known = self.now.clone();
        node_.migrating.retain(|slot, _| self.now.owners[*slot] == node);
    }

    /// The error with which a node declines a request with these keys of one slot.
    pub(super) fn decline(&self, node: usize, asking: bool, slot: usize, keys: &[&[u8]]) -> Option<Declined> {
        let at = &self.nodes[node];
        if self.refuses_all(node) {
            return Some(Declined::Down);
        }
        let owner = at.known.owners[slot];
        let missing = keys.iter().filter(|key| !self.has(node, key)).count();
        if owner == node {
            let target = *at.migrating.get(&slot)?;
            return match missing {
                0 => None,
                _ if missing == keys.len() => Some(Declined::Ask(self.slots[slot], target)),
                _ => Some(Declined::TryAgain),
            };
        }
        if at.importing.contains(&slot) && asking {
            return (missing > 0 && keys.len() > 1).then_some(Declined::TryAgain);
        }
        Some(Declined::Moved(self.slots[slot], owner))
    }

    /// True if a node knows that the cluster does not work, as far as it sees.
    fn refuses_all(&self, node: usize) -> bool {
        let at = &self.nodes[node];
        self.is_down || (at.mood == Mood::CutOff && at.is_superseded)
    }

    // ---- moves of slots -----------------------------------------------------------------------------------

    fn may_have(&self, node: usize, slot: usize, now: Instant) -> bool {
        self.nodes[node].left.get(&slot).is_none_or(|left| now.since(*left) > BACK)
    }

    /// Begins to move a slot to another master. False if that is not possible now.
    pub(super) fn begin_move(&mut self, slot: usize, to: usize, now: Instant) -> bool {
        let from = self.now.owners[slot];
        let is_fit = |node: usize| self.nodes[node].mood == Mood::Up && self.nodes[node].known == self.now;
        let may = from != to && is_fit(from) && is_fit(to) && self.may_have(to, slot, now);
        if !may || self.moves.contains_key(&slot) {
            return false;
        }
        self.nodes[to].importing.insert(slot);
        self.nodes[from].migrating.insert(slot, to);
        self.moves.insert(slot, Move { from, to });
        true
    }

    /// Moves another key of a moving slot; after the last one, the slot. Returns the node that then has to
    /// hear of it first; None while there is more to do.
    pub(super) fn go_on_moving(&mut self, slot: usize, now: Instant) -> Step {
        let Some(Move { from, to }) = self.moves.get(&slot).copied() else { return Step::Over };
        if [from, to].iter().any(|node| self.nodes[*node].mood != Mood::Up) {
            return Step::More;
        }
        let (number, mut places) = (self.slots[slot], self.places.iter_mut());
        if let Some((key, place)) =
            places.find(|(key, place)| **place == from && ring::key_slot(key) == number)
        {
            *place = to;
            return Step::Key { key: key.clone(), from, to };
        }
        self.moves.remove(&slot);
        self.nodes[to].importing.remove(&slot);
        self.nodes[from].left.insert(slot, now);
        self.now.owners[slot] = to;
        self.now.epoch += 1;
        self.inform(to);
        Step::Moved { from }
    }

    // ---- failovers ----------------------------------------------------------------------------------------

    /// The partner that would take a master's place. None for a replica, or if it cannot now.
    pub(super) fn heir(&self, node: usize, now: Instant) -> Option<usize> {
        self.now.masters.iter().position(|master| *master == node)?;
        let heir = (node + MASTERS) % NODES;
        let slots = (0..keys::SLOTS).filter(|slot| {
            let concerns = |of: &Move| of.from == node || of.to == node;
            self.now.owners[*slot] == node || self.moves.get(slot).is_some_and(concerns)
        });
        let may =
            self.nodes[heir].mood == Mood::Up && slots.clone().all(|slot| self.may_have(heir, slot, now));
        may.then_some(heir)
    }

    /// Lets the partner of a master take its place, with its moves of slots.
    pub(super) fn fail_over(&mut self, node: usize, heir: usize, now: Instant) {
        for master in self.now.masters.iter_mut().filter(|master| **master == node) {
            *master = heir;
        }
        for slot in 0..keys::SLOTS {
            let Move { from, to } = self.moves.get(&slot).copied().unwrap_or(Move { from: NODES, to: NODES });
            if self.now.owners[slot] == node || to == node {
                self.nodes[node].left.insert(slot, now);
            }
            if self.now.owners[slot] == node {
                self.now.owners[slot] = heir;
            }
            if from == node {
                self.moves.insert(slot, Move { from: heir, to });
            }
            if to == node {
                self.moves.insert(slot, Move { from, to: heir });
                self.nodes[from].migrating.insert(slot, heir);
            }
        }
        self.places.values_mut().filter(|place| **place == node).for_each(|place| *place = heir);
        let (migrating, importing) =
            (self.nodes[node].migrating.clone(), std::mem::take(&mut self.nodes[node].importing));
        self.nodes[heir].migrating = migrating;
        self.nodes[heir].importing = importing;
        self.now.epoch += 1;
        self.inform(heir);
        self.nodes[node].is_superseded = self.nodes[node].mood != Mood::Up;
        self.inform(node);
    }

    /// Brings a node back. As a replica, if another has taken its place.
    pub(super) fn bring_back(&mut self, node: usize) {
        self.nodes[node].mood = Mood::Up;
        self.nodes[node].is_superseded = false;
        self.inform(node);
    }

    // ---- views --------------------------------------------------------------------------------------------

    /// The cluster as a node describes it.
    pub(super) fn view(&self, node: usize) -> View {
        let at = &self.nodes[node];
        self.view_of(&at.known, !self.refuses_all(node), &[])
    }

    /// A view of the cluster, in which some nodes are left out.
    pub(super) fn view_of(&self, known: &Known, is_ok: bool, without: &[usize]) -> View {
        let mut ranges = Vec::new();
        for group in 0..MASTERS {
            let (first, last) = bounds(group);
            let mut next = first;
            for (slot, owner) in
                self.slots.iter().zip(&known.owners).filter(|(slot, _)| third(**slot) == group)
            {
                if next < *slot {
                    ranges.push((next, slot - 1, known.masters[group]));
                }
                ranges.push((*slot, *slot, *owner));
                next = slot + 1;
            }
            ranges.push((next, last, known.masters[group]));
        }
        let ranges =
            ranges.into_iter().filter(|(first, last, owner)| first <= last && !without.contains(owner));
        let ranges = ranges.map(|(first, last, owner)| {
            let nodes = [owner, (owner + MASTERS) % NODES];
            let nodes = nodes.into_iter().filter(|node| !without.contains(node));
            SlotRange { first, last, nodes: nodes.map(seen).collect() }
        });
        let slots = SlotView { ranges: ranges.collect(), ..SlotView::default() };
        View { host: "127.0.0.1".into(), info: Info { is_ok, epoch: known.epoch }, slots }
    }
}

/// An error that says that nothing was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declined {
    Moved(u16, usize),
    Ask(u16, usize),
    TryAgain,
    Down,
}

impl Declined {
    /// Its text.
    pub(super) fn text(self) -> String {
        match self {
            Declined::Moved(slot, node) => format!("MOVED {slot} 127.0.0.1:{}", FIRST_PORT + node),
            Declined::Ask(slot, node) => format!("ASK {slot} 127.0.0.1:{}", FIRST_PORT + node),
            Declined::TryAgain => "TRYAGAIN Multiple keys request during rehashing of slot".into(),
            Declined::Down => "CLUSTERDOWN The cluster is down".into(),
        }
    }
}

/// A step of a slot's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// This key has moved.
    Key {
        key: Vec<u8>,
        from: usize,
        to: usize,
    },
    /// Keys are still to be moved.
    More,
    /// Its target has it, and this node does not know yet.
    Moved {
        from: usize,
    },
    Over,
}

fn seen(node: usize) -> Seen {
    let port = (FIRST_PORT + node) as u16;
    Seen { host: Some("127.0.0.1".into()), port, id: format!("id{node}"), health: NodeHealth::Online }
}

/// The third of all slots that a slot is in.
fn third(slot: u16) -> usize {
    (0..MASTERS).find(|group| slot <= bounds(*group).1).unwrap_or(MASTERS - 1)
}

/// First and last slot of a third.
fn bounds(group: usize) -> (u16, u16) {
    const EACH: u16 = (ring::SLOTS / MASTERS) as u16;
    let first = group as u16 * EACH;
    let last = if group == MASTERS - 1 { (ring::SLOTS - 1) as u16 } else { first + EACH - 1 };
    (first, last)
}
