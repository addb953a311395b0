//! `[pool.NAME]`: from settings to [`Pool`].
//!
//! Two servers of one identity and contradictory options are faults; legal but doubtful settings
//! ([`crate::warnings`]) are reported at the option that causes them.

use wire::redis::Permit;

use super::listeners::Listeners;
use super::topology;
use crate::checked::{
    Discovery, HedgeAfter, Pool, Protocol, ReadFrom, Sentinels, Server, Target, Topology, Unsupported,
};
use crate::fault::{Fault, Position};
use crate::limits;
use crate::options::Scope;
use crate::suggest;
use crate::tls_table;
use crate::values::{self, Settings};
use crate::warnings;
use crate::written::Entry;

/// Checks one pool. None if it cannot be assembled; then there are faults.
pub(super) fn check(
    name: &str,
    at: Position,
    entries: &[Entry],
    has_users: bool,
    listeners: &mut Listeners,
    faults: &mut Vec<Fault>,
) -> Option<Pool> {
    let section = format!("[pool.{name}]");
    let read = values::read(Scope::Pool, &section, at, entries, faults);
    for listen in read.written_listens("listen") {
        listeners.add(&listen.address, read.place("listen"), faults);
    }
    let servers = match read.text("topology").and_then(Topology::of) {
        Some(Topology::Sentinel) => topology::masters(&section, &read, faults),
        _ => servers(&section, at, &read, faults),
    };
    if let Some((text, help)) = limits::of_pool(name, servers.len()) {
        faults.push(Fault::error(read.place("servers").or(read.place("masters")), text, help));
    }
    let pool = assemble(name, &read, servers)?;
    contradictions(&section, &read, &pool, faults);
    let default = values::read(Scope::Pool, "", at, &[], &mut Vec::new());
    topology::check(&section, &read, &pool, &assemble(name, &default, Vec::new())?, faults);
    permits(&section, &read, faults);
    if !read.faulty && !pool.servers.is_empty() {
        faults.extend(warnings::of_pool(&pool, has_users).into_iter().map(|warning| {
            let place = read.place(warning.option).or(Some(at));
            Fault::warning(place, format!("{section}: {}", warning.text), warning.help)
        }));
    }
    Some(pool)
}

/// Servers in index order; a duplicate identity is a fault.
fn servers(section: &str, at: Position, read: &Settings, faults: &mut Vec<Fault>) -> Vec<Server> {
    if !read.written("servers") {
        let kind = Scope::Pool.option("servers").map(|option| option.kind.describe()).unwrap_or_default();
        let text = format!("{section} has no servers");
        faults.push(Fault::error(Some(at), text, format!("add servers = ..., {kind}")));
    }
    let places = read.server_places.iter().copied();
    let mut servers: Vec<(Server, Position)> = read.servers("servers").iter().cloned().zip(places).collect();
    servers.sort_by(|(a, _), (b, _)| (a.identity.len(), &a.identity).cmp(&(b.identity.len(), &b.identity)));
    for pair in servers.windows(2) {
        let [(a, first), (b, second)] = pair else { continue };
        if a.identity == b.identity {
            let text = format!(
                "{section} has two servers called \"{}\" (the other on line {})",
                a.identity, first.line
            );
            faults.push(Fault::error(
                Some(*second),
                text,
                "give one of them another name: \"HOST:PORT:WEIGHT NAME\"",
            ));
        }
    }
    servers.into_iter().map(|(server, _)| server).collect()
}

