//! Servers of a pool added, removed and kept, and those whose connections can stay.
//!
//! Servers are matched by their name in the ring, so that one that moves keeps its keys.

use crate::checked::{Pool, Server};

/// Servers of a pool before and after a change, by their name in the ring. Pairs are (old, new).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Servers<'a> {
    /// Only in the new pool.
    pub added: Vec<&'a Server>,
    /// Only in the old pool.
    pub removed: Vec<&'a Server>,
    /// In both, but with different connections: another address, password, database or protocol.
    pub replaced: Vec<(&'a Server, &'a Server)>,
    /// In both, and their connections can stay. Weights may differ.
    pub kept: Vec<(&'a Server, &'a Server)>,
}

/// Compares the servers of a pool, in the order of the new one; removed servers in the order of the old one.
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

/// True if a connection made for the old server is valid for the new one.
fn same_connection((old_pool, old): (&Pool, &Server), (new_pool, new): (&Pool, &Server)) -> bool {
    let password = |pool: &'_ Pool, server: &'_ Server| server.password.clone().or_else(|| pool.auth.clone());
    old.target == new.target
        && password(old_pool, old) == password(new_pool, new)
        && (old_pool.protocol, old_pool.db) == (new_pool.protocol, new_pool.db)
        && old_pool.databases == new_pool.databases
}
