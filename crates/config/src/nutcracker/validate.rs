//! nutcracker's checks once all directives are set, and the resulting pools.
//!
//! Servers and pools are sorted here (length of the name, then bytes): that is the index order
//! of the ring and of the statistics.

use std::time::Duration;

use super::directive::RawPool;
use super::{Accepted, Ignored, Reason};
use crate::checked::{Pool, PoolListen, Protocol};
use crate::limits;
use crate::native;

/// nutcracker's defaults that differ from the native file's.
const SERVER_RETRY_TIMEOUT_MS: i32 = 30_000;
const SERVER_FAILURE_LIMIT: i32 = 2;
const BACKLOG: i32 = 512;
/// Most connections to a server; nutcracker accepts any number. Lanes are
/// numbered in 16 bits, two per connection.
const SERVER_CONNECTIONS_MAX: i32 = 1024;

/// Checks the pools and converts them for the rest of the program.
pub(super) fn pools(mut pools: Vec<RawPool>, file: &str) -> Result<Accepted, Vec<Reason>> {
    let mut reasons = Vec::new();
    for pool in &mut pools {
        one(pool, &mut reasons);
    }
    if reasons.is_empty() {
        same_listen(&mut pools, &mut reasons);
    }
    sort(&mut pools, |pool| &pool.name);
    for pair in pools.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            // The stray quote is the original's.
            let text = format!("conf: '{file}' has pools with same name {}'", a.name);
            reasons.push(Reason::new(Some(b.position), text));
        }
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let ignored = pools.iter().filter_map(ignored).collect();
    let pools: Vec<Pool> = pools.into_iter().filter_map(checked).collect();
    // nutcracker has no such limit.
    if let Some((text, _)) = limits::of_all(&pools) {
        return Err(vec![Reason::new(None, format!("conf: '{file}' has {text}"))]);
    }
    Ok(Accepted { pools, ignored })
}

/// Checks one pool and sorts its servers.
fn one(pool: &mut RawPool, reasons: &mut Vec<Reason>) {
    let mut refuse = |text: String| reasons.push(Reason::new(Some(pool.position), text));
    if pool.listen.is_none() {
        refuse("conf: directive \"listen:\" is missing".into());
    }
    if pool.numbers.get("server_connections").is_some_and(|(n, _)| *n == 0) {
        refuse("conf: directive \"server_connections:\" cannot be 0".into());
    }
    if pool.bools.get("redis") != Some(&true) && pool.auth.is_some() {
        refuse("conf: directive \"redis_auth:\" is only valid for a redis pool".into());
    }
    if pool.servers.is_empty() {
        refuse(format!("conf: pool '{}' has no servers", pool.name));
    }
    if let Some((text, _)) = limits::of_pool(&pool.name, pool.servers.len()) {
        refuse(format!("conf: {text}"));
    }
    sort(&mut pool.servers, |(server, _)| &server.identity);
    for pair in pool.servers.windows(2) {
        if let [(a, _), (b, position)] = pair
            && a.identity == b.identity
        {
            let text = format!("conf: pool '{}' has servers with same name '{}'", pool.name, a.identity);
            reasons.push(Reason::new(Some(*position), text));
        }
    }
}

/// Reports two pools with the same `listen`, compared as written.
fn same_listen(pools: &mut [RawPool], reasons: &mut Vec<Reason>) {
    sort(pools, |pool| pool.listen.as_ref().map_or("", |(text, ..)| text));
    for pair in pools.windows(2) {
        if let [a, b] = pair
            && let (Some((listen, ..)), Some((other, _, position))) = (&a.listen, &b.listen)
            && listen == other
        {
            let text =
                format!("conf: pools '{}' and '{}' have the same listen address '{listen}'", a.name, b.name);
            reasons.push(Reason::new(Some(*position), text));
        }
    }
}

/// nutcracker's order of texts: length, then bytes.
fn sort<T>(items: &mut [T], key: impl Fn(&T) -> &str) {
    items.sort_by(|a, b| (key(a).len(), key(a)).cmp(&(key(b).len(), key(b))));
}

/// `client_connections` is parsed but never enforced: a fleet may run with any number there.
fn ignored(pool: &RawPool) -> Option<Ignored> {
    let (_, position) = pool.numbers.get("client_connections")?;
    Some(Ignored { pool: pool.name.clone(), directive: "client_connections", position: *position })
}

fn checked(raw: RawPool) -> Option<Pool> {
    let number = |name: &str, default: i32| raw.numbers.get(name).map_or(default, |(n, _)| *n);
    let flag = |name: &str| raw.bools.get(name) == Some(&true);
    let millis = |ms: i32| Duration::from_millis(u64::from(ms.unsigned_abs()));
    let servers = raw.servers.iter().map(|(server, _)| server.clone()).collect();
    let defaults = native::default_pool(&raw.name, servers);
    Some(Pool {
        listen: vec![PoolListen::plain(raw.listen.as_ref()?.1.clone())],
        tls: None,
        server_tls: None,
        protocol: if flag("redis") { Protocol::Redis } else { Protocol::Memcache },
        hash: raw.hash.unwrap_or_default(),
        hash_tag: raw.hash_tag,
        distribution: raw.distribution.unwrap_or_default(),
        timeout: Some(millis(number("timeout", 0))).filter(|timeout| !timeout.is_zero()),
        backlog: number("backlog", BACKLOG) as u32,
        client_connections: None,
        auth: raw.auth.clone(),
        db: number("redis_db", 0) as u32,
        databases: 1,
        preconnect: flag("preconnect"),
        auto_eject_hosts: flag("auto_eject_hosts"),
        server_connections: number("server_connections", 1).min(SERVER_CONNECTIONS_MAX) as u32,
        server_retry_timeout: millis(number("server_retry_timeout", SERVER_RETRY_TIMEOUT_MS)),
        // A limit of 0 ejects at the first failure, as 1 does.
        server_failure_limit: number("server_failure_limit", SERVER_FAILURE_LIMIT).max(1) as u32,
        keepalive: defaults.keepalive.filter(|_| flag("tcpkeepalive")),
        ..defaults
    })
}
