//! A discovered topology: which node of a cluster has which slots, as far as it is believed.
//!
//! ```text
//! nodes' views ─▶ SlotMap::believe ─▶ Arc<SlotMap> ─▶ crate::Settings ─▶ the next generation
//! ```
//! Views lie: a master that is cut off from the others goes on naming itself the owner of its slots. So a
//! view counts only if its node believes that the cluster works; the view with the latest epoch wins, never
//! one that is older than what is known; slots that it does not cover keep their owners; and a view without
//! any known node is of another cluster. A view with more than [`NODES_MAX`] nodes is refused as a whole:
//! cut, it would send some slots nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use config::checked::{Server, Target};
use ring::SLOTS;
use wire::redis::cluster::{Info, Node, NodeHealth, SlotRange, SlotView};
use wire::url::host_port;

/// Owner of a slot that nobody serves.
pub const NOBODY: u16 = u16::MAX;

/// Most nodes of a cluster, replicas included.
pub const NODES_MAX: usize = 4_096;

/// The view of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Host that was asked, which stands for nodes that name none.
    pub host: String,
    /// State of the cluster, as the node sees it.
    pub info: Info,
    /// Slots and nodes, as it sees them.
    pub slots: SlotView,
}

/// The nodes of a cluster and the owner of each slot. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    /// Epoch of the view it was made from.
    pub epoch: u64,
    /// All nodes that serve or could serve at once, by address: masters, with slots or without, and
    /// replicas.
    pub servers: Vec<Server>,
    /// Index in `servers` of each slot's owner, or [`NOBODY`].
    pub owners: Vec<u16>,
    /// Replicas of each owner, as indices in `servers`.
    pub replicas: BTreeMap<u16, Vec<u16>>,
    /// Ids of the nodes.
    pub ids: BTreeSet<String>,
    /// Nodes that have failed or are loading, by address. Replicas among them are no servers here.
    pub unfit: BTreeMap<String, NodeHealth>,
    /// Nodes and ranges of the view that could not be used: they have no address, or could not be read.
    pub left_out: usize,
}

/// A node of a cluster, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its address.
    pub name: &'a str,
    /// Ranges of the slots that it has: the first and the last of each.
    pub ranges: Vec<(u16, u16)>,
    /// Its master, if it is a replica that serves.
    pub master: Option<&'a str>,
    /// Its health.
    pub health: NodeHealth,
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
    /// The views have more than [`NODES_MAX`] nodes.
    TooLarge,
}

impl Disbelief {
    /// All reasons.
    pub(crate) const ALL: [Disbelief; 5] =
        [Disbelief::NoView, Disbelief::Down, Disbelief::Stale, Disbelief::Stranger, Disbelief::TooLarge];
}

impl fmt::Display for Disbelief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disbelief::NoView => "no node answers",
            Disbelief::Down => "the nodes say that the cluster is down",
            Disbelief::Stale => "the nodes are behind",
            Disbelief::Stranger => "none of its nodes is known: this is another cluster",
            Disbelief::TooLarge => {
                "the cluster is too large: more than 4096 nodes, or too many ranges of slots"
            }
        })
    }
}

impl SlotMap {
    /// Chooses among views of nodes and makes a map from one, given the map that is known so far.
    ///
    /// # Errors
    /// None is to be believed.
    pub fn believe(known: Option<&SlotMap>, views: &[View]) -> Result<SlotMap, Disbelief> {
        let mut disbelief = Disbelief::NoView;
        let mut best: Option<&View> = None;
        for view in views.iter().filter(|view| !view.slots.ranges.is_empty()) {
            let fault = match known {
                _ if !view.info.is_ok => Disbelief::Down,
                Some(known) if !known.shares_a_node(view) => Disbelief::Stranger,
                Some(known) if view.info.epoch < known.epoch => Disbelief::Stale,
                _ if addresses(view).len() > NODES_MAX => Disbelief::TooLarge,
                _ => {
                    let rank = |view: &View| (view.info.epoch, agreeing(view, views));
                    best = Some(best.filter(|best| rank(best) >= rank(view)).unwrap_or(view));
                    continue;
                }
            };
            disbelief = fault;
        }
        SlotMap::of(best.ok_or(disbelief)?, known)
    }

