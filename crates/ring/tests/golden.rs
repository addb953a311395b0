//! The ring compared with the originals.
//!
//! `hash.jsonl` and `ring.jsonl` hold values of nutcracker 0.5.0 (beside the repository, not in it: skipped
//! with a message if absent). `tests/data/nutcracker_long_names.jsonl` has names past the length at which
//! nutcracker cuts them, confirmed with the running program. `tests/data/libmemcached.jsonl` holds
//! libmemcached's weighted ketama: computed from its rules by an independent program and confirmed with
//! libmemcached 1.1.4. `tests/data/libmemcached_unweighted.jsonl` has the results of libmemcached 1.1.4's
//! `memcached_generate_hash` with `MEMCACHED_BEHAVIOR_KETAMA` for servers of equal weight; 1.0.16, bundled
//! with pylibmc 1.6.3, gives the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nuthatch_ring::{
    Distribution, Hash, Node, Ring, ketama_points, libmemcached_identity, sort_order, tagged,
};
use serde_json::Value;

/// The lines of a golden file; none, with a message, if it is absent.
fn golden(name: &str) -> Vec<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("../shared/golden").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return Vec::new();
    };
    lines(&text)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Bytes of a golden string: each character is one byte.
fn bytes(value: &Value) -> Vec<u8> {
    value.as_str().expect("a string").chars().map(|c| u8::try_from(c as u32).expect("a byte")).collect()
}

fn strings(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().map(|list| list.iter().map(bytes).collect()).unwrap_or_default()
}

/// Identity and weight of a `host:port:weight[ name]` line, as nutcracker derives them.
fn server(line: &[u8]) -> (Vec<u8>, u32) {
    let line = String::from_utf8(line.iter().flat_map(|&b| (b as char).to_string().into_bytes()).collect());
    let line = line.expect("UTF-8");
    let (address, name) = match line.rsplit_once(' ') {
        Some((address, name)) => (address, Some(name)),
        None => (line.as_str(), None),
    };
    let (address, weight) = address.rsplit_once(':').expect("a weight");
    let identity = match name {
        Some(name) => name.to_owned(),
        None if address.starts_with('/') => format!("{address}:"),
        None => address.strip_suffix(":11211").unwrap_or(address).to_owned(),
    };
    (identity.chars().map(|c| c as u8).collect(), weight.parse().expect("a number"))
}

/// Servers in index order.
fn servers(case: &Value) -> Vec<(Vec<u8>, u32)> {
    let given: Vec<_> = strings(&case["servers"]).iter().map(|line| server(line)).collect();
    let identities: Vec<&[u8]> = given.iter().map(|(identity, _)| identity.as_slice()).collect();
    sort_order(&identities).into_iter().map(|i| given[i].clone()).collect()
}

fn nodes<'a>(servers: &'a [(Vec<u8>, u32)], ejected: &[Vec<u8>]) -> Vec<Node<'a>> {
    let node = |(identity, weight): &'a (Vec<u8>, u32)| Node {
        live: !ejected.contains(identity),
        ..Node::new(identity, *weight)
    };
    servers.iter().map(node).collect()
}

#[test]
fn hashes_as_nutcracker() {
    for case in golden("hash.jsonl") {
        let key = bytes(&case["key"]);
        let expected: BTreeMap<String, u32> =
            serde_json::from_value(case["hash"].clone()).expect("a value for each hash");
        assert_eq!(expected.len(), Hash::ALL.len(), "{}", case["id"]);
        for (name, value) in expected {
            let hash = Hash::from_name(&name).expect("a known hash");
            assert_eq!(hash.hash(&key), value, "{} {name}", case["id"]);
        }
    }
}

#[test]
fn rings_as_nutcracker() {
    let long_names = lines(include_str!("data/nutcracker_long_names.jsonl"));
    assert!(!long_names.is_empty());
    for case in golden("ring.jsonl").into_iter().chain(long_names) {
        let servers = servers(&case);
        let order: Vec<Vec<u8>> = servers.iter().map(|(identity, _)| identity.clone()).collect();
        assert_eq!(order, strings(&case["order"]), "{}", case["id"]);
        let nodes = nodes(&servers, &strings(&case["ejected"]));
        if case["points"].is_array() {
            let points: Vec<(u32, u32)> = ketama_points(&nodes).iter().map(|p| (p.value, p.server)).collect();
            let expected: Vec<(u32, u32)> = serde_json::from_value(case["points"].clone()).expect("points");
            assert_eq!(points, expected, "{}", case["id"]);
        } else {
            check_choices(&case, &nodes);
        }
    }
}

fn check_choices(case: &Value, nodes: &[Node<'_>]) {
    let distribution = Distribution::from_name(case["distribution"].as_str().expect("text"));
    let hash = Hash::from_name(case["hash"].as_str().expect("text"));
    let tag = case["hash_tag"].as_str().map(|tag| tag.as_bytes().try_into().expect("two bytes"));
    let mut ring = Ring::build(distribution.expect("known"), hash.expect("known"), nodes);
    let choices: Vec<usize> = serde_json::from_value(case["choice"].clone()).expect("indexes");
    let keys = strings(&case["keys"]);
    assert_eq!(keys.len(), choices.len());
    for (key, choice) in keys.iter().zip(choices) {
        let server = ring.server_of_key(tagged(key, tag));
        assert_eq!(server, Some(choice), "{} key {}", case["id"], String::from_utf8_lossy(key));
    }
}

#[test]
fn weighted_ketama_as_libmemcached() {
    check_libmemcached(include_str!("data/libmemcached.jsonl"), 13);
}

#[test]
fn unweighted_ketama_as_libmemcached() {
    check_libmemcached(include_str!("data/libmemcached_unweighted.jsonl"), 19);
}

fn check_libmemcached(file: &str, count: usize) {
    let cases = lines(file);
    assert_eq!(cases.len(), count);
    for case in cases {
        let given: Vec<(String, u16, u32)> =
            serde_json::from_value(case["servers"].clone()).expect("servers");
        let identities: Vec<String> =
            given.iter().map(|(host, port, _)| libmemcached_identity(host, *port)).collect();
        let nodes: Vec<Node> =
            given.iter().zip(&identities).map(|(s, id)| Node::new(id.as_bytes(), s.2)).collect();
        check_choices(&case, &nodes);
    }
}
