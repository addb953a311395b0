//! twemproxy's hashes and distributions, bit-exact with nutcracker 0.5.0.

/// A key hash by its nutcracker name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hash {
    /// `fnv1a_64`, the default.
    #[default]
    Fnv1a64,
}

/// A distribution by its nutcracker name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Distribution {
    /// `ketama`, the default.
    #[default]
    Ketama,
}
