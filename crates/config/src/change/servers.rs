//! Servers of a pool that come, go and stay, and those whose connections can stay.
//!
//! A server is the same by its name in the ring, so that one that moves keeps its keys.

use crate::checked::{Pool, Server};

/// Servers of a pool before and after a change, by their name in the ring. Pairs are (old, new).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Servers<'a> {
    /// Only the new pool has them.
    pub added: Vec<&'a Server>,
    /// Only the old pool has them.
    pub removed: Vec<&'a Server>,
    /// Both have them, but connections to them are made in another way: another address, password, database
    /// or protocol.
    pub replaced: Vec<(&'a Server, &'a Server)>,
    /// Both have them, and their connections can stay. Weights may differ.
    pub kept: Vec<(&'a Server, &'a Server)>,
}

/// Compares the servers of a pool, in the order of the new one, those removed in that of the old one.
pub fn servers<'a>(old: &'a Pool, new: &'a Pool) -> Servers<'a> {
    let mut servers = Servers::default();
    for server in &new.servers {
        match old.servers.iter().find(|other| other.identity == server.identity) {
            Some(before) if same_connection((old, before), (new, server)) => {
                servers.kept.push((before, server));
            }
            Some(before) => servers.replaced.push((before, server)),
            None => servers.added.push(server),
        }
    }
    let gone = |server: &&Server| !new.servers.iter().any(|other| other.identity == server.identity);
    servers.removed = old.servers.iter().filter(gone).collect();
    servers
}

/// A connection that was made for the one serves the other.
fn same_connection((old_pool, old): (&Pool, &Server), (new_pool, new): (&Pool, &Server)) -> bool {
    let password = |pool: &'_ Pool, server: &'_ Server| server.password.clone().or_else(|| pool.auth.clone());
    old.target == new.target
        && password(old_pool, old) == password(new_pool, new)
        && (old_pool.protocol, old_pool.db) == (new_pool.protocol, new_pool.db)
}
