//! The order in which servers are numbered, and libmemcached's way to name them.
//!
//! Both are what two programs must agree on before they can agree on anything else: the same keys with the
//! servers in another order are other keys.

/// Positions of `identities` in nutcracker's server order: by length, then by bytes; equal ones stay as they
/// were.
///
/// The position in this order is the server's index, which decides modula and random, and ties in ketama.
pub fn sort_order<T: AsRef<[u8]>>(identities: &[T]) -> Vec<usize> {
    let key = |&i: &usize| identities.get(i).map(|id| (id.as_ref().len(), id.as_ref()));
    let mut order: Vec<usize> = (0..identities.len()).collect();
    order.sort_by(|a, b| key(a).cmp(&key(b)));
    order
}

/// Name libmemcached hashes for a server: `host` on memcached's port 11211, else `host:port`.
///
/// A unix socket is its path and port 0. Names from a configuration file play no part, and servers are
/// numbered in the order in which the client lists them.
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
