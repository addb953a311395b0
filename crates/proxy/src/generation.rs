//! A generation: everything the shards serve, planned once on the control thread and shared unchanged.
//!
//! ```text
//! settings ─▶ Generation::next ─▶ Arc<Generation> ─mail─▶ each shard compares it with its own (crate::membership)
//! ```
//! A pool or server that stays keeps its id:
//!
//! - a pool, while its name and protocol stay and it does not move to or from the embedded cache. Its clients
//!   stay connected;
//! - a server, while its name and all that its connections depend on stay: address, credentials, database,
//!   TLS settings and number of connections. Its connections and its health stay. Changed contents of TLS
//!   files apply to its next connections. A master that Sentinels name stays with another address as well.
//!
//! Counters go by name alone ([`PoolCells`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use access::Book;
use config::Secret;
use config::checked::{self, ReadFrom, Target, Topology};
use net::tls::{ClientConfig, ServerConfig};
use telemetry::PoolCells;

use crate::discovery::Discovery;
use crate::gate::{Gate, Users};
use crate::ids::{PoolId, ServerId};
use crate::pause::Pause;
use crate::replica_watch::Standing;
use crate::topology::{SlotMap, address_of, server};

/// The settings from which a generation is planned.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The pools, in the order of statistics.
    pub pools: Vec<Arc<checked::Pool>>,
    /// All users; each names its pools. Their limits are shared with whoever else has this book.
    pub users: Book,
    /// TLS of the pools that use it, by pool name.
    pub tls: BTreeMap<String, PoolTls>,
    /// Changes by hand, by pool and server name.
    pub by_hand: BTreeMap<(String, String), ByHand>,
    /// Masters and replicas that Sentinels have named.
    pub named: Named,
    /// Discovered topologies, by pool name.
    pub topologies: BTreeMap<String, Arc<SlotMap>>,
    /// Standings of servers for reads, by pool and server name.
    pub standings: BTreeMap<String, BTreeMap<String, Standing>>,
    /// Most bytes of the embedded cache.
    pub local_bytes_max: usize,
    /// Time that a removed server has to answer its requests.
    pub drain_timeout: Duration,
}

/// Host and port of masters, by pool and master name.
pub type Masters = BTreeMap<(String, String), (String, u16)>;

/// Addresses that Sentinels have named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Masters.
    pub masters: Masters,
    /// Replicas that may be read from, by pool and master name.
    pub replicas: BTreeMap<(String, String), Vec<(String, u16)>>,
}

impl Settings {
    /// Settings of a configuration, without changes by hand and without TLS, and with the users of this book.
    /// The drain timeout is that of a stop.
    pub fn of(config: &checked::Config, users: Book) -> Settings {
        Settings {
            pools: config.pools.iter().cloned().map(Arc::new).collect(),
            users,
            tls: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            named: Named::default(),
            topologies: BTreeMap::new(),
            standings: BTreeMap::new(),
            local_bytes_max: config.local.bytes_max,
            drain_timeout: config.stop_timeout,
        }
    }
}

/// TLS of a pool, made from its files.
#[derive(Debug, Clone, Default)]
pub struct PoolTls {
    /// Towards clients.
    pub clients: Option<Arc<ServerConfig>>,
    /// Towards servers.
    pub servers: Option<Arc<ClientConfig>>,
    /// Digest of the files both are made from. While it and the settings stay, the next generation keeps
    /// both, with their sessions.
    pub contents: u64,
}

impl PoolTls {
    /// True if both were made from the same reading of the files.
    pub(crate) fn is(&self, other: &PoolTls) -> bool {
        let clients = self.clients.as_ref().map(Arc::as_ptr) == other.clients.as_ref().map(Arc::as_ptr);
        clients && self.servers.as_ref().map(Arc::as_ptr) == other.servers.as_ref().map(Arc::as_ptr)
    }
}

