//! A master that Sentinels watch: what each of them says, and which address is believed.
//!
//! ```text
//! views of Sentinels ─┐
//! roles of its nodes ─┴▶ MasterWatch::decide ─▶ another address ─▶ crate::Settings::masters
//! ```
//! Views lie: a Sentinel that is cut off goes on naming the old master, which may be back and take writes
//! that will be lost. So an address is believed
//!
//! - if more than half of all Sentinels name it, in an epoch later than the one believed;
//! - if one Sentinel names it in a later epoch, it was a replica, and it says itself that it is a master: the
//!   Sentinel that has led a failover knows about a second before the others;
//! - if it was a replica and is a master now, while a Sentinel carries out a failover, or one counts the old
//!   master as down and nobody answers there as a master. That is before any Sentinel names it;
//! - in no later epoch only if more than half of all name it, it is a master, the one believed is not, and no
//!   Sentinel names that one in a later epoch.
//!
//! A node was a replica if more than half of all Sentinels have said so and it has said so itself, while the
//! address believed was the same: an old master that is back is listed as a replica before it is one. The
//! first address needs more than half of those that answer, all others having been asked.
//!
//! Pure: callers report what they hear, with its time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use net::Instant;

/// Host and port of a node.
pub type NodeAddress = (String, u16);

/// Most replicas of one master that are known.
const REPLICAS_MAX: usize = 256;
/// Most nodes asked for their role.
const ASKED_MAX: usize = 16;
/// Age up to which a role counts.
const ROLE_FRESH: Duration = Duration::from_secs(2);
/// Time that Sentinels have to name a master that was found before they did.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(3);
/// Time for which a doubt is looked into.
const DOUBT_LASTS: Duration = Duration::from_secs(3);

/// One Sentinel's view of a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterView {
    /// Address that it names.
    pub address: NodeAddress,
    /// Epoch of the configuration that it knows.
    pub epoch: u64,
    /// It does not reach the master (`s_down`).
    pub suspects: bool,
    /// It and enough others do not (`o_down`).
    pub is_down: bool,
    /// It carries out a failover.
    pub fails_over: bool,
    /// Replicas that it knows,
    pub replicas: Vec<NodeAddress>,
    /// and those of them that it reaches and that are connected to their master.
    pub fit: Vec<NodeAddress>,
}

/// Role of a node, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A master.
    Master,
    /// A replica, or something else that is no master.
    Other,
    /// It does not answer.
    Unreachable,
}

/// One master: views of it, and the address believed.
#[derive(Debug, Default)]
pub struct MasterWatch {
    believed: Option<Believed>,
    /// The address before, until more than half of all Sentinels name the one believed: they go on naming
    /// this one for a while, in whatever epoch. And the time until which they may name any other one.
    left: Option<(NodeAddress, Instant)>,
    /// The last view of each Sentinel that answers; None for one that was asked in vain.
    views: BTreeMap<String, Option<MasterView>>,
    roles: BTreeMap<NodeAddress, (Role, Instant)>,
    /// Nodes that Sentinels have had as replicas of the address believed,
    replicas: BTreeSet<NodeAddress>,
    /// and those of them that have said it themselves.
    seen: BTreeSet<NodeAddress>,
    doubted: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Believed {
    address: NodeAddress,
    epoch: u64,
}

/// An address that Sentinels name, with the epoch of each, latest first.
struct Named {
    address: NodeAddress,
    epochs: Vec<u64>,
}

impl Named {
    fn new(address: &NodeAddress, mut epochs: Vec<u64>) -> Named {
        epochs.sort_unstable_by(|a, b| b.cmp(a));
        Named { address: address.clone(), epochs }
    }

    fn latest(&self) -> u64 {
        self.epochs.first().copied().unwrap_or(0)
    }

    fn at(&self, epoch: u64) -> Believed {
        Believed { address: self.address.clone(), epoch }
    }

