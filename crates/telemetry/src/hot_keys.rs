//! Hot keys and big replies of a pool, as its shards have last published them.
//!
//! A shard replaces its own report about once a second, and only if nobody is copying it at that moment: it
//! never waits. The control thread merges the reports.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Cut;

/// A key that is used much, as estimated from a sample of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct HotKey {
    /// The key, cut.
    pub key: Cut,
    /// Server it lives on.
    pub server: String,
    /// Reads per second.
    pub reads: f64,
    /// Writes per second.
    pub writes: f64,
    /// Bytes of replies to reads, per second.
    pub read_bytes: f64,
    /// Bytes of writes, per second.
    pub write_bytes: f64,
}

impl HotKey {
    /// Requests per second.
    pub fn requests(&self) -> f64 {
        self.reads + self.writes
    }
}

/// A reply that was big.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BigReply {
    /// Its bytes.
    pub bytes: u64,
    /// Command, in lower case.
    pub command: String,
    /// Key, if the request had one at its beginning.
    pub key: Option<Cut>,
    /// Server that sent it.
    pub server: String,
    /// Address of the client, if it was there.
    pub client: String,
    /// Time on the wall clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// Hot keys and big replies of a pool, on one shard or on all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyReport {
    /// Time of the report on the wall clock, in milliseconds since the Unix epoch; 0 for none.
    pub at_ms: u64,
    /// The hottest keys, the hottest first.
    pub keys: Vec<HotKey>,
    /// The biggest replies lately, the biggest first.
    pub replies: Vec<BigReply>,
}

/// Age from which a report's rates are out of date: its shard had no traffic since.
const STALE_MS: u64 = 30_000;

/// The reports of all shards of a pool.
#[derive(Debug, Default)]
pub struct KeyReports {
    shards: Box<[Mutex<Arc<KeyReport>>]>,
}

impl KeyReports {
    /// Most hot keys of a report.
    pub const KEYS_MAX: usize = 32;
    /// Most big replies of a report.
    pub const REPLIES_MAX: usize = 16;

    /// Empty reports.
    pub fn new(shards: usize) -> KeyReports {
        KeyReports { shards: (0..shards).map(|_| Mutex::default()).collect() }
    }

    /// Replaces the report of a shard. False if it is being copied.
    pub fn publish(&self, shard: usize, report: KeyReport) -> bool {
        let Some(place) = self.shards.get(shard) else { return true };
        let Ok(mut place) = place.try_lock() else { return false };
        *place = Arc::new(report);
        true
    }

    /// The reports of all shards as one, at this time. For the control thread, which may wait for a shard.
    pub fn merged(&self, now_ms: u64) -> KeyReport {
        let mut all = KeyReport::default();
        for place in &self.shards {
            let report = Arc::clone(&place.lock().unwrap_or_else(PoisonError::into_inner));
            all.at_ms = all.at_ms.max(report.at_ms);
            all.replies.extend_from_slice(&report.replies);
            if report.at_ms.saturating_add(STALE_MS) >= now_ms {
                report.keys.iter().for_each(|key| all.add(key));
            }
        }
        all.keys.sort_by(|a, b| b.requests().total_cmp(&a.requests()));
        all.keys.truncate(KeyReports::KEYS_MAX);
        all.replies.sort_by_key(|reply| std::cmp::Reverse(reply.bytes));
        all.replies.truncate(KeyReports::REPLIES_MAX);
        all
    }
}

impl KeyReport {
    fn add(&mut self, key: &HotKey) {
        let same = self.keys.iter_mut().find(|known| known.key == key.key && known.server == key.server);
        let Some(known) = same else { return self.keys.push(key.clone()) };
        known.reads += key.reads;
        known.writes += key.writes;
        known.read_bytes += key.read_bytes;
        known.write_bytes += key.write_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, reads: f64) -> HotKey {
        let key = Cut::of(name.as_bytes(), name.len());
        HotKey { key, server: "s".into(), reads, writes: 1.0, read_bytes: 10.0, write_bytes: 5.0 }
    }

    fn reply(bytes: u64) -> BigReply {
        let (command, server) = ("get".into(), "s".into());
        BigReply { bytes, command, key: None, server, client: String::new(), at_ms: 1 }
    }

    #[test]
    fn reports_of_shards_are_added_up() {
        let reports = KeyReports::new(3);
        let report = |at_ms, keys: &[HotKey], bytes: &[u64]| KeyReport {
            at_ms,
            keys: keys.to_vec(),
            replies: bytes.iter().copied().map(reply).collect(),
        };
        assert!(reports.publish(0, report(100_000, &[key("a", 5.0), key("b", 4.0)], &[9, 3])));
        assert!(reports.publish(1, report(101_000, &[key("b", 4.0)], &[5])));
        assert!(reports.publish(2, report(60_000, &[key("c", 99.0)], &[7])), "long ago");
        let all = reports.merged(101_000);
        let names: Vec<String> = all.keys.iter().map(|key| key.key.to_string()).collect();
        assert_eq!(
            (names, all.keys[0].reads, all.keys[0].write_bytes),
            (vec!["b".into(), "a".into()], 8.0, 10.0)
        );
        assert_eq!(all.replies.iter().map(|reply| reply.bytes).collect::<Vec<_>>(), [9, 7, 5, 3]);
        assert_eq!(all.at_ms, 101_000);
    }

    #[test]
    fn a_report_that_is_being_copied_is_not_waited_for() {
        let reports = KeyReports::new(1);
        let held = reports.shards[0].lock().unwrap();
        assert!(!reports.publish(0, KeyReport::default()));
        drop(held);
        assert!(reports.publish(0, KeyReport::default()) && reports.publish(7, KeyReport::default()));
    }
}
