//! `CONFIG GET`: the answer of a pool's server, or else the proxy's own settings in Redis' terms.
//!
//! A client's connection ends at the proxy, so the number of databases is always the proxy's, and so are
//! settings of connections unless clients may change the servers' (`allow = ["admin"]`): then they are shown
//! what `CONFIG SET` sets. The rest is the server's. If none is asked, or it does not answer, the table has
//! the default of Redis 7.0. No server password is shown.

use local::Store;
use wire::redis::encode::{self, Version};
use wire::redis::{Args, Kind, Permit, Reply, glob_matches};

use super::facts::Facts;

/// Source of the value a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The proxy; no `CONFIG SET` changes it.
    Fixed,
    /// The proxy, unless clients may change the server's.
    Proxy,
    Server,
}
use Whose::{Fixed, Proxy, Server};

/// A row: the name, the source of the value, and the proxy's value.
type Setting = (&'static str, Whose, fn(&Facts<'_>) -> String);

/// Sorted by name.
const SETTINGS: &[Setting] = &[
    ("appendfsync", Server, |_| "everysec".into()),
    ("appendonly", Server, |_| "no".into()),
    ("cluster-enabled", Fixed, |_| "no".into()),
    ("databases", Fixed, |facts| facts.config().databases.to_string()),
    ("hash-max-listpack-entries", Server, |_| "512".into()),
    ("hash-max-listpack-value", Server, |_| "64".into()),
    ("hash-max-ziplist-entries", Server, |_| "512".into()),
    ("hash-max-ziplist-value", Server, |_| "64".into()),
    ("list-compress-depth", Server, |_| "0".into()),
    ("list-max-listpack-size", Server, |_| "-2".into()),
    ("list-max-ziplist-size", Server, |_| "-2".into()),
    ("maxclients", Proxy, |facts| facts.config().client_connections.unwrap_or(u32::MAX).to_string()),
    ("maxmemory", Server, |facts| facts.memory_max().to_string()),
    ("maxmemory-policy", Server, |facts| facts.memory_policy().into()),
    ("notify-keyspace-events", Server, |facts| facts.store.map_or_else(String::new, Store::events)),
    ("proto-max-bulk-len", Proxy, |facts| facts.config().request_bytes_max.min(512 << 20).to_string()),
    ("save", Server, |_| String::new()),
    ("set-max-intset-entries", Server, |_| "512".into()),
    ("stream-node-max-bytes", Server, |_| "4096".into()),
    ("stream-node-max-entries", Server, |_| "100".into()),
    ("tcp-backlog", Fixed, |facts| facts.config().backlog.to_string()),
    ("tcp-keepalive", Proxy, |facts| facts.config().keepalive.map_or(0, |t| t.as_secs()).to_string()),
    ("timeout", Proxy, |_| "0".into()),
    ("zset-max-listpack-entries", Server, |_| "128".into()),
    ("zset-max-listpack-value", Server, |_| "64".into()),
    ("zset-max-ziplist-entries", Server, |_| "128".into()),
    ("zset-max-ziplist-value", Server, |_| "64".into()),
];

/// Appends the proxy's own answer to `CONFIG GET pattern…`: each setting that matches a pattern, once.
pub(super) fn own(patterns: Args<'_>, facts: &Facts<'_>, version: Version, out: &mut Vec<u8>) {
    write(out, version, &asked(patterns, facts, |_| true));
}

/// Appends a server's answer, with the proxy's values for the proxy's settings. None if the answer is no list
/// of settings.
pub(super) fn corrected(
    (reply, frame): (Reply, &[u8]),
    patterns: Args<'_>,
    facts: &Facts<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Option<()> {
    if !matches!(reply.kind(), Kind::Array | Kind::Map) {
        return None;
    }
    let mut settings: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut elements = reply.elements(frame);
    while let Some((name, of_name)) = elements.next() {
        let (value, of_value) = elements.next()?;
        settings.push((name.body(of_name).to_vec(), value.body(of_value).to_vec()));
    }
    let is_admin = facts.config().allow.contains(&Permit::Admin);
    let is_own = |whose| whose == Fixed || whose == Proxy && !is_admin;
    settings.retain(|(name, _)| !is_secret(name) && !is_own(whose(name)));
    settings.extend(asked(patterns, facts, is_own));
    write(out, version, &settings);
    Some(())
}

/// The proxy's settings that match the patterns and whose source `counts`.
fn asked(patterns: Args<'_>, facts: &Facts<'_>, counts: impl Fn(Whose) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_asked =
        |name: &str| patterns.clone().any(|pattern| glob_matches(pattern.bytes(), name.as_bytes()));
    let rows = SETTINGS.iter().filter(|(name, whose, _)| counts(*whose) && is_asked(name));
    rows.map(|(name, _, value)| (name.as_bytes().to_vec(), value(facts).into_bytes())).collect()
}

fn whose(name: &[u8]) -> Whose {
    SETTINGS.iter().find(|row| name.eq_ignore_ascii_case(row.0.as_bytes())).map_or(Server, |row| row.1)
}

/// True for a server's password settings.
fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with(b"pass") || name.ends_with(b"auth") || name.ends_with(b"password")
}

fn write(out: &mut Vec<u8>, version: Version, settings: &[(Vec<u8>, Vec<u8>)]) {
    encode::map(out, settings.len(), version);
    for (name, value) in settings {
        encode::bulk(out, name);
        encode::bulk(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(SETTINGS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn passwords_of_a_server_are_secret() {
        for name in ["requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        assert!(!is_secret(b"maxmemory"));
    }
}
