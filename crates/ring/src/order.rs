//! Order of servers, and their names in libmemcached.
//!
//! Two programs must agree on both to place keys alike: another order of the servers moves keys.

/// Positions of `identities` in nutcracker's server order: by length, then by bytes; equal ones keep their
/// order.
///
/// The position in this order is the server's index, which modula and random use, and ketama for ties.
pub fn sort_order<T: AsRef<[u8]>>(identities: &[T]) -> Vec<usize> {
    let key = |&i: &usize| identities.get(i).map(|id| (id.as_ref().len(), id.as_ref()));
    let mut order: Vec<usize> = (0..identities.len()).collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    order
}

/// Name that libmemcached hashes for a server: `host` on memcached's port 11211, else `host:port`.
///
/// A unix socket is its path with port 0. Names from a configuration file are not used, and servers are
/// numbered in the client's order.
pub fn libmemcached_identity(host: &str, port: u16) -> String {
    const MEMCACHED_PORT: u16 = 11211;
    if port == MEMCACHED_PORT { host.to_owned() } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_length_then_bytes() {
        let given = ["alpha", "beta", "gamma", "delta10", "eps", "\u{e9}a", "beta"];
        let sorted: Vec<&str> = sort_order(&given).into_iter().map(|i| given[i]).collect();
        assert_eq!(sorted, ["eps", "\u{e9}a", "beta", "beta", "alpha", "gamma", "delta10"]);
        assert_eq!(sort_order(&["b", "a", "b"]), [1, 0, 2]);
        assert!(sort_order::<&str>(&[]).is_empty());
    }

    #[test]
    fn libmemcached_leaves_its_own_port_out() {
        assert_eq!(libmemcached_identity("10.0.0.1", 11211), "10.0.0.1");
        assert_eq!(libmemcached_identity("10.0.0.1", 11212), "10.0.0.1:11212");
        assert_eq!(libmemcached_identity("/tmp/m.sock", 0), "/tmp/m.sock:0");
    }
}
