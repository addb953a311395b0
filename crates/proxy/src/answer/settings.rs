//! `CONFIG GET`: the settings that client libraries and tools ask a Redis for before they work.
//!
//! The proxy has no such settings; the values are those that describe it best, and each is one that a Redis could give.

use config::checked::Pool as Config;
use wire::redis::encode::{self, Version};
use wire::redis::{Args, glob_matches};

/// A row: the name, and its value for a pool.
type Setting = (&'static str, fn(&Config) -> String);

/// Sorted by name.
const SETTINGS: &[Setting] = &[
    ("appendfsync", |_| "everysec".into()),
    ("appendonly", |_| "no".into()),
    ("cluster-enabled", |_| "no".into()),
    ("databases", |_| "1".into()),
    ("maxclients", |config| config.client_connections.unwrap_or(u32::MAX).to_string()),
    ("maxmemory", |_| "0".into()),
    ("maxmemory-policy", |_| "noeviction".into()),
    ("notify-keyspace-events", |_| String::new()),
    ("proto-max-bulk-len", |config| config.request_bytes_max.min(512 << 20).to_string()),
    ("save", |_| String::new()),
    ("tcp-backlog", |config| config.backlog.to_string()),
    ("tcp-keepalive", |config| config.keepalive.map_or(0, |t| t.as_secs()).to_string()),
    ("timeout", |_| "0".into()),
];

/// Appends the reply to `CONFIG GET pattern…`: each setting that one of the patterns names, once.
pub(super) fn get(patterns: Args<'_>, config: &Config, version: Version, out: &mut Vec<u8>) {
    let is_asked =
        |name: &str| patterns.clone().any(|pattern| glob_matches(pattern.bytes(), name.as_bytes()));
    let found: Vec<&Setting> = SETTINGS.iter().filter(|(name, _)| is_asked(name)).collect();
    encode::map(out, found.len(), version);
    for (name, value) in found {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value(config).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(SETTINGS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