    /// The address in the latest epoch that more than half of so many Sentinels have reached.
    fn agreed(&self, sentinels: usize) -> Option<Believed> {
        self.epochs.get(sentinels / 2).map(|epoch| self.at(*epoch))
    }
}

impl MasterWatch {
    /// The address believed; None before the first.
    pub fn address(&self) -> Option<&NodeAddress> {
        self.believed.as_ref().map(|believed| &believed.address)
    }

    /// Replicas that reads may go to: of the Sentinels that name the address believed, more than half say
    /// that they work.
    pub fn readable(&self) -> Vec<NodeAddress> {
        let Some(known) = self.address() else { return Vec::new() };
        let views: Vec<&MasterView> =
            self.views.values().flatten().filter(|view| view.address == *known).collect();
        let mut votes: BTreeMap<&NodeAddress, usize> = BTreeMap::new();
        for view in &views {
            let fit: BTreeSet<&NodeAddress> = view.fit.iter().filter(|fit| *fit != known).collect();
            fit.into_iter().for_each(|address| *votes.entry(address).or_default() += 1);
        }
        let found = votes.into_iter().filter(|(_, votes)| votes * 2 > views.len());
        found.map(|(address, _)| address.clone()).take(REPLICAS_MAX).collect()
    }

    /// Each Sentinel that was asked, with the address that it names; None if it names none.
    pub fn names_by_sentinel(&self) -> impl Iterator<Item = (&str, Option<&NodeAddress>)> {
        self.views.iter().map(|(sentinel, view)| (sentinel.as_str(), view.as_ref().map(|view| &view.address)))
    }

    /// Number of Sentinels that answer for it.
    pub fn sentinels(&self) -> usize {
        self.views.values().flatten().count()
    }

    /// Notes the view of a Sentinel; None if it was asked in vain.
    pub fn hear(&mut self, sentinel: &str, view: Option<MasterView>) {
        self.views.insert(sentinel.to_owned(), view);
    }

    /// Forgets Sentinels that are not asked any more.
    pub fn keep(&mut self, is_asked: impl Fn(&str) -> bool) {
        self.views.retain(|sentinel, _| is_asked(sentinel));
    }

    /// Notes the role of a node.
    pub fn role(&mut self, node: &NodeAddress, role: Role, now: Instant) {
        self.roles.retain(|_, (_, at)| now.since(*at) < ROLE_FRESH);
        self.roles.insert(node.clone(), (role, now));
        if role == Role::Other && self.replicas.contains(node) {
            self.seen.insert(node.clone());
        }
    }

    /// Notes a doubt: a connection to it failed, it declined a write, a Sentinel reports an event.
    pub fn doubt(&mut self, now: Instant) {
        self.doubted = Some(now);
    }

    /// True while Sentinels and nodes are to be asked often.
    pub fn is_in_doubt(&self, now: Instant) -> bool {
        let differs = |view: &MasterView| Some(&view.address) != self.address();
        let troubled = |view: &MasterView| view.suspects || view.is_down || view.fails_over || differs(view);
        self.believed.is_none()
            || self.doubted.is_some_and(|at| now.since(at) < DOUBT_LASTS)
            || self.views.values().flatten().any(troubled)
    }

    /// Nodes whose role is to be asked for while it is in doubt.
    pub fn asked(&self) -> Vec<NodeAddress> {
        let named = self.views.values().flatten().map(|view| &view.address);
        let mut seen = BTreeSet::new();
        let all = self.address().into_iter().chain(named).chain(&self.replicas);
        all.filter(|address| seen.insert(*address)).take(ASKED_MAX).cloned().collect()
    }

