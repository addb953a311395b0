//! A discovered topology: which node of a cluster has which slots, as far as it is believed.
//!
//! ```text
//! nodes' views ─▶ SlotMap::believe ─▶ Arc<SlotMap> ─▶ crate::Settings ─▶ the next generation
//! ```
//! Views lie: a master that is cut off from the others goes on naming itself the owner of its slots. So a
//! view counts only if its node believes that the cluster works; the view with the latest epoch wins, never
//! one that is older than what is known; slots that it does not cover keep their owners; and a view without
//! any known node is of another cluster.

use std::collections::{BTreeMap, BTreeSet};

use config::checked::{Server, Target};
use ring::SLOTS;
use wire::redis::cluster::{Info, Node, SlotRange};
use wire::url::host_port;

/// Owner of a slot that nobody serves.
pub const NOBODY: u16 = u16::MAX;

/// Most nodes of a cluster, replicas included.
const NODES_MAX: usize = 4_096;

/// The view of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Host that was asked, which stands for nodes that name none.
    pub host: String,
    /// State of the cluster, as the node sees it.
    pub info: Info,
    /// Slots, as it sees them.
    pub ranges: Vec<SlotRange>,
}

/// The nodes of a cluster and the owner of each slot. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    /// Epoch of the view it was made from.
    pub epoch: u64,
    /// All nodes, replicas included, by address.
    pub servers: Vec<Server>,
    /// Index in `servers` of each slot's owner, or [`NOBODY`].
    pub owners: Vec<u16>,
    /// Replicas of each owner, as indices in `servers`.
    pub replicas: BTreeMap<u16, Vec<u16>>,
    /// Ids of the nodes.
    pub ids: BTreeSet<String>,
}

/// The reason no view was believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disbelief {
    /// No node could be asked, or none answered about a cluster.
    NoView,
    /// Every node that answered says that the cluster is down.
    Down,
    /// The views are older than what is known.
    Stale,
    /// The views have no node in common with what is known.
    Stranger,
}

impl SlotMap {
    /// Chooses among views of nodes and makes a map from one, given the map that is known so far.
    ///
    /// # Errors
    /// None is to be believed.
    pub fn believe(known: Option<&SlotMap>, views: &[View]) -> Result<SlotMap, Disbelief> {
        let mut disbelief = Disbelief::NoView;
        let mut best: Option<&View> = None;
        for view in views.iter().filter(|view| !view.ranges.is_empty()) {
            let fault = match known {
                _ if !view.info.is_ok => Disbelief::Down,
                Some(known) if !known.shares_a_node(view) => Disbelief::Stranger,
                Some(known) if view.info.epoch < known.epoch => Disbelief::Stale,
                _ => {
                    let rank = |view: &View| (view.info.epoch, agreeing(view, views));
                    best = Some(best.filter(|best| rank(best) >= rank(view)).unwrap_or(view));
                    continue;
                }
            };
            disbelief = fault;
        }
        Ok(SlotMap::of(best.ok_or(disbelief)?, known))
    }

