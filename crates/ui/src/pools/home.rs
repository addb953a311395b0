//! The server of a key, as the proxy would choose it: by its slot in a cluster, by its hash on a ring.
//!
//! It is computed from what is shown, with the functions that the proxy itself uses.

use ring::{Distribution, Hash, Node, Ring, key_slot, tagged};

use super::{Member, PoolView, ServerState, ServerStatus};

/// The place of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// Its slot, in a cluster.
    pub slot: Option<u16>,
    /// Its hash, on a ring.
    pub hash: Option<u32>,
    /// Part of the key that is hashed.
    pub hashed: Vec<u8>,
    /// The server that gets its requests now; none if nobody does.
    pub server: Option<String>,
    /// The server that gets them while none is out of the ring.
    pub regular: Option<String>,
    /// Replicas of that server.
    pub replicas: Vec<String>,
    /// Its requests go to any server: the distribution does not look at keys.
    pub is_anywhere: bool,
}

/// The place of a key in a pool.
pub fn home(view: &PoolView, key: &[u8]) -> Home {
    match &view.topology.cluster {
        Some(_) => in_cluster(view, key),
        None => on_ring(view, key),
    }
}

fn in_cluster(view: &PoolView, key: &[u8]) -> Home {
    let slot = key_slot(key);
    let nodes = view.topology.cluster.iter().flat_map(|cluster| &cluster.nodes);
    let server = nodes.clone().find(|node| node.has(slot)).map(|node| node.name.clone());
    let replicas = nodes.filter(|node| node.master.is_some() && node.master == server);
    Home {
        slot: Some(slot),
        hashed: tagged(key, Some(*b"{}")).to_vec(),
        replicas: replicas.map(|node| node.name.clone()).collect(),
        regular: server.clone(),
        server,
        ..Home::default()
    }
}

fn on_ring(view: &PoolView, key: &[u8]) -> Home {
    let placement = &view.pool.placement;
    let (distribution, hash) =
        (Distribution::from_name(&placement.distribution), Hash::from_name(&placement.hash));
    let Some((distribution, hash)) = distribution.zip(hash) else { return Home::default() };
    if distribution == Distribution::Random {
        return Home { is_anywhere: true, ..Home::default() };
    }
    let tag = placement.hash_tag.as_ref().and_then(|tag| <[u8; 2]>::try_from(tag.as_bytes()).ok());
    let hashed = tagged(key, tag);
    let place = |is_live: &dyn Fn(&ServerStatus) -> bool| {
        let nodes: Vec<Node<'_>> =
            placement.servers.iter().map(|member| node(view, member, is_live)).collect();
        let at = Ring::build(distribution, hash, &nodes).server_of_key(hashed)?;
        placement.servers.get(at).map(|member| member.name.clone())
    };
    let server = place(&|server| server.state == ServerState::Up && !server.out_by_hand);
    let replicas = view.topology.replicas.iter().filter(|replica| Some(&replica.master) == server.as_ref());
    Home {
        hash: Some(hash.hash(hashed)),
        hashed: hashed.to_vec(),
        replicas: replicas.map(|replica| replica.name.clone()).collect(),
        regular: place(&|_| true),
        server,
        ..Home::default()
    }
}

fn node<'a>(view: &PoolView, member: &'a Member, is_live: &dyn Fn(&ServerStatus) -> bool) -> Node<'a> {
    let server = view.pool.servers.iter().find(|server| server.name == member.name);
    Node {
        identity: member.hashed_as.as_bytes(),
        weight: server.and_then(|server| server.weight_by_hand).unwrap_or(member.weight),
        live: server.is_none_or(is_live),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pools::{Cluster, ClusterNode, Placement};

    fn pool(distribution: &'static str, ejected: &[&str]) -> PoolView {
        let names = ["a", "b", "c"];
        let member = |name: &str| Member {
            name: name.into(),
            hashed_as: name.into(),
            address: format!("{name}:1"),
            weight: 1,
        };
        let server = |name: &str| ServerStatus {
            name: name.into(),
            state: if ejected.contains(&name) { ServerState::Ejected } else { ServerState::Up },
            ..ServerStatus::default()
        };
        let mut view = PoolView::default();
        view.pool.placement = Placement {
            hash: "fnv1a_64".into(),
            distribution: distribution.into(),
            hash_tag: Some("{}".into()),
            servers: names.iter().map(|name| member(name)).collect(),
        };
        view.pool.servers = names.iter().map(|name| server(name)).collect();
        view
    }

    #[test]
    fn a_key_on_a_ring_goes_elsewhere_while_its_server_is_out() {
        for distribution in ["ketama", "modula"] {
            let found = home(&pool(distribution, &[]), b"x{user:7}y");
            assert_eq!((&*found.hashed, found.hash), (&b"user:7"[..], Some(Hash::Fnv1a64.hash(b"user:7"))));
            let regular = found.server.clone().unwrap();
            assert_eq!(found.regular, found.server);
            let moved = home(&pool(distribution, &[&regular]), b"x{user:7}y");
            assert!(moved.server.is_some() && moved.server != found.server, "{distribution}");
            assert_eq!(moved.regular, found.server);
            let mut by_hand = pool(distribution, &[]);
            by_hand.pool.servers.iter_mut().for_each(|server| server.out_by_hand = server.name == regular);
            assert_eq!(home(&by_hand, b"x{user:7}y"), moved);
        }
        assert_eq!(home(&pool("ketama", &["a", "b", "c"]), b"x").server, None);
        assert!(home(&pool("random", &[]), b"x").is_anywhere);
        assert_eq!(home(&pool("unheard of", &[]), b"x"), Home::default());
    }

    #[test]
    fn a_key_in_a_cluster_has_the_owner_of_its_slot() {
        let node = |name: &str, ranges, master: Option<&str>| ClusterNode {
            name: name.into(),
            ranges,
            master: master.map(str::to_owned),
            ..ClusterNode::default()
        };
        let nodes = vec![
            node("m1", vec![(0, 5000)], None),
            node("m2", vec![(5001, 12_181), (12_183, 16_383)], None),
            node("r2", Vec::new(), Some("m2")),
        ];
        let mut view = PoolView::default();
        view.topology.cluster = Some(Cluster { nodes, ..Cluster::default() });
        let of = |key: &str| home(&view, key.as_bytes());
        assert_eq!((of("bar").slot, of("bar").server.as_deref()), (Some(5061), Some("m2")));
        assert_eq!(of("bar").replicas, ["r2"]);
        assert_eq!((of("foo").slot, of("foo").server), (Some(12_182), None), "nobody owns the slot of foo");
        assert_eq!((of("{bar}x").slot, &*of("{bar}x").hashed), (Some(5061), &b"bar"[..]));
    }
}
