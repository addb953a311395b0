//! The names of the distributions: how a hash finds its server.
//!
//! Three are nutcracker's, two are libmemcached's; what each does is in the files `points`, `ring`,
//! `modula` and `random`.

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
        /// libmemcached's `KETAMA_WEIGHTED`. Not in nutcracker: it is for clients of libmemcached that move
        /// behind a proxy. They differ in what is hashed (always the address: see
        /// [`crate::libmemcached_identity`]) and in equal points (the lower index wins). libmemcached uses it
        /// with the hash `md5` unless told otherwise.
        LibmemcachedKetama = "libmemcached_ketama",
        /// libmemcached's `KETAMA` with servers of equal weight, which pylibmc's `{"ketama": True}` and other
        /// bindings turn on: 100 points per server, hashed as keys are. libmemcached's own default hash is
        /// `one_at_a_time`; a weight above 1 makes it `KETAMA_WEIGHTED`.
        LibmemcachedKetamaUnweighted = "libmemcached_ketama_unweighted",
    }
}

impl Distribution {
    /// True when nutcracker 0.5.0 knows the distribution, false for our own additions.
    pub const fn is_nutcracker(self) -> bool {
        !self.is_libmemcached()
    }

    /// True for libmemcached's, which hash addresses ([`crate::libmemcached_identity`]) and know no names.
    pub const fn is_libmemcached(self) -> bool {
        matches!(self, Distribution::LibmemcachedKetama | Distribution::LibmemcachedKetamaUnweighted)
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