    /// Number of slots that have an owner.
    pub fn slots_served(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    fn shares_a_node(&self, view: &View) -> bool {
        let mut ids = nodes(view).map(|(node, _)| &node.id);
        // Nodes without ids cannot be told apart.
        self.ids.iter().all(String::is_empty) || ids.any(|id| !id.is_empty() && self.ids.contains(id))
    }

    fn of(view: &View, known: Option<&SlotMap>) -> SlotMap {
        let mut found: BTreeMap<(String, u16), u16> = BTreeMap::new();
        let addresses = nodes(view).filter_map(|(node, view)| address(node, view)).take(NODES_MAX);
        found.extend(addresses.map(|address| (address, 0)));
        // Owners of slots that the view does not cover stay.
        let covered = covered(view);
        let kept = known.map(|known| {
            let of_slot = |(slot, owner): (usize, &u16)| {
                let server = known.servers.get(usize::from(*owner)).filter(|_| !covered[slot])?;
                Some((slot, address_of(server)?))
            };
            known.owners.iter().enumerate().filter_map(of_slot).collect::<Vec<_>>()
        });
        let kept = kept.unwrap_or_default();
        found.extend(kept.iter().map(|(_, address)| (address.clone(), 0)));
        (0..).zip(found.values_mut()).for_each(|(at, index)| *index = at);
        let mut owners = vec![NOBODY; SLOTS];
        for (slot, address) in kept {
            owners[slot] = found[&address];
        }
        let mut replicas: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
        for range in &view.ranges {
            let mut indices = range
                .nodes
                .iter()
                .map(|node| address(node, view).and_then(|address| found.get(&address).copied()));
            let owner = indices.next().flatten().unwrap_or(NOBODY);
            owners[usize::from(range.first)..=usize::from(range.last)].fill(owner);
            if owner != NOBODY {
                let of_owner = replicas.entry(owner).or_default();
                of_owner.extend(indices.flatten().filter(|index| *index != owner));
                of_owner.sort_unstable();
                of_owner.dedup();
            }
        }
        let ids = nodes(view).map(|(node, _)| node.id.clone()).collect();
        let servers = found.into_keys().map(server).collect();
        SlotMap { epoch: view.info.epoch, servers, owners, replicas, ids }
    }
}

fn nodes(view: &View) -> impl Iterator<Item = (&Node, &View)> {
    view.ranges.iter().flat_map(|range| &range.nodes).map(move |node| (node, view))
}

fn covered(view: &View) -> Vec<bool> {
    let mut covered = vec![false; SLOTS];
    for range in &view.ranges {
        covered[usize::from(range.first)..=usize::from(range.last)].fill(true);
    }
    covered
}

/// Number of views that say the same about the slots.
fn agreeing(view: &View, views: &[View]) -> usize {
    views.iter().filter(|other| other.info.is_ok && other.ranges == view.ranges).count()
}

fn address(node: &Node, view: &View) -> Option<(String, u16)> {
    let host = node.host.as_ref()?;
    Some((if host.is_empty() { view.host.clone() } else { host.clone() }, node.port))
}

fn address_of(server: &Server) -> Option<(String, u16)> {
    match &server.target {
        Target::Tcp { host, port } => Some((host.clone(), *port)),
        Target::Unix(_) | Target::Local | Target::Master => None,
    }
}

fn server((host, port): (String, u16)) -> Server {
    let identity = host_port(&host, port);
    Server { identity, target: Target::Tcp { host, port }, weight: 1, password: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        Node { host: Some(name.into()), port: 1, id: format!("id-{name}") }
    }

    fn view(is_ok: bool, epoch: u64, ranges: &[(u16, u16, &[&str])]) -> View {
        let range = |(first, last, nodes): &(u16, u16, &[&str])| SlotRange {
            first: *first,
            last: *last,
            nodes: nodes.iter().map(|name| node(name)).collect(),
        };
        let ranges = ranges.iter().map(range).collect();
        View { host: "asked".into(), info: Info { is_ok, epoch }, ranges }
    }

    fn owner(map: &SlotMap, slot: usize) -> &str {
        map.servers.get(usize::from(map.owners[slot])).map_or("", |server| &server.identity)
    }

    #[test]
    fn the_latest_view_of_a_working_cluster_is_believed() {
        let old = view(true, 6, &[(0, 9, &["a", "c"]), (10, 16383, &["b"])]);
        let new = view(true, 7, &[(0, 9, &["c"]), (10, 16383, &["b"])]);
        let map = SlotMap::believe(None, &[old.clone(), new.clone(), old.clone()]).expect("a map");
        assert_eq!((map.epoch, owner(&map, 9), owner(&map, 10)), (7, "c:1", "b:1"));
        assert_eq!(map.slots_served(), SLOTS);
        // The old view comes later, from a node that has not heard of it.
        assert_eq!(SlotMap::believe(Some(&map), std::slice::from_ref(&old)), Err(Disbelief::Stale));
        // A master that is cut off: its epoch is late, and the cluster is down for it.
        let cut_off = View { info: Info { is_ok: false, epoch: 9 }, ..old };
        assert_eq!(SlotMap::believe(Some(&map), std::slice::from_ref(&cut_off)), Err(Disbelief::Down));
        assert_eq!(SlotMap::believe(Some(&map), &[cut_off, new]), Ok(map));
        assert_eq!(SlotMap::believe(None, &[]), Err(Disbelief::NoView));
    }

    #[test]
    fn of_two_views_of_one_epoch_the_majority_is_believed() {
        let (one, other) = (view(true, 7, &[(0, 16383, &["a"])]), view(true, 7, &[(0, 16383, &["b"])]));
        for views in [[one.clone(), other.clone(), other.clone()], [other.clone(), one, other]] {
            assert_eq!(owner(&SlotMap::believe(None, &views).expect("a map"), 0), "b:1");
        }
    }

    #[test]
    fn another_cluster_at_a_known_address_is_no_view_of_this_one() {
        let known = SlotMap::believe(None, &[view(true, 6, &[(0, 16383, &["a", "b"])])]).expect("a map");
        let stranger = view(true, 99, &[(0, 16383, &["x"])]);
        assert_eq!(SlotMap::believe(Some(&known), &[stranger]), Err(Disbelief::Stranger));
        // All addresses may change at once: ids stay.
        let mut moved = view(true, 6, &[(0, 16383, &["a", "b"])]);
        moved.ranges[0].nodes.iter_mut().for_each(|node| node.host = Some("new".into()));
        moved.ranges[0].nodes[1].port = 2;
        let map = SlotMap::believe(Some(&known), &[moved]).expect("a map");
        assert_eq!((map.servers.len(), owner(&map, 0)), (2, "new:1"));
    }

    #[test]
    fn slots_that_a_view_does_not_cover_keep_their_owners() {
        let known =
            SlotMap::believe(None, &[view(true, 6, &[(0, 9, &["a"]), (10, 99, &["b"])])]).expect("a map");
        let map = SlotMap::believe(Some(&known), &[view(true, 7, &[(0, 9, &["c", "a"])])]).expect("a map");
        assert_eq!((owner(&map, 0), owner(&map, 10), owner(&map, 100)), ("c:1", "b:1", ""));
        let replicas = |master: &str, map: &SlotMap| {
            let index = map.servers.iter().position(|server| server.identity == master).expect("a server");
            let replicas = map.replicas.get(&(index as u16)).into_iter().flatten();
            replicas.map(|index| map.servers[usize::from(*index)].identity.clone()).collect::<Vec<_>>()
        };
        assert_eq!((replicas("c:1", &map), replicas("b:1", &map)), (vec!["a:1".to_owned()], vec![]));
    }

    #[test]
    fn hosts_that_a_node_does_not_name() {
        let mut view = view(true, 6, &[(0, 9, &["a"]), (10, 19, &["b"])]);
        view.ranges[0].nodes[0].host = Some(String::new());
        view.ranges[1].nodes[0].host = None;
        let map = SlotMap::believe(None, &[view]).expect("a map");
        assert_eq!((owner(&map, 0), owner(&map, 10)), ("asked:1", ""));
    }
}
