//! `INFO`: the answer of a pool's only server, or else the proxy's own.
//!
//! The proxy's own text has only the sections and fields of Redis that it has values for: other fields are
//! missing rather than made up. Counters are those of the client's shard.

use config::checked::Topology;
use wire::redis::encode::{self, Version};
use wire::redis::{Args, Kind, Reply};

use super::facts::{Facts, REDIS_VERSION};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A section: its name in the request, and its text.
type Section = (&'static str, fn(&Facts<'_>) -> String);

/// In Redis' order.
const SECTIONS: &[Section] = &[
    ("server", server),
    ("clients", clients),
    ("memory", memory),
    ("persistence", |_| "# Persistence\r\nloading:0\r\n".into()),
    ("stats", stats),
    ("replication", |_| "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n".into()),
    ("cluster", cluster),
    ("topology", topology),
    ("keyspace", keyspace),
];

/// Appends the proxy's own answer to `INFO [section…]`.
pub(super) fn own(asked: Args<'_>, facts: &Facts<'_>, version: Version, out: &mut Vec<u8>) {
    let all = asked.count_left() == 0
        || asked.clone().any(|s| s.is("all") || s.is("default") || s.is("everything"));
    let chosen = SECTIONS.iter().filter(|(name, _)| all || asked.clone().any(|s| s.is(name)));
    let texts: Vec<String> = chosen.map(|(_, text)| text(facts)).collect();
    encode::verbatim(out, texts.join("\r\n").as_bytes(), version);
}

/// Appends a server's answer, corrected where the proxy makes a difference: cluster mode is the pool's, and
/// the proxy's version is added. None if the answer is no text.
pub(super) fn corrected(
    (reply, frame): (Reply, &[u8]),
    facts: &Facts<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Option<()> {
    let text = match reply.kind() {
        Kind::Bulk => reply.body(frame),
        Kind::Verbatim => reply.body(frame).get(4..)?,
        _ => return None,
    };
    let mut corrected = Vec::with_capacity(text.len() + 64);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        match name {
            b"redis_mode" => {
                corrected.extend_from_slice(format!("redis_mode:{}\r\n", mode(facts)).as_bytes());
            }
            b"cluster_enabled" => corrected.extend_from_slice(cluster_enabled(facts).as_bytes()),
            _ => corrected.extend_from_slice(line),
        }
        if name == b"redis_version" {
            corrected.extend_from_slice(format!("nuthatch_version:{VERSION}\r\n").as_bytes());
        }
    }
    encode::verbatim(out, &corrected, version);
    Some(())
}

fn mode(facts: &Facts<'_>) -> &'static str {
    if facts.config().pretend_cluster { "cluster" } else { "standalone" }
}

fn cluster_enabled(facts: &Facts<'_>) -> String {
    format!("cluster_enabled:{}\r\n", u8::from(facts.config().pretend_cluster))
}

fn cluster(facts: &Facts<'_>) -> String {
    format!("# Cluster\r\n{}", cluster_enabled(facts))
}

/// The section Topology, which Redis has not: how the pool finds its servers, and how far it has come.
fn topology(facts: &Facts<'_>) -> String {
    let pool = facts.pool;
    let name = match facts.config().discovery.topology {
        Topology::Ring => "ring",
        Topology::Cluster => "cluster",
        Topology::Sentinel => "sentinel",
    };
    let mut text = format!("# Topology\r\ntopology:{name}\r\ntopology_servers:{}\r\n", pool.servers.len());
    let Some(slots) = pool.placement.slots() else { return text };
    if let Some(map) = slots.map() {
        let (masters, served) = (map.masters(), map.slots_served());
        text += &format!(
            "topology_masters:{masters}\r\ntopology_slots_served:{served}\r\ntopology_epoch:{}\r\n",
            map.epoch
        );
    }
    let state = pool.discovery.state();
    if let Some(at) = state.refreshed_ms {
        text += &format!("topology_refreshed_seconds_ago:{}\r\n", facts.now_ms.saturating_sub(at) / 1000);
    }
    let fault = state.fault.map_or_else(String::new, |fault| fault.to_string());
    text += &format!("topology_views_refused:{}\r\ntopology_fault:{fault}\r\n", state.views_refused);
    text
}

fn server(facts: &Facts<'_>) -> String {
    let seconds = facts.uptime.as_secs();
    format!(
        "# Server\r\nredis_version:{REDIS_VERSION}\r\nnuthatch_version:{VERSION}\r\nredis_mode:{mode}\r\nos:{os} {arch}\r\n\
         arch_bits:{bits}\r\nprocess_id:{pid}\r\nuptime_in_seconds:{seconds}\r\nuptime_in_days:{days}\r\n",
        mode = mode(facts),
        os = std::env::consts::OS,
        arch = std::env::consts::ARCH,
        bits = usize::BITS,
        pid = std::process::id(),
        days = seconds / 86_400,
    )
}

fn clients(facts: &Facts<'_>) -> String {
    let connected = facts.pool.clients.load(std::sync::atomic::Ordering::Relaxed);
    let max = facts.config().client_connections.unwrap_or(u32::MAX);
    format!(
        "# Clients\r\nconnected_clients:{connected}\r\nmaxclients:{max}\r\nblocked_clients:{}\r\n",
        facts.blocked
    )
}

fn memory(facts: &Facts<'_>) -> String {
    let used = facts.memory as u64 + facts.store.map_or(0, |store| store.bytes());
    let max = facts.memory_max() as u64;
    format!(
        "# Memory\r\nused_memory:{used}\r\nused_memory_human:{}\r\nmaxmemory:{max}\r\nmaxmemory_human:{}\r\n\
         maxmemory_policy:{}\r\n",
        human(used),
        human(max),
        facts.memory_policy()
    )
}

fn stats(facts: &Facts<'_>) -> String {
    let stats = &facts.pool.stats;
    let mut text = format!(
        "# Stats\r\ntotal_connections_received:{}\r\ntotal_commands_processed:{}\r\ntotal_net_input_bytes:{}\r\n\
         total_net_output_bytes:{}\r\nrejected_connections:{}\r\n",
        stats.client_accepts.get(),
        stats.client_requests.get(),
        stats.client_request_bytes.get(),
        stats.client_reply_bytes.get(),
        stats.client_refused.get()
    );
    if let Some(counters) = facts.store.map(|store| store.counters()) {
        text += &format!(
            "expired_keys:{}\r\nevicted_keys:{}\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n",
            counters.expired,
            counters.evicted,
            counters.get_hits,
            counters.gets - counters.get_hits
        );
    }
    text
}

/// The section Keyspace. Keys with an expiry are not counted separately.
fn keyspace(facts: &Facts<'_>) -> String {
    match facts.store {
        Some(store) if !store.is_empty() => {
            format!("# Keyspace\r\ndb{}:keys={},avg_ttl=0\r\n", facts.config().db, store.len())
        }
        _ => "# Keyspace\r\n".into(),
    }
}

/// Bytes in Redis' human-readable form: `919.60K`.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    let unit = (bytes.max(1).ilog2() as usize / 10).min(UNITS.len() - 1);
    match unit {
        0 => format!("{bytes}B"),
        _ => format!("{:.2}{}", bytes as f64 / (1u64 << (10 * unit)) as f64, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (941_672, "919.60K"),
            (1 << 20, "1.00M"),
            (25_276_510_208, "23.54G"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
