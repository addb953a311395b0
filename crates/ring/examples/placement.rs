//! Placement of keys: the servers are arguments, each line of standard input is a key.
//!
//! ```text
//! $ seq 5 | cargo run -q -p nuthatch-ring --example placement alpha beta gamma
//! 1 beta
//! ...
//! ```
//! Servers have the same weight, the hash is murmur, the distribution ketama.

use std::io::BufRead;

use nuthatch_ring::{Distribution, Hash, Node, Ring, sort_order};

fn main() -> std::io::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    // The order of nutcracker, on which its placement depends.
    let nodes: Vec<Node<'_>> =
        sort_order(&names).into_iter().map(|at| Node::new(names[at].as_bytes(), 1)).collect();
    let mut ring = Ring::build(Distribution::Ketama, Hash::Murmur, &nodes);
    for key in std::io::stdin().lock().lines() {
        let key = key?;
        match ring.server_of_key(key.as_bytes()) {
            Some(server) => println!("{key} {}", nodes[server].identity.escape_ascii()),
            None => return Err(std::io::Error::other("name the servers: placement SERVER...")),
        }
    }
    Ok(())
}
