//! Cost of finding a key's server: the hash, the lookup, and both.
//!
//! `cargo bench -p nuthatch-ring`; keys are 16 and 40 bytes, pools 2, 10 and 100 servers.
#![allow(missing_docs, reason = "criterion_group! writes a public function without a doc comment")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nuthatch_ring::{Distribution, Hash, Node, Ring};

fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("hash");
    for &hash in Hash::ALL {
        for key in ["key:000000012345", "session:0123456789abcdef0123456789abcdef"] {
            group.bench_function(format!("{hash}/{}", key.len()), |b| {
                b.iter(|| hash.hash(black_box(key.as_bytes())));
            });
        }
    }
}

fn lookups(c: &mut Criterion) {
    let mut group = c.benchmark_group("lookup");
    for &distribution in Distribution::ALL {
        for servers in [2, 10, 100] {
            let mut ring = ring(distribution, servers);
            let mut hash = 1u32;
            group.bench_function(format!("{distribution}/{servers}"), |b| {
                b.iter(|| {
                    hash = hash.wrapping_mul(0x9e37_79b1).wrapping_add(1);
                    ring.server_of_hash(black_box(hash))
                });
            });
        }
    }
}

fn keys(c: &mut Criterion) {
    let keys: Vec<String> = (0..1024).map(|i| format!("key:{i:012}")).collect();
    let mut ring = ring(Distribution::Ketama, 10);
    let mut next = 0;
    c.bench_function("key/ketama/10/fnv1a_64", |b| {
        b.iter(|| {
            next = (next + 1) % keys.len();
            ring.server_of_key(black_box(keys[next].as_bytes()))
        });
    });
}

fn ring(distribution: Distribution, servers: usize) -> Ring {
    let names: Vec<String> = (0..servers).map(|i| format!("10.0.0.{i}:6379")).collect();
    let nodes: Vec<Node> = names.iter().map(|name| Node::new(name.as_bytes(), 1)).collect();
    Ring::build(distribution, Hash::Fnv1a64, &nodes)
}

criterion_group!(benches, hashes, lookups, keys);
criterion_main!(benches);
