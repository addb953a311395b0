//! The names of the distributions: how a hash finds its server.
//!
//! Three are nutcracker's, one is ours; what each does is in the files `continuum`, `modula` and `random`.

crate::table::named_enum! {
    /// A distribution, by its name in a configuration file.
    pub enum Distribution {
        /// Weighted consistent hashing over MD5 points. nutcracker's default.
        #[default]
        Ketama = "ketama",
        /// Hash modulo the sum of weights.
        Modula = "modula",
        /// Any live server, whatever the key.
        Random = "random",
        /// libmemcached's `KETAMA_WEIGHTED`. Not in nutcracker: it is for clients of libmemcached that move behind
        /// a proxy. They differ in what is hashed (always the address: see [`crate::libmemcached_identity`]) and
        /// in equal points (the lower index wins). libmemcached uses it with the hash `md5` unless told otherwise.
        LibmemcachedKetama = "libmemcached_ketama",
    }
}

impl Distribution {
    /// True when nutcracker 0.5.0 knows the distribution, false for our own additions.
    pub const fn is_nutcracker(self) -> bool {
        !matches!(self, Distribution::LibmemcachedKetama)
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;

    #[test]
    fn names() {
        let nutcracker: Vec<_> =
            Distribution::ALL.iter().filter(|d| d.is_nutcracker()).map(|d| d.name()).collect();
        assert_eq!(nutcracker, ["ketama", "modula", "random"]);
        for &distribution in Distribution::ALL {
            assert_eq!(Distribution::from_name(distribution.name()), Some(distribution));
        }
        assert_eq!(Distribution::default().name(), "ketama");
        assert_eq!(Distribution::from_name("Ketama"), None);
    }
}