    /// The nodes: those that serve or could, by address, then the others.
    pub fn members(&self) -> Vec<Member<'_>> {
        let mut ranges = self.ranges();
        let masters: BTreeMap<u16, u16> = self
            .replicas
            .iter()
            .flat_map(|(master, replicas)| replicas.iter().map(|replica| (*replica, *master)))
            .collect();
        let name = |index: u16| self.servers.get(usize::from(index)).map(|server| server.identity.as_str());
        let members = (0..).zip(&self.servers).map(|(index, server)| Member {
            name: &server.identity,
            ranges: ranges.remove(&index).unwrap_or_default(),
            master: masters.get(&index).and_then(|master| name(*master)),
            health: self.unfit.get(&server.identity).copied().unwrap_or_default(),
        });
        let known: BTreeSet<&str> = self.servers.iter().map(|server| server.identity.as_str()).collect();
        let unfit = self.unfit.iter().filter(|(name, _)| !known.contains(name.as_str()));
        let unfit =
            unfit.map(|(name, health)| Member { name, ranges: Vec::new(), master: None, health: *health });
        members.chain(unfit).collect()
    }

    /// Ranges of slots by the index of their owner.
    fn ranges(&self) -> BTreeMap<u16, Vec<(u16, u16)>> {
        let mut ranges: BTreeMap<u16, Vec<(u16, u16)>> = BTreeMap::new();
        for (slot, owner) in (0..).zip(&self.owners).filter(|(_, owner)| **owner != NOBODY) {
            let of_owner = ranges.entry(*owner).or_default();
            match of_owner.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => of_owner.push((slot, slot)),
            }
        }
        ranges
    }

    /// Number of masters that have slots.
    pub fn masters(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).collect::<BTreeSet<_>>().len()
    }

    /// Number of slots that have an owner.
    pub fn slots_served(&self) -> usize {
        self.owners.iter().filter(|owner| **owner != NOBODY).count()
    }

    fn shares_a_node(&self, view: &View) -> bool {
        let mut ids = nodes(view).map(|node| &node.id);
        // Nodes without ids cannot be told apart.
        self.ids.iter().all(String::is_empty) || ids.any(|id| !id.is_empty() && self.ids.contains(id))
    }

    fn of(view: &View, known: Option<&SlotMap>) -> Result<SlotMap, Disbelief> {
        let mut found: BTreeMap<(String, u16), u16> =
            addresses(view).into_iter().map(|address| (address, 0)).collect();
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
        if found.len() > NODES_MAX {
            return Err(Disbelief::TooLarge);
        }
        (0..).zip(found.values_mut()).for_each(|(at, index)| *index = at);
        let mut owners = vec![NOBODY; SLOTS];
        for (slot, address) in kept {
            owners[slot] = found[&address];
        }
        let mut replicas: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
        for range in &view.slots.ranges {
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
        let ids = nodes(view).map(|node| node.id.clone()).collect();
        let servers = found.into_keys().map(server).collect();
        let (unfit, left_out) = (unfit(view), view.slots.left_out + unaddressed(view));
        Ok(SlotMap { epoch: view.info.epoch, servers, owners, replicas, ids, unfit, left_out })
    }
}

/// The nodes of a view, those of several ranges several times.
fn nodes(view: &View) -> impl Iterator<Item = &Node> {
    view.slots.ranges.iter().flat_map(|range| &range.nodes).chain(&view.slots.idle)
}

/// Addresses of the nodes that serve or could: of the idle ones, those that are online.
fn addresses(view: &View) -> BTreeSet<(String, u16)> {
    let serving = view.slots.ranges.iter().flat_map(|range| &range.nodes);
    let idle = view.slots.idle.iter().filter(|node| node.health == NodeHealth::Online);
    serving.chain(idle).filter_map(|node| address(node, view)).collect()
}

/// Nodes that are not online, by address.
fn unfit(view: &View) -> BTreeMap<String, NodeHealth> {
    let unfit = nodes(view).filter(|node| node.health != NodeHealth::Online);
    let named = unfit.filter_map(|node| address(node, view).map(|(host, port)| (host, port, node.health)));
    named.map(|(host, port, health)| (host_port(&host, port), health)).take(NODES_MAX).collect()
}

/// Number of nodes whose address the view does not say.
fn unaddressed(view: &View) -> usize {
    let unknown = nodes(view).filter(|node| node.host.is_none());
    unknown.map(|node| (&node.id, node.port)).collect::<BTreeSet<_>>().len()
}

fn covered(view: &View) -> Vec<bool> {
    let mut covered = vec![false; SLOTS];
    for range in &view.slots.ranges {
        covered[usize::from(range.first)..=usize::from(range.last)].fill(true);
    }
    covered
}

/// Number of views that say the same about the owners of slots.
fn agreeing(view: &View, views: &[View]) -> usize {
    fn owners(view: &View) -> impl Iterator<Item = (u16, u16, Option<(&str, u16)>)> {
        view.slots.ranges.iter().map(|SlotRange { first, last, nodes }| {
            (*first, *last, nodes.first().map(|node| (node.id.as_str(), node.port)))
        })
    }
    views.iter().filter(|other| other.info.is_ok && owners(other).eq(owners(view))).count()
}