    /// Decides on the address. `sentinels` is how many there are, whether they answer or not. Returns the
    /// address if it is another one than before.
    pub fn decide(&mut self, sentinels: usize, now: Instant) -> Option<NodeAddress> {
        self.note_replicas(sentinels);
        self.follow_epoch(sentinels);
        let next = match &self.believed {
            None => self.first(sentinels, now),
            Some(known) => self.successor(known, sentinels, now).or_else(|| self.promoted(known, now)),
        };
        let address = next.as_ref()?.address.clone();
        let before = std::mem::replace(&mut self.believed, next);
        self.left = before.map(|before| (before.address, now + CONFIRMED_WITHIN));
        self.replicas.clear();
        self.seen.clear();
        Some(address)
    }

    /// Notes the replicas that more than half of all Sentinels name.
    fn note_replicas(&mut self, sentinels: usize) {
        let Some(known) = &self.believed else { return };
        let mut votes: BTreeMap<&NodeAddress, usize> = BTreeMap::new();
        for view in self.views.values().flatten().filter(|view| view.address == known.address) {
            let named: BTreeSet<&NodeAddress> = view.replicas.iter().collect();
            named.into_iter().for_each(|address| *votes.entry(address).or_default() += 1);
        }
        let found = votes.into_iter().filter(|(_, votes)| votes * 2 > sentinels);
        self.replicas.extend(found.map(|(address, _)| address.clone()).take(REPLICAS_MAX));
        while self.replicas.len() > REPLICAS_MAX {
            self.replicas.pop_last();
        }
    }

    /// Addresses that Sentinels name, the latest epoch first.
    fn named(&self) -> Vec<Named> {
        let mut named: BTreeMap<&NodeAddress, Vec<u64>> = BTreeMap::new();
        for view in self.views.values().flatten() {
            named.entry(&view.address).or_default().push(view.epoch);
        }
        let mut named: Vec<Named> =
            named.into_iter().map(|(address, epochs)| Named::new(address, epochs)).collect();
        named.sort_by_key(|one| std::cmp::Reverse((one.latest(), one.epochs.len())));
        named
    }

    fn first(&self, sentinels: usize, now: Instant) -> Option<Believed> {
        let is_all = self.views.len() >= sentinels;
        let most = if is_all { self.sentinels() } else { sentinels };
        let named = self.named();
        let agreed = named.iter().find_map(|one| one.agreed(most));
        // Of two halves the later one, if it is a master.
        let is_master = |one: &&Named| self.is(&one.address, Role::Master, now);
        let later = || named.iter().find(is_master).map(|one| one.at(one.latest()));
        agreed.or_else(|| is_all.then(later).flatten())
    }

    fn successor(&self, known: &Believed, sentinels: usize, now: Instant) -> Option<Believed> {
        if self.left.as_ref().is_some_and(|(_, until)| now < *until)
            && self.is(&known.address, Role::Master, now)
        {
            return None;
        }
        let was_left = |one: &Named| self.left.as_ref().is_some_and(|(left, _)| *left == one.address);
        let named = self.named();
        let its = named.iter().find(|one| one.address == known.address).map_or(0, Named::latest);
        let of_one = |one: &Named| {
            let is_master = self.is(&one.address, Role::Master, now);
            let agreed = one.agreed(sentinels);
            let is_later = |agreed: &&Believed| agreed.epoch > known.epoch && !was_left(one);
            if let Some(later) = agreed.as_ref().filter(is_later) {
                Some(later.clone())
            } else if one.latest() > known.epoch && is_master && self.seen.contains(&one.address) {
                // What one says about the epoch need not be true.
                Some(one.at(known.epoch + 1))
            } else {
                let replaces = is_master && self.is_no_master(&known.address, now);
                agreed.filter(|agreed| replaces && agreed.epoch >= its)
            }
        };
        named.iter().filter(|one| one.address != known.address).find_map(of_one)
    }

    /// The replica that was promoted while no Sentinel names it yet; None if there are two.
    fn promoted(&self, known: &Believed, now: Instant) -> Option<Believed> {
        let views = || self.views.values().flatten().filter(|view| view.epoch >= known.epoch);
        let fails_over = views().any(|view| view.fails_over);
        let is_down = views().any(|view| view.is_down) && self.is_no_master(&known.address, now);
        if !fails_over && !is_down {
            return None;
        }
        let mut masters = self.seen.iter().filter(|replica| self.is(replica, Role::Master, now));
        let found = masters.next().filter(|found| **found != known.address)?;
        masters.next().is_none().then(|| Believed { address: found.clone(), epoch: known.epoch })
    }

