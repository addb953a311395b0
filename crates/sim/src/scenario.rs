//! The scenario of a seed: numbers, sizes, speeds, and the behaviour of peers.

use std::sync::Arc;
use std::time::Duration;

use config::checked::{
    Discovery, Listen, Pool, PoolListen, Protocol, ReadFrom, Sentinels, Server, Target, Topology, Unsupported,
};
use ring::{Distribution, Hash};

use crate::network::Travel;
use crate::rng::Rng;

/// Backend `n` of the world listens on this port plus `n`.
pub(crate) const FIRST_PORT: usize = 10_000;
/// Password of pools that have one.
pub(crate) const PASSWORD: &str = "sesame";

/// Ways to flood memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Many requests whose replies are not read.
    Replies,
    /// Large requests that never end.
    Requests,
}

/// Consequences allowed for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// None: every reply stays the same, although connections to servers are replaced.
    Unnoticed,
    /// Keys move, and nothing fails.
    Gentle,
    /// Any.
    Rough,
}

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// True for a run without faults: every reply is known in advance, and no error is allowed.
    pub(crate) calm: bool,
    pub(crate) shards: usize,
    pub(crate) pools: Vec<Arc<Pool>>,
    pub(crate) clients: usize,
    /// Approximate requests per client.
    pub(crate) requests: u64,
    /// Most filler bytes in a value.
    pub(crate) fill_max: usize,
    pub(crate) travel: Travel,
    /// Most bytes per read of a shard.
    pub(crate) read_max: usize,
    /// Memory budget of one shard, bytes.
    pub(crate) budget: usize,
    /// True if the budget is small enough to be reached.
    pub(crate) tight: bool,
    /// Duration of misbehaviour; afterwards all peers behave.
    pub(crate) chaos: Duration,
    /// Time at which the shards are asked to stop.
    pub(crate) stop_at: Option<Duration>,
    /// Attack on memory by most clients.
    pub(crate) flood: Option<Flood>,
    /// Number of changes of the pools while in use, and their consequences.
    pub(crate) reloads: Option<(Manner, u64)>,
}

impl Scenario {
    pub(crate) fn of(seed: u64, calm: bool) -> Scenario {
        let mut rng = Rng::new(seed);
        let calm = calm || rng.one_in(5);
        let fill_max = rng.pick(&[5, 60, 60, 400, 400, 3000, 20_000, crate::value::FILL_MAX]);
        let flood = !calm && fill_max >= 400 && rng.one_in(3);
        let tight = flood || (!calm && rng.one_in(4));
        let segment_max = match fill_max {
            0..100 => rng.pick(&[2, 16, 300, 70_000]),
            100..1000 => rng.pick(&[60, 300, 70_000]),
            _ => rng.pick(&[1400, 70_000]),
        };
        let latency = rng.pick(&[(20, 60), (100, 400), (300, 6000)]);
        let window = |rng: &mut Rng| if segment_max < 20 { 4096 } else { rng.pick(&[3000, 20_000, 200_000]) };
        let window = [window(&mut rng), window(&mut rng)];
        let clients = rng.between(2, 14) as usize;
        let mut pools = vec![pool(&mut rng, 0, calm, 0)];
        if rng.one_in(2) {
            let first = pools[0].servers.len();
            pools.push(pool(&mut rng, 1, calm, first));
        }
        let read_max = match segment_max {
            0..20 => rng.pick(&[7, 100]),
            _ if tight => rng.pick(&[1000, 4000, 16_000]),
            _ => rng.pick(&[1000, 16_000, 65_536]),
        };
        let budget = if tight { rng.pick(&[60_000, 250_000]).max(fill_max * 3) } else { 256 << 20 };
        Scenario {
            calm,
            shards: rng.between(1, 3) as usize,
            pools: pools.into_iter().map(Arc::new).collect(),
            clients,
            // Each piece costs an event.
            requests: if fill_max > 3000 {
                25
            } else if segment_max < 20 {
                12
            } else {
                rng.pick(&[10, 40, 80])
            },
            fill_max,
            travel: Travel { latency, segment_max, window },
            read_max,
            budget,
            tight,
            chaos: Duration::from_millis(rng.between(300, 3000)),
            stop_at: rng.one_in(6).then(|| Duration::from_millis(rng.between(50, 2500))).filter(|_| !calm),
            flood: flood.then(|| rng.pick(&[Flood::Replies, Flood::Requests])),
            reloads: reloads(seed, calm),
        }
    }