/// Changes that an operator has made to a server at run time, not in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByHand {
    /// Weight that overrides the configured one.
    pub weight: Option<u32>,
    /// Set if it is out of the ring.
    pub out: Option<Out>,
}

/// Way in which an operator has taken a server out of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// Its connections stay open.
    Ejected,
    /// It gets no requests, and its connections are closed once they owe nothing.
    Drained,
}

/// Everything the shards serve.
#[derive(Debug)]
pub struct Generation {
    /// The pools, in the order of the settings.
    pub pools: Vec<PoolPlan>,
    /// Most bytes of the embedded cache.
    pub local_bytes_max: usize,
    /// Time that a removed server has to answer its requests.
    pub drain_timeout: Duration,
    users: Users,
    shards: usize,
    next: Next,
}

/// A pool as the shards serve it.
#[derive(Debug, Clone)]
pub struct PoolPlan {
    /// Its id between threads.
    pub id: PoolId,
    /// Its settings.
    pub config: Arc<checked::Pool>,
    /// Its users and its limits.
    pub gate: Arc<Gate>,
    /// Its TLS.
    pub tls: PoolTls,
    /// Its counters and those of its servers, in the order of the configuration.
    pub cells: PoolCells,
    /// Number of its clients on all shards.
    pub clients: Arc<AtomicU32>,
    /// Pause of its clients' requests.
    pub pause: Arc<Pause>,
    /// The servers, in the order of the configuration.
    pub servers: Vec<ServerPlan>,
    /// The course of its discovery, in a pool over a cluster.
    pub discovery: Arc<Discovery>,
    /// The slots of its cluster, whose servers are these; None for a ring, and before it is known.
    pub slots: Option<Arc<SlotMap>>,
}

/// A server of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerPlan {
    /// Its id between threads.
    pub id: ServerId,
    /// Changes to it by hand.
    pub by_hand: ByHand,
    /// Its standing for reads.
    pub standing: Standing,
    /// Place of its master among the servers, if it is a replica of a pool with Sentinels: it is in no ring.
    pub master: Option<u16>,
}

/// A node that replicas are compared with, or one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaNode {
    /// Name of the server.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name of its master; None if it is one.
    pub master: Option<String>,
}

impl PoolPlan {
    fn take_standings(&mut self, standings: &BTreeMap<String, Standing>) {
        for (plan, server) in self.servers.iter_mut().zip(&self.config.servers) {
            plan.standing = standings.get(&server.identity).copied().unwrap_or_default();
        }
    }

    /// Masters that have slots, and their replicas.
    pub fn replica_nodes(&self) -> Vec<ReplicaNode> {
        let Some(map) = &self.slots else { return self.sentinel_nodes() };
        let node = |index: u16, master: Option<&str>| {
            let server = map.servers.get(usize::from(index))?;
            let Target::Tcp { host, port } = &server.target else { return None };
            let (name, master) = (server.identity.clone(), master.map(str::to_owned));
            Some(ReplicaNode { name, host: host.clone(), port: *port, master })
        };
        let of_master = |(master, replicas): (&u16, &Vec<u16>)| {
            let name = map.servers.get(usize::from(*master)).map(|server| server.identity.as_str());
            let replicas: Vec<_> = replicas.iter().filter_map(|replica| node(*replica, name)).collect();
            node(*master, None).into_iter().chain(replicas)
        };
        map.replicas.iter().flat_map(of_master).collect()
    }
}

impl PoolPlan {
    /// Masters that Sentinels have named, and their replicas.
    fn sentinel_nodes(&self) -> Vec<ReplicaNode> {
        let servers = &self.config.servers;
        let name = |at: u16| servers.get(usize::from(at)).map(|server| server.identity.clone());
        let node = |(plan, server): (&ServerPlan, &checked::Server)| {
            let Target::Tcp { host, port } = &server.target else { return None };
            let (name, master) = (server.identity.clone(), plan.master.and_then(name));
            Some(ReplicaNode { name, host: host.clone(), port: *port, master })
        };
        self.servers.iter().zip(servers).filter_map(node).collect()
    }
}