    /// Takes over the epoch in which the address believed is named, also an earlier one, after the Sentinels
    /// were set up again.
    fn follow_epoch(&mut self, sentinels: usize) {
        let named = self.named();
        let Some(known) = &mut self.believed else { return };
        let its = named.iter().find(|one| one.address == known.address);
        if let Some(agreed) = its.and_then(|one| one.agreed(sentinels))
            && (agreed.epoch > known.epoch || named.len() == 1)
        {
            known.epoch = agreed.epoch;
        }
        if its.is_some_and(|one| one.agreed(sentinels).is_some()) {
            self.left = None;
        }
    }

    fn is(&self, node: &NodeAddress, role: Role, now: Instant) -> bool {
        let said = self.roles.get(node).filter(|(_, at)| now.since(*at) < ROLE_FRESH);
        said.is_some_and(|(said, _)| *said == role)
    }

    fn is_no_master(&self, node: &NodeAddress, now: Instant) -> bool {
        self.is(node, Role::Other, now) || self.is(node, Role::Unreachable, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> NodeAddress {
        ("h".into(), port)
    }

    fn view(port: u16, epoch: u64) -> MasterView {
        let replicas = vec![address(2), address(3)];
        let (suspects, is_down, fails_over) = (false, false, false);
        let fit = replicas.clone();
        MasterView { address: address(port), epoch, suspects, is_down, fails_over, replicas, fit }
    }

    fn failing(port: u16, epoch: u64, is_down: bool, fails_over: bool) -> MasterView {
        MasterView { is_down, fails_over, ..view(port, epoch) }
    }

    const NOW: Instant = Instant(10_000_000);

    /// A master at port 1 that three Sentinels agree on, in epoch 5.
    fn agreed() -> MasterWatch {
        let mut watch = MasterWatch::default();
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(1, 5)));
        }
        assert_eq!(watch.decide(3, NOW), Some(address(1)));
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(1, 5)));
        }
        assert_eq!(watch.decide(3, NOW), None);
        assert!(!watch.is_in_doubt(NOW));
        watch.role(&address(2), Role::Other, NOW);
        watch.role(&address(3), Role::Other, NOW);
        watch
    }

    #[test]
    fn replicas_are_read_from_while_most_sentinels_say_that_they_work() {
        let mut watch = agreed();
        assert_eq!(watch.readable(), [address(2), address(3)]);
        let without = |port: u16| MasterView { fit: vec![address(port), address(1)], ..view(1, 5) };
        watch.hear("a", Some(without(3)));
        assert_eq!(watch.readable(), [address(2), address(3)], "one of three does not reach it");
        watch.hear("b", Some(without(3)));
        assert_eq!(watch.readable(), [address(3)], "and never the master");
        watch.hear("a", None);
        watch.hear("b", None);
        assert_eq!(watch.readable(), [address(2), address(3)], "the only one that answers");
        watch.hear("c", Some(view(9, 4)));
        assert_eq!(watch.readable(), [], "it speaks of another master");
    }

    #[test]
    fn the_first_address_waits_until_most_agree_or_all_were_asked() {
        let mut watch = MasterWatch::default();
        watch.hear("stale", Some(view(1, 5)));
        assert_eq!(watch.decide(3, NOW), None, "two have not answered");
        watch.hear("b", Some(view(2, 6)));
        assert_eq!(watch.decide(3, NOW), None);
        watch.hear("c", None);
        assert_eq!(watch.decide(3, NOW), None, "one against one");
        watch.role(&address(2), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
        let mut watch = MasterWatch::default();
        watch.hear("a", Some(view(1, 5)));
        watch.hear("b", None);
        watch.hear("c", None);
        assert_eq!(watch.decide(3, NOW), Some(address(1)), "the only one that answers");
    }

    #[test]
    fn a_later_epoch_wins_with_a_majority_or_with_the_nodes_own_word() {
        let mut watch = agreed();
        watch.hear("a", Some(view(2, 6)));
        assert_eq!(watch.decide(3, NOW), None, "one of three");
        assert!(watch.is_in_doubt(NOW));
        watch.role(&address(2), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
        assert_eq!(watch.decide(3, NOW), None, "the two others are late");

        let mut watch = agreed();
        watch.hear("a", Some(view(9, 99)));
        watch.role(&address(9), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), None, "a stranger, named by one");
        watch.hear("b", Some(view(9, 99)));
        assert_eq!(watch.decide(3, NOW), Some(address(9)));
    }

    #[test]
    fn an_earlier_epoch_wins_only_against_a_master_that_is_none() {
        let mut watch = agreed();
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(2, 5)));
        }
        watch.role(&address(2), Role::Master, NOW);
        watch.role(&address(1), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), None);
        watch.role(&address(1), Role::Other, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
    }

    #[test]
    fn a_promoted_replica_is_found_before_a_sentinel_names_it() {
        let mut watch = agreed();
        watch.role(&address(3), Role::Master, NOW);
        watch.role(&address(1), Role::Unreachable, NOW);
        assert_eq!(watch.decide(3, NOW), None, "no Sentinel says that the master is down");
        watch.hear("a", Some(failing(1, 5, true, false)));
        assert_eq!(watch.decide(3, NOW), Some(address(3)));
        // They all name the old one for another second, where nobody answers, or a false master does.
        assert_eq!(watch.decide(3, NOW), None);
        watch.role(&address(1), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), None);
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(3, 6)));
        }
        assert_eq!(watch.decide(3, NOW), None);
        assert_eq!(watch.believed, Some(Believed { address: address(3), epoch: 6 }));

        // A planned failover: the old master is still one.
        let mut watch = agreed();
        watch.role(&address(1), Role::Master, NOW);
        watch.role(&address(2), Role::Other, NOW);
        watch.hear("a", Some(failing(1, 5, false, true)));
        assert_eq!(watch.decide(3, NOW), None);
        watch.role(&address(2), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
    }

    #[test]
    fn an_old_master_that_is_back_is_no_replica_before_it_says_so() {
        let mut watch = agreed();
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(2, 6)));
        }
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
        let back = || MasterView { replicas: vec![address(1), address(3)], ..view(2, 6) };
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(back()));
        }
        assert_eq!(watch.decide(3, NOW), None);
        // One that lies, and the master out of reach for a moment.
        let lie = MasterView { address: address(1), epoch: 7, is_down: true, ..back() };
        watch.hear("a", Some(lie));
        watch.role(&address(1), Role::Master, NOW);
        watch.role(&address(2), Role::Unreachable, NOW);
        assert_eq!(watch.decide(3, NOW), None);
        watch.role(&address(1), Role::Other, NOW);
        watch.role(&address(1), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(1)), "it was a replica, and was promoted");
    }

    #[test]
    fn an_old_role_counts_for_nothing() {
        let mut watch = agreed();
        watch.role(&address(2), Role::Master, NOW);
        watch.hear("a", Some(view(2, 6)));
        assert_eq!(watch.decide(3, NOW + ROLE_FRESH), None);
    }

    #[test]
    fn sentinels_that_were_set_up_again_are_followed() {
        let mut watch = agreed();
        for sentinel in ["a", "b", "c"] {
            watch.hear(sentinel, Some(view(1, 0)));
        }
        assert_eq!(watch.decide(3, NOW), None);
        watch.hear("a", Some(view(2, 1)));
        watch.role(&address(2), Role::Master, NOW);
        assert_eq!(watch.decide(3, NOW), Some(address(2)));
    }
}