pub(super) fn assemble(name: &str, read: &Settings, servers: Vec<Server>) -> Option<Pool> {
    Some(Pool {
        name: name.into(),
        listen: tls_table::listeners(read.written_listens("listen"), read.written("tls")),
        tls: read.tls("tls"),
        server_tls: read.server_tls("server_tls"),
        protocol: read.text("protocol").and_then(Protocol::of).unwrap_or(Protocol::Redis),
        discovery: Discovery {
            topology: read.text("topology").and_then(Topology::of).unwrap_or_default(),
            refresh: read.duration("topology_refresh"),
            read_from: read.text("read_from").and_then(ReadFrom::of).unwrap_or_default(),
            zone: read.text("zone").map(str::to_owned),
            zones: topology::zones(read).flatten().collect(),
            replica_lag_max: read.duration_if_on("replica_lag_max"),
            hedge_after: read.text("hedge_after").and_then(HedgeAfter::of),
            sentinels: Sentinels {
                addresses: topology::sentinels(read).flatten().collect(),
                user: read.text("sentinel_user").map(str::to_owned),
                password: read.secret("sentinel_password"),
                tls: read.server_tls("sentinel_tls"),
            },
        },
        pretend_cluster: read.flag("pretend_cluster"),
        pretend_cluster_peers: topology::addresses(read, "pretend_cluster_peers").flatten().collect(),
        hash: ring::Hash::from_name(read.text("hash").unwrap_or("fnv1a_64"))?,
        hash_tag: read.hash_tag("hash_tag"),
        distribution: ring::Distribution::from_name(read.text("distribution").unwrap_or("ketama"))?,
        timeout: read.duration_if_on("timeout"),
        backlog: read.integer("backlog") as u32,
        client_connections: read.integer_if_set("client_connections").map(|n| n as u32),
        limit_requests: read.rate("limit_requests"),
        auth: read.secret("auth"),
        db: read.integer("db") as u32,
        databases: read.integer("databases") as u32,
        preconnect: read.flag("preconnect"),
        auto_eject_hosts: read.flag("auto_eject_hosts"),
        server_connections: read.integer("server_connections") as u32,
        server_retry_timeout: read.duration("server_retry_timeout"),
        server_failure_limit: read.integer("server_failure_limit") as u32,
        keepalive: read.duration_if_on("keepalive"),
        unsupported: read.text("unsupported").and_then(Unsupported::of).unwrap_or(Unsupported::Error),
        allow: read.texts("allow").iter().filter_map(|name| Permit::of(name)).collect(),
        servers,
        request_bytes_max: read.size("request_bytes_max"),
        client_pipeline_max: read.integer("client_pipeline_max") as u32,
        client_output_soft_bytes: read.size("client_output_soft_bytes"),
        client_output_hard_bytes: read.size("client_output_hard_bytes"),
        private_connections: read.integer("private_connections") as u32,
        slowlog_threshold: read.duration_if_on("slowlog_threshold"),
        slowlog_len: read.integer("slowlog_len") as u32,
        hot_keys: read.flag("hot_keys"),
        server_queue_max: read.integer("server_queue_max") as u32,
    })
}

/// Reports words of `allow` that mean nothing.
fn permits(section: &str, read: &Settings, faults: &mut Vec<Fault>) {
    let known = || Permit::ALL.iter().map(|permit| permit.name());
    for word in read.texts("allow").iter().filter(|word| Permit::of(word).is_none()) {
        let help = match suggest::nearest(word, known()) {
            Some(name) => format!("did you mean {name}?"),
            None => format!("it takes {}", known().collect::<Vec<_>>().join(", ")),
        };
        let text = format!("{section}: allow has no {}", word.escape_debug());
        faults.push(Fault::error(read.place("allow"), text, help));
    }
}

/// Most connections to a server, for one version of the protocol, that a shard has for all databases.
const LANES_MAX: u32 = 16_384;

/// Options that contradict each other.
fn contradictions(section: &str, read: &Settings, pool: &Pool, faults: &mut Vec<Fault>) {
    let mut fail = |option: &str, text: &str, help: &str| {
        faults.push(Fault::error(read.place(option), format!("{section}: {text}"), help));
    };
    if pool.protocol == Protocol::Memcache {
        for option in ["auth", "auth_file", "db", "databases", "allow"] {
            if read.written(option) {
                fail(
                    option,
                    &format!("{option} is for redis pools only"),
                    "remove it, or set protocol = \"redis\"",
                );
            }
        }
    }
    if pool.databases > 1 && pool.db >= pool.databases {
        fail("databases", "db is not among the databases", "raise databases above db, or remove one of them");
    }
    if pool.databases * pool.server_connections > LANES_MAX {
        let text = format!("databases times server_connections is above {LANES_MAX}");
        fail("databases", &text, "lower one of them");
    }
    if pool.databases > 1 && pool.servers.iter().any(|server| server.target == Target::Local) {
        fail("databases", "the embedded cache has one database", "remove databases");
    }
    if !read.written("tls") && pool.listen.iter().any(|listen| listen.tls) {
        fail(
            "listen",
            "a listener says tls = true, and the pool has no tls",
            "add tls = { cert = ..., key = ... }",
        );
    }
    if pool.tls.is_some() && !pool.listen.iter().any(|listen| listen.tls) {
        fail("tls", "tls is not used: every listener says tls = false", "remove it");
    }
    let unnamed = |server: &Server| matches!(server.target, Target::Unix(_));
    if pool.server_tls.as_ref().is_some_and(|tls| tls.server_name.is_none())
        && pool.servers.iter().any(unnamed)
    {
        let text = "server_tls: a unix socket has no host that the server's certificate could name";
        fail("server_tls", text, "add server_name = \"...\" to server_tls");
    }
    if pool.client_output_soft_bytes > pool.client_output_hard_bytes {
        let option = if read.written("client_output_soft_bytes") {
            "client_output_soft_bytes"
        } else {
            "client_output_hard_bytes"
        };
        fail(
            option,
            "client_output_soft_bytes is above client_output_hard_bytes",
            "lower the one or raise the other",
        );
    }
}