/// The next ids to assign.
#[derive(Debug, Clone, Copy, Default)]
struct Next {
    pool: u32,
    server: u64,
}

impl Next {
    fn pool(&mut self) -> PoolId {
        let id = PoolId(self.pool);
        self.pool = self.pool.wrapping_add(1);
        id
    }

    fn server(&mut self) -> ServerId {
        let id = ServerId(self.server);
        self.server += 1;
        id
    }
}

impl Generation {
    /// Plans the first generation of a process with this many shards. Ids are assigned in the order of the
    /// settings, from 0 on.
    pub fn first(shards: usize, settings: Settings) -> Generation {
        let nothing = Generation {
            pools: Vec::new(),
            local_bytes_max: settings.local_bytes_max,
            drain_timeout: settings.drain_timeout,
            users: Users::default(),
            shards,
            next: Next::default(),
        };
        nothing.next(settings)
    }

    /// Plans the generation after this one.
    #[must_use]
    pub fn next(&self, settings: Settings) -> Generation {
        let Settings {
            pools,
            users,
            mut tls,
            by_hand,
            named,
            topologies,
            standings,
            local_bytes_max,
            drain_timeout,
        } = settings;
        let users = self.users.next(users);
        let mut planner = Planner { before: self, users: &users, next: self.next };
        let plan = |pool: Arc<checked::Pool>| {
            let tls = tls.remove(&pool.name).unwrap_or_default();
            let (pool, masters) = with_masters(pool, &named);
            let (pool, slots) = discovered(pool, &topologies);
            let mut plan = planner.pool(pool, slots, tls, &by_hand);
            plan.servers.iter_mut().zip(masters).for_each(|(plan, master)| plan.master = master);
            if let Some(standings) = standings.get(&plan.config.name) {
                plan.take_standings(standings);
            }
            plan
        };
        let pools = pools.into_iter().map(plan).collect();
        let next = planner.next;
        Generation { pools, local_bytes_max, drain_timeout, users, shards: self.shards, next }
    }

    /// Its users.
    pub fn users(&self) -> &Book {
        self.users.book()
    }

    /// Counters of all pools.
    pub fn cells(&self) -> Vec<PoolCells> {
        self.pools.iter().map(|pool| pool.cells.clone()).collect()
    }

    /// First pool id of later generations.
    pub(crate) fn pools_end(&self) -> PoolId {
        PoolId(self.next.pool)
    }
}

/// One step from a generation to the next.
struct Planner<'a> {
    before: &'a Generation,
    users: &'a Users,
    next: Next,
}

impl Planner<'_> {
    fn pool(
        &mut self,
        config: Arc<checked::Pool>,
        slots: Option<Arc<SlotMap>>,
        tls: PoolTls,
        by_hand: &BTreeMap<(String, String), ByHand>,
    ) -> PoolPlan {
        // Without this check, missing TLS would send passwords over the network in clear.
        assert_eq!(tls.clients.is_some(), config.tls.is_some(), "TLS towards clients of {}", config.name);
        assert_eq!(
            tls.servers.is_some(),
            config.server_tls.is_some(),
            "TLS towards servers of {}",
            config.name
        );
        let named = self.before.pools.iter().find(|known| known.config.name == config.name);
        let names = config.servers.iter().map(|server| server.identity.as_str());
        let cells = match named {
            Some(known) => known.cells.with_servers(names),
            None => PoolCells::new(&config.name, names, self.before.shards),
        };
        let same = named.filter(|known| keeps_clients(&known.config, &config));
        // An unchanged configuration keeps its `Arc`, so that comparing it is quick.
        let config =
            same.filter(|known| known.config == config).map_or(config, |known| Arc::clone(&known.config));
        let unchanged = same.filter(|known| {
            let settings = known.config.tls == config.tls && known.config.server_tls == config.server_tls;
            settings && known.tls.contents == tls.contents
        });
        let tls = unchanged.map_or(tls, |known| known.tls.clone());
        let servers = config.servers.iter().map(|server| {
            let id =
                same.and_then(|known| id_of(known, server, &config)).unwrap_or_else(|| self.next.server());
            let by_hand = by_hand.get(&(config.name.clone(), server.identity.clone()));
            let by_hand = by_hand.copied().unwrap_or_default();
            ServerPlan { id, by_hand, standing: Standing::default(), master: None }
        });
        let servers = servers.collect();
        let gate = self.users.gate(&config, same.map(|known| (&self.before.users, &known.gate)));
        PoolPlan {
            gate,
            id: same.map_or_else(|| self.next.pool(), |known| known.id),
            cells,
            clients: named.map(|known| Arc::clone(&known.clients)).unwrap_or_default(),
            pause: named.map(|known| Arc::clone(&known.pause)).unwrap_or_default(),
            discovery: named.map(|known| Arc::clone(&known.discovery)).unwrap_or_default(),
            servers,
            slots,
            config,
            tls,
        }
    }
}