fn address(node: &Node, view: &View) -> Option<(String, u16)> {
    let host = node.host.as_ref()?;
    Some((if host.is_empty() { view.host.clone() } else { host.clone() }, node.port))
}

pub(crate) fn address_of(server: &Server) -> Option<(String, u16)> {
    match &server.target {
        Target::Tcp { host, port } => Some((host.clone(), *port)),
        Target::Unix(_) | Target::Local | Target::Master => None,
    }
}

pub(crate) fn server((host, port): (String, u16)) -> Server {
    let identity = host_port(&host, port);
    Server { identity, target: Target::Tcp { host, port }, weight: 1, password: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> Node {
        let health = NodeHealth::Online;
        Node { host: Some(name.into()), port: 1, id: format!("id-{name}"), health }
    }

    fn view(is_ok: bool, epoch: u64, ranges: &[(u16, u16, &[&str])]) -> View {
        let range = |(first, last, nodes): &(u16, u16, &[&str])| SlotRange {
            first: *first,
            last: *last,
            nodes: nodes.iter().map(|name| node(name)).collect(),
        };
        let slots = SlotView { ranges: ranges.iter().map(range).collect(), ..SlotView::default() };
        View { host: "asked".into(), info: Info { is_ok, epoch }, slots }
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
        moved.slots.ranges[0].nodes.iter_mut().for_each(|node| node.host = Some("new".into()));
        moved.slots.ranges[0].nodes[1].port = 2;
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
        view.slots.ranges[0].nodes[0].host = Some(String::new());
        view.slots.ranges[1].nodes[0].host = None;
        let map = SlotMap::believe(None, &[view]).expect("a map");
        assert_eq!((owner(&map, 0), owner(&map, 10), map.left_out), ("asked:1", "", 1));
    }

    #[test]
    fn nodes_that_serve_nothing_now() {
        let mut view = view(true, 6, &[(0, 16383, &["m", "r"])]);
        let (mut failed, mut loading) = (node("f"), node("l"));
        (failed.health, loading.health) = (NodeHealth::Failed, NodeHealth::Loading);
        view.slots.idle = vec![failed, loading, node("new")];
        let map = SlotMap::believe(None, &[view]).expect("a map");
        let servers: Vec<&str> = map.servers.iter().map(|server| server.identity.as_str()).collect();
        assert_eq!(servers, ["m:1", "new:1", "r:1"], "a new master may be asked with ASK at any time");
        let unfit = [("f:1", NodeHealth::Failed), ("l:1", NodeHealth::Loading)];
        assert_eq!(map.unfit, unfit.map(|(name, health)| (name.to_owned(), health)).into());
        assert_eq!((map.replicas[&0].len(), map.ids.len()), (1, 5));
        let shown = |member: Member<'_>| {
            format!(
                "{} {:?} {} {:?}",
                member.name,
                member.ranges,
                member.master.unwrap_or("-"),
                member.health
            )
        };
        let members: Vec<String> = map.members().into_iter().map(shown).collect();
        let wanted = [
            "m:1 [(0, 16383)] - Online",
            "new:1 [] - Online",
            "r:1 [] m:1 Online",
            "f:1 [] - Failed",
            "l:1 [] - Loading",
        ];
        assert_eq!(members, wanted);
    }

    #[test]
    fn a_view_with_too_many_nodes_is_refused_whole() {
        let with = |nodes: usize, epoch: u64| {
            let mut view = view(true, epoch, &[(0, 16383, &["m"])]);
            view.slots.ranges[0].nodes.extend((1..nodes).map(|n| node(&format!("r{n}"))));
            view
        };
        let map = SlotMap::believe(None, &[with(NODES_MAX, 1)]).expect("a map");
        assert_eq!(map.servers.len(), NODES_MAX);
        assert_eq!(SlotMap::believe(Some(&map), &[with(NODES_MAX + 1, 2)]), Err(Disbelief::TooLarge));
        // A view that is not too large wins, whatever its epoch.
        let views = [with(NODES_MAX + 1, 3), with(5, 2)];
        assert_eq!(SlotMap::believe(Some(&map), &views).map(|map| map.servers.len()), Ok(5));
        // What is kept of the map before counts as well.
        let before = SlotMap::believe(None, &[view(true, 1, &[(0, 9, &["m"]), (10, 19, &["other"])])]);
        let mut half = with(NODES_MAX, 2);
        half.slots.ranges[0].last = 9;
        let before = before.expect("a map");
        assert_eq!(SlotMap::believe(Some(&before), &[half]), Err(Disbelief::TooLarge));
    }
}
