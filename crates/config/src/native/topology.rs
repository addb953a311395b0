//! `topology` of a pool: options that do not go with it. The masters of a pool with Sentinels are its
//! servers.

use crate::checked::{HedgeAfter, Pool, Protocol, ReadFrom, Server, Target, Topology};
use crate::fault::Fault;
use crate::limits::MASTER_NAME_MAX;
use crate::settings::Settings;
use crate::{effective, endpoint};

/// Options that only a pool with Sentinels has.
const OF_SENTINELS: [&str; 6] =
    ["sentinels", "masters", "sentinel_user", "sentinel_password", "sentinel_password_file", "sentinel_tls"];

/// Options about reads from replicas, which only discovered topologies know.
const OF_REPLICAS: [&str; 5] = ["read_from", "zone", "zones", "replica_lag_max", "hedge_after"];

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
        Topology::Ring => {}
        Topology::Sentinel => of_sentinels(read, pool, &mut fail),
        Topology::Cluster => of_cluster(pool, is_set, &mut fail),
    }
    pretended(read, pool, &mut fail);
    if let Some(text) = read.text("hedge_after").filter(|text| HedgeAfter::of(text).is_none()) {
        let help = "write \"p95\", or a duration from \"1ms\" to \"10s\"";
        fail("hedge_after", &format!("\"{text}\" is no time to hedge after"), help);
    }
    let written = read.texts("zones").iter();
    for (text, _) in written.zip(zones(read)).filter(|(_, zone)| zone.is_none()) {
        fail("zones", &format!("\"{text}\" names no zone of a host"), "write HOST=ZONE");
    }
    if !pool.discovery.zones.is_empty() && pool.discovery.zone.is_none() {
        fail(
            "zones",
            "zones are compared with zone, which is not set",
            "add zone = \"ZONE\" of this process",
        );
    }
    if pool.discovery.topology == Topology::Ring {
        for option in OF_REPLICAS.into_iter().filter(|option| is_set(option)) {
            let text = format!("{option} is for pools with topology = \"cluster\" or \"sentinel\" only");
            fail(option, &text, "remove it, or set topology");
        }
    } else if pool.discovery.read_from == ReadFrom::Primary {
        for option in
            ["zone", "zones", "replica_lag_max", "hedge_after"].into_iter().filter(|option| is_set(option))
        {
            let text = format!("{option} is for pools that read from replicas");
            fail(option, &text, "remove it, or set read_from");
        }
    }
    if pool.discovery.topology != Topology::Sentinel {
        for option in OF_SENTINELS.into_iter().filter(|option| read.written(option)) {
            let text = format!("{option} is for pools with topology = \"sentinel\" only");
            fail(option, &text, "remove it, or set topology");
        }
    }
}

/// The masters as servers in index order.
pub(super) fn masters(section: &str, read: &Settings, faults: &mut Vec<Fault>) -> Vec<Server> {
    let mut names = read.texts("masters").to_vec();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut fail = |text: String, help: &str| {
        faults.push(Fault::error(read.place("masters"), format!("{section}: {text}"), help));
    };
    for pair in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        fail(format!("masters has \"{}\" twice", pair[0]), "remove one of them");
    }
    let is_name = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        !name.is_empty() && name.len() <= MASTER_NAME_MAX && name.bytes().all(known)
    };
    for name in names.iter().filter(|name| !is_name(name)) {
        let help = "write it as in `sentinel monitor NAME ...`: letters, digits, `.`, `-` and `_`";
        fail(format!("\"{name}\" is no name of a master"), help);
    }
    let server = |identity| Server { identity, target: Target::Master, weight: 1, password: None };
    names.into_iter().map(server).collect()
}

/// The Sentinels' addresses; None for one that is no HOST:PORT.
pub(super) fn sentinels(read: &Settings) -> impl Iterator<Item = Option<(String, u16)>> {
    addresses(read, "sentinels")
}

/// The addresses in a list; None for one that is no HOST:PORT.
pub(super) fn addresses(read: &Settings, option: &str) -> impl Iterator<Item = Option<(String, u16)>> {
    read.texts(option).iter().map(|text| match endpoint::target(text) {
        Ok(Target::Tcp { host, port }) => Some((host, port)),
        _ => None,
    })
}

/// The zones of hosts; None for one that is no HOST=ZONE.
pub(super) fn zones(read: &Settings) -> impl Iterator<Item = Option<(String, String)>> {
    read.texts("zones").iter().map(|text| {
        let (host, zone) = text.split_once('=')?;
        (!host.is_empty() && !zone.is_empty()).then(|| (host.to_owned(), zone.to_owned()))
    })
}

fn of_sentinels(read: &Settings, pool: &Pool, fail: &mut impl FnMut(&str, &str, &str)) {
    if pool.protocol == Protocol::Memcache {
        let text = "Sentinels watch no memcached servers";
        fail("topology", text, "remove topology, or set protocol = \"redis\"");
    }
    if read.written("servers") {
        fail("servers", "the Sentinels name the servers", "remove servers, and name the masters in masters");
    }
    if read.texts("sentinels").is_empty() {
        fail("topology", "there are no sentinels", "add sentinels = [\"HOST:PORT\", ...]");
    }
    if read.texts("masters").is_empty() {
        fail("topology", "there are no masters", "add masters = [\"NAME\", ...], as the Sentinels call them");
    }
    let written = read.texts("sentinels").iter();
    for (text, _) in written.zip(sentinels(read)).filter(|(_, address)| address.is_none()) {
        fail("sentinels", &format!("\"{text}\" is no address"), "write HOST:PORT");
    }
    let login = &pool.discovery.sentinels;
    if login.user.is_some() && login.password.is_none() {
        fail("sentinel_user", "sentinel_user has no password", "add sentinel_password_file");
    }
}

/// Checks `pretend_cluster`: clients connect to the addresses that they are told.
fn pretended(read: &Settings, pool: &Pool, fail: &mut impl FnMut(&str, &str, &str)) {
    let option = "pretend_cluster_peers";
    let written = read.texts(option).iter();
    for (text, _) in written.zip(addresses(read, option)).filter(|(_, address)| address.is_none()) {
        fail(option, &format!("\"{text}\" is no address"), "write HOST:PORT");
    }
    if !pool.pretend_cluster {
        if read.written(option) {
            fail(option, "pretend_cluster_peers is for pretend_cluster = true only", "remove it");
        }
        return;
    }
    if pool.protocol == Protocol::Memcache {
        fail("pretend_cluster", "memcached clients know no clusters", "remove it");
    }
    if pool.pretend_cluster_peers.is_empty() && pool.dialled().is_none() {
        let text = "pretend_cluster needs an address that clients can connect to, and listen has none";
        fail("pretend_cluster", text, "add pretend_cluster_peers = [\"HOST:PORT\"]");
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
    if pool.databases > 1 {
        fail("databases", "a cluster has database 0 only", "remove databases");
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
}