/// The longest wait between attempts to connect to a master: it, or the one that takes its place, may be
/// there at any time.
const RECONNECT: Duration = Duration::from_millis(200);

/// A pool with the addresses of its masters, as far as Sentinels have named them, and with the replicas that
/// it reads from behind them. Also the place of each server's master, if it is such a replica.
fn with_masters(pool: Arc<checked::Pool>, named: &Named) -> (Arc<checked::Pool>, Vec<Option<u16>>) {
    if pool.discovery.topology != Topology::Sentinel {
        return (pool, Vec::new());
    }
    let masters = &named.masters;
    let mut pool = (*pool).clone();
    if !pool.auto_eject_hosts {
        pool.server_retry_timeout = pool.server_retry_timeout.min(RECONNECT);
    }
    let known = |server: &checked::Server| masters.get(&(pool.name.clone(), server.identity.clone()));
    let targets: Vec<Target> = pool
        .servers
        .iter()
        .map(|server| match known(server) {
            Some((host, port)) => Target::Tcp { host: host.clone(), port: *port },
            None => Target::Master,
        })
        .collect();
    pool.servers.iter_mut().zip(targets).for_each(|(server, target)| server.target = target);
    let mut of_servers = vec![None; pool.servers.len()];
    if pool.discovery.read_from != ReadFrom::Primary {
        let replicas = replicas(&pool, named);
        of_servers.extend(replicas.iter().map(|(master, _)| Some(*master)));
        pool.servers.extend(replicas.into_iter().map(|(_, replica)| replica));
    }
    (Arc::new(pool), of_servers)
}

/// The replicas of a pool's masters that Sentinels have named, each once, with the places of their masters.
fn replicas(pool: &checked::Pool, named: &Named) -> Vec<(u16, checked::Server)> {
    let mut seen: BTreeSet<(String, u16)> = pool.servers.iter().filter_map(address_of).collect();
    let names: BTreeSet<&str> = pool.servers.iter().map(|server| server.identity.as_str()).collect();
    let mut found = Vec::new();
    for (at, master) in (0..).zip(&pool.servers) {
        let of_master = named.replicas.get(&(pool.name.clone(), master.identity.clone()));
        for (host, port) in of_master.into_iter().flatten() {
            let server = server((host.clone(), *port));
            if !names.contains(server.identity.as_str()) && seen.insert((host.clone(), *port)) {
                found.push((at, server));
            }
        }
    }
    found
}

