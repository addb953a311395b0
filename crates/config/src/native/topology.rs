//! `topology` of a pool: options that do not go with it, and what is not available yet.

use crate::checked::{Pool, Protocol, ReadFrom, Server, Target, Topology};
use crate::effective;
use crate::fault::Fault;
use crate::settings::Settings;

/// Options that only a discovered topology has.
const DISCOVERED: [&str; 2] = ["read_from", "zone"];

/// Options that place keys on a ring or watch its servers: a cluster does both itself.
const OF_RING: [&str; 6] =
    ["hash", "distribution", "hash_tag", "auto_eject_hosts", "server_retry_timeout", "server_failure_limit"];

/// Checks a pool against `default`, one in which nothing is set.
pub(super) fn check(section: &str, read: &Settings, pool: &Pool, default: &Pool, faults: &mut Vec<Fault>) {
    let mut fail = |option: &str, text: &str, help: &str| {
        faults.push(Fault::error(read.place(option), format!("{section}: {text}"), help));
    };
    let (own, default) = (effective::pool(pool), effective::pool(default));
    let is_set = |option: &str| own.get(option) != default.get(option);
    match pool.discovery.topology {
        Topology::Ring => {
            for option in DISCOVERED.into_iter().filter(|option| is_set(option)) {
                let text = format!("{option} is for pools with topology = \"cluster\" only");
                fail(option, &text, "remove it, or set topology");
            }
        }
        Topology::Sentinel => fail(
            "topology",
            "topology = \"sentinel\" is not available in this version",
            "name the master in servers, with topology = \"ring\"",
        ),
        Topology::Cluster => fail(
            "topology",
            "topology = \"cluster\" is not available in this version",
            "use topology = \"ring\" over servers that are in no cluster",
        ),
    }
    if pool.discovery.topology == Topology::Cluster {
        of_cluster(pool, is_set, &mut fail);
    }
}

fn of_cluster(pool: &Pool, is_set: impl Fn(&str) -> bool, fail: &mut impl FnMut(&str, &str, &str)) {
    if pool.protocol == Protocol::Memcache {
        fail("topology", "memcached servers form no cluster", "remove topology, or set protocol = \"redis\"");
    }
    for option in OF_RING.into_iter().filter(|option| is_set(option)) {
        fail(option, &format!("{option} has no meaning in a cluster"), "remove it");
    }
    if pool.db != 0 {
        fail("db", "a cluster has database 0 only", "remove db");
    }
    if pool.server_connections > 1 {
        let text = "a cluster pool has one connection to each node, which keeps requests in order";
        fail("server_connections", text, "remove server_connections");
    }
    let is_seed = |server: &Server| matches!(server.target, Target::Tcp { .. }) && server.weight == 1;
    if !pool.servers.iter().all(is_seed) {
        let text = "servers of a cluster are seeds: HOST:PORT, without a weight";
        fail("servers", text, "write the addresses of some nodes");
    }
    if pool.discovery.read_from != ReadFrom::Primary {
        fail("read_from", "read_from is not available in this version, but for \"primary\"", "remove it");
    }
    if pool.discovery.zone.is_some() && pool.discovery.read_from != ReadFrom::Nearest {
        fail("zone", "zone is for read_from = \"nearest\" only", "remove it");
    }
}
