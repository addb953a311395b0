//! The table of targets. Each has a file in `fuzz/fuzz_targets`; a test here compares them.

use crate::bodies::{cache, configuration, discovery, http, import, topic, upgrade};
use crate::seeds;

/// One decoder, or several with the same input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name on the command line.
    pub name: &'static str,
    /// Description of its input.
    pub what: &'static str,
    /// Function that panics if a guarantee for arbitrary bytes is broken.
    pub body: fn(&[u8]),
    /// Valid input, and malformed input known to be interesting.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words to insert.
    pub words: &'static [&'static str],
}

macro_rules! targets {
    ($($name:literal $what:literal $body:path, $seeds:path, $words:path;)*) => {
        /// All targets.
        pub const TARGETS: &[Target] =
            &[$(Target { name: $name, what: $what, body: $body, seeds: $seeds, words: $words },)*];
    };
}

targets! {
    "redis_request" "RESP requests, inline commands, routing" wire::redis::fuzzing::request, seeds::redis_requests, seeds::words::REDIS;
    "redis_reply" "RESP2 and RESP3 replies" wire::redis::fuzzing::reply, seeds::redis_replies, seeds::words::REDIS;
    "redis_cluster" "redirects, and what a node says about its cluster" wire::redis::fuzzing::cluster, seeds::redis_cluster, seeds::words::REDIS;
    "embedded_redis" "requests to the embedded cache" cache::requests, seeds::embedded_redis, seeds::words::EMBEDDED;
    "redis_dump" "values as DUMP writes them, to RESTORE" cache::restore, seeds::redis_dumps, seeds::words::NONE;
    "memcache_request" "memcached's text commands" wire::memcache::fuzzing::request, seeds::memcache_requests, seeds::words::MEMCACHE;
    "memcache_meta" "memcached's meta commands" wire::memcache::fuzzing::request, seeds::memcache_meta, seeds::words::META;
    "memcache_reply" "memcached's replies, meta ones included" wire::memcache::fuzzing::reply, seeds::memcache_replies, seeds::words::MEMCACHE;
    "nsq_v2" "commands of NSQ V2, bodies of MPUB" wire::nsq::fuzzing::v2, seeds::nsq_v2, seeds::words::NSQ;
    "nsq_frame" "frames and messages, as a client reads them" wire::nsq::fuzzing::frames, seeds::nsq_frames, seeds::words::NSQ;
    "nsq_identify" "the JSON of IDENTIFY and of its answer" wire::nsq::fuzzing::identify, seeds::nsq_identify, seeds::words::JSON;
    "nsq_lookup" "commands and answers of nsqlookupd" wire::nsq::fuzzing::lookup, seeds::nsq_lookup, seeds::words::NSQ;
    "lookup_snapshot" "a lookup's snapshot" discovery::snapshot, seeds::lookup_snapshot, seeds::words::JSON;
    "nsq_rights" "what an authorization server answers" http::rights, seeds::rights, seeds::words::JSON;
    "access_rules" "a user's rules, patterns, passwords and rates" access::fuzzing::rules, seeds::access_rules, seeds::words::ACCESS;
    "snappy" "the snappy layer of a connection" net::fuzzing::snappy, seeds::snappy, seeds::words::NONE;
    "deflate" "the deflate layer of a connection" net::fuzzing::deflate, seeds::deflate, seeds::words::NONE;
    "http" "requests to the queue's HTTP API: path, query, body" http::request, seeds::http_requests, seeds::words::HTTP;
    "journal_files" "segments and checkpoints of any content" journal::fuzzing::recovery_of_anything, seeds::noise, seeds::words::NONE;
    "journal_mutation" "a sound journal, changed" journal::fuzzing::recovery_of_mutated_files, seeds::noise, seeds::words::NONE;
    "topic_recovery" "records and checkpoint of a topic, whatever they say" topic::recovery, seeds::topic_records, seeds::words::JSON;
    "nsqd_metadata" "nsqd.dat" import::metadata, seeds::nsqd_metadata, seeds::words::JSON;
    "nsqd_import" "a data directory of nsqd" import::directory, seeds::nsqd_directories, seeds::words::JSON;
    "nutcracker_yml" "nutcracker.yml" configuration::nutcracker, seeds::nutcracker_yml, seeds::words::YAML;
    "native_toml" "nuthatch.toml" configuration::native, seeds::native_toml, seeds::words::TOML;
    "nsqd_file" "nsqd's configuration file" configuration::nsqd_file, seeds::nsqd_file, seeds::words::FLAGS;
    "upgrade" "messages between a process and its successor" upgrade::message, seeds::upgrade_messages, seeds::words::NONE;
    "nsqd_flags" "nsqd's command line" configuration::nsqd_flags, seeds::nsqd_flags, seeds::words::FLAGS;
}

/// Target of that name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Passes bytes to the target of that name.
///
/// # Panics
///
/// There is no such target, or a guarantee is broken.
pub fn play(name: &str, bytes: &[u8]) {
    (target(name).expect("a name in TARGETS").body)(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds;

    /// Rounds of each target under a test build's checks.
    const ROUNDS: u64 = 300;

    #[test]
    fn a_few_rounds_of_each() {
        for target in TARGETS {
            let corpus = rounds::Corpus::of(target);
            for round in 0..ROUNDS {
                let input = corpus.input(round);
                let held = std::panic::catch_unwind(|| (target.body)(&input));
                assert!(held.is_ok(), "{} round {round}: {}", target.name, input.escape_ascii());
            }
        }
    }

    #[test]
    fn libfuzzer_has_the_same_targets() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let mut files: Vec<_> = std::fs::read_dir(fuzz.join("fuzz_targets"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
        for name in names {
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        }
    }
}