/// A pool with the servers that were discovered, none before the first discovery, and their slots.
fn discovered(
    pool: Arc<checked::Pool>,
    topologies: &BTreeMap<String, Arc<SlotMap>>,
) -> (Arc<checked::Pool>, Option<Arc<SlotMap>>) {
    if pool.discovery.topology != Topology::Cluster {
        return (pool, None);
    }
    let slots = topologies.get(&pool.name).cloned();
    let servers = slots.as_ref().map_or_else(Vec::new, |slots| slots.servers.clone());
    (Arc::new(checked::Pool { servers, server_retry_timeout: RECONNECT, ..(*pool).clone() }), slots)
}

/// The previous id of a server, if its connections can be reused.
fn id_of(known: &PoolPlan, server: &checked::Server, config: &checked::Pool) -> Option<ServerId> {
    let at = known.config.servers.iter().position(|before| before.identity == server.identity)?;
    let before = &known.config.servers[at];
    keeps_connections((&known.config, before), (config, server)).then(|| known.servers[at].id)
}

/// True if a pool's clients can stay when its configuration changes from `before` to `now`.
fn keeps_clients(before: &checked::Pool, now: &checked::Pool) -> bool {
    before.protocol == now.protocol && has_local(before) == has_local(now)
}

/// True if connections to a server that were opened with one configuration can be used with the other.
fn keeps_connections(
    (old_pool, old): (&checked::Pool, &checked::Server),
    (new_pool, new): (&checked::Pool, &checked::Server),
) -> bool {
    let has_masters = |pool: &checked::Pool| pool.discovery.topology == Topology::Sentinel;
    // Another address of a master replaces its connections, not the server.
    (old.target == new.target || has_masters(old_pool) && has_masters(new_pool))
        && password(old_pool, old) == password(new_pool, new)
        && old_pool.db == new_pool.db
        && old_pool.databases == new_pool.databases
        && reads_replicas(old_pool) == reads_replicas(new_pool)
        && old_pool.server_tls == new_pool.server_tls
        && old_pool.server_connections == new_pool.server_connections
}

/// True if the pool reads from replicas.
pub(crate) fn has_replica_reads(pool: &checked::Pool) -> bool {
    pool.discovery.topology != Topology::Ring && pool.discovery.read_from != ReadFrom::Primary
}

/// True if connections of a pool have to say that replicas may be read from.
pub(crate) fn reads_replicas(pool: &checked::Pool) -> bool {
    pool.discovery.topology == Topology::Cluster && pool.discovery.read_from != ReadFrom::Primary
}

/// Password sent to a server.
pub(crate) fn password<'a>(pool: &'a checked::Pool, server: &'a checked::Server) -> Option<&'a Secret> {
    server.password.as_ref().or(pool.auth.as_ref())
}