    /// True if changes of the pools move keys.
    pub(crate) fn moves_keys(&self) -> bool {
        self.reloads.is_some_and(|(manner, _)| manner != Manner::Unnoticed)
    }

    /// Approximate maximum length of a complete request or reply.
    pub(crate) fn frame_max(&self) -> usize {
        12 * (self.fill_max + 100)
    }
}

/// Changes of the pools; drawn from a separate stream, so that the rest of a scenario stays the same.
fn reloads(seed: u64, calm: bool) -> Option<(Manner, u64)> {
    let mut rng = Rng::new(seed ^ 0x007e_10ad);
    let manner = if calm { rng.pick(&[Manner::Unnoticed, Manner::Gentle]) } else { Manner::Rough };
    rng.one_in(2).then(|| (manner, rng.between(1, 30)))
}

fn pool(rng: &mut Rng, index: usize, calm: bool, first_backend: usize) -> Pool {
    let protocol = if rng.one_in(3) { Protocol::Memcache } else { Protocol::Redis };
    let redis = protocol == Protocol::Redis;
    let servers = (0..rng.between(1, 4) as usize).map(|n| server(first_backend + n)).collect();
    let timeout = if calm { None } else { rng.pick(&[None, Some(20), Some(100), Some(400), Some(400)]) };
    let harsh = !calm && rng.one_in(4);
    Pool {
        name: format!("pool{index}"),
        listen: vec![PoolListen::plain(Listen::Tcp { host: "127.0.0.1".into(), port: 1 })],
        tls: None,
        server_tls: None,
        protocol,
        discovery: Discovery {
            topology: Topology::Ring,
            refresh: Duration::from_secs(10),
            read_from: ReadFrom::Primary,
            zone: None,
            hedge_after: None,
            zones: std::collections::BTreeMap::new(),
            replica_lag_max: None,
            sentinels: Sentinels::default(),
        },
        pretend_cluster: false,
        pretend_cluster_peers: Vec::new(),
        hash: Hash::Fnv1a64,
        hash_tag: rng.one_in(3).then_some(*b"{}"),
        distribution: rng.pick(&[Distribution::Ketama, Distribution::Ketama, Distribution::Modula]),
        timeout: timeout.map(Duration::from_millis),
        backlog: 512,
        client_connections: (!calm && rng.one_in(8)).then_some(3),
        limit_requests: None,
        auth: (redis && rng.one_in(4)).then(|| config::Secret::new(PASSWORD)),
        db: if redis && rng.one_in(4) { 5 } else { 0 },
        databases: 1,
        preconnect: rng.one_in(3),
        auto_eject_hosts: !calm && rng.one_in(2),
        server_connections: rng.pick(&[1, 1, 2]),
        server_retry_timeout: Duration::from_millis(rng.pick(&[30, 200])),
        server_failure_limit: rng.pick(&[1, 2, 3]),
        keepalive: None,
        unsupported: Unsupported::Error,
        allow: Vec::new(),
        servers,
        request_bytes_max: 16 << 20,
        client_pipeline_max: if rng.one_in(4) { rng.pick(&[1, 2, 7]) } else { 1024 },
        client_output_soft_bytes: if harsh { 500 } else { 64 << 10 },
        client_output_hard_bytes: if harsh { 4 << 20 } else { 64 << 20 },
        private_connections: 4,
        slowlog_threshold: rng.pick(&[None, Some(Duration::from_millis(10))]),
        slowlog_len: rng.pick(&[1, 128]),
        hot_keys: rng.one_in(2),
        server_queue_max: if harsh { 3 } else { 10_000 },
    }
}

/// Address of backend `n`.
pub(crate) fn address(backend: usize) -> net::Address {
    net::Address::Tcp { host: "127.0.0.1".into(), port: (FIRST_PORT + backend) as u16 }
}

/// Backend `n` as a server under its address.
pub(crate) fn server(backend: usize) -> Server {
    let port = (FIRST_PORT + backend) as u16;
    let host = "127.0.0.1".to_owned();
    Server {
        identity: format!("127.0.0.1:{port}"),
        target: Target::Tcp { host, port },
        weight: 1,
        password: None,
    }
}