/// True for a pool over the embedded cache, which lives on the first shard.
pub fn has_local(pool: &checked::Pool) -> bool {
    pool.servers.iter().any(|server| server.target == Target::Local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settings;

    const POOL: &str =
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"]\n";
    const OTHER: &str = "[pool.q]\nlisten = \"127.0.0.1:3\"\nservers = [\"local\"]\n";

    /// Each pool with its name, its id and the ids of its servers.
    fn shown(generation: &Generation) -> Vec<(String, u32, Vec<u64>)> {
        let pool = |pool: &PoolPlan| {
            let servers = pool.servers.iter().map(|server| server.id.0).collect();
            (pool.config.name.clone(), pool.id.0, servers)
        };
        let mut shown: Vec<_> = generation.pools.iter().map(pool).collect();
        shown.sort();
        shown
    }

    #[test]
    fn ids_stay_with_what_stays() {
        let first = Generation::first(2, settings(&format!("{POOL}{OTHER}")));
        let p = |id, servers: &[u64]| ("p".to_owned(), id, servers.to_vec());
        let q = ("q".to_owned(), 1, vec![2]);
        assert_eq!(shown(&first), [p(0, &[0, 1]), q.clone()]);
        // The change to the first pool, and the expected result.
        let cases = [
            ("timeout = \"1s\"\nhash = \"md5\"\npreconnect = true\n", "", "", p(0, &[0, 1])),
            ("", "12:1 b", "12:7 b", p(0, &[0, 1])),
            ("", "12:1 b", "13:1 b", p(0, &[0, 3])),
            ("", "12:1 b", "12:1 c", p(0, &[0, 3])),
            ("db = 1\n", "", "", p(0, &[3, 4])),
            ("auth = \"x\"\n", "", "", p(0, &[3, 4])),
            ("keepalive = \"5s\"\n", "", "", p(0, &[0, 1])),
            ("server_connections = 2\n", "", "", p(0, &[3, 4])),
            ("protocol = \"memcache\"\n", "", "", p(2, &[3, 4])),
            ("", "127.0.0.1:1\"", "127.0.0.1:2\"", p(0, &[0, 1])),
            ("", "\"127.0.0.1:11:1 a\", \"127.0.0.1:12:1 b\"", "\"local\"", p(2, &[3])),
            // A pool with another name at the old address.
            ("", "pool.p", "pool.o", ("o".to_owned(), 2, vec![3, 4])),
        ];
        for (options, from, to, wanted) in cases {
            let next = first.next(settings(&format!("{}{options}{OTHER}", POOL.replacen(from, to, 1))));
            assert_eq!(shown(&next), [wanted, q.clone()], "{options}{from} {to}");
            let kept = |n: usize| Arc::ptr_eq(&first.pools[1].config, &next.pools[n].config);
            assert!(kept(0) || kept(1));
        }
    }

    #[test]
    fn servers_are_the_same_while_their_tls_is() {
        let made = |written: &str, contents: u64| {
            let mut settings = settings(&format!("{POOL}server_tls = {written}\n"));
            let servers = net::tls::unverified_client_config(None, net::tls::MinVersion::Tls12).unwrap();
            settings.tls.insert("p".into(), PoolTls { servers: Some(servers), contents, clients: None });
            settings
        };
        let plain = Generation::first(1, settings(POOL));
        let first = plain.next(made("true", 1));
        assert_eq!(shown(&first), [("p".to_owned(), 0, vec![2, 3])]);
        let read_again = first.next(made("true", 1));
        assert_eq!(shown(&read_again), shown(&first));
        assert!(first.pools[0].tls.is(&read_again.pools[0].tls), "nothing has changed: sessions are kept");
        let replaced = read_again.next(made("true", 2));
        assert_eq!(shown(&replaced), shown(&first), "the next connections get what was read");
        assert!(!first.pools[0].tls.is(&replaced.pools[0].tls));
        let named = replaced.next(made("{ server_name = \"other\" }", 2));
        assert!(!replaced.pools[0].tls.is(&named.pools[0].tls));
        assert_eq!(shown(&named), [("p".to_owned(), 0, vec![4, 5])]);
        assert_eq!(shown(&named.next(settings(POOL))), [("p".to_owned(), 0, vec![6, 7])]);
    }

    #[test]
    fn an_id_is_never_given_twice() {
        let both = format!("{POOL}{OTHER}");
        let mut generation = Generation::first(1, settings(&both));
        for n in 1..4 {
            generation = generation.next(settings(OTHER));
            assert_eq!(shown(&generation), [("q".to_owned(), 1, vec![2])]);
            generation = generation.next(settings(&both));
            let server = u64::from(n) * 2 + 1;
            assert_eq!(shown(&generation)[0], ("p".to_owned(), n + 1, vec![server, server + 1]));
        }
    }

    #[test]
    fn what_was_changed_by_hand_goes_by_name() {
        let mut with = settings(POOL);
        let out = ByHand { weight: Some(5), out: Some(Out::Drained) };
        with.by_hand.insert(("p".into(), "b".into()), out);
        let generation = Generation::first(1, with);
        let by_hand = generation.pools[0].servers.iter().map(|server| server.by_hand);
        assert_eq!(by_hand.collect::<Vec<_>>(), [ByHand::default(), out]);
    }
}
