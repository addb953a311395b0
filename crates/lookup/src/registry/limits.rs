//! Limits on the registry, and the error at a limit.

/// Limits on the registry. nsqlookupd has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Known topics and channels, together.
    pub names_max: usize,
    /// Topics and channels that one producer may register.
    pub registrations_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { names_max: 1_000_000, registrations_max: 200_000 }
    }
}

/// The error at a limit: names the limit and the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// [`Limits::names_max`].
    Names(usize),
    /// [`Limits::registrations_max`].
    Registrations(usize),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Full::Names(max) => {
                write!(f, "too many topics and channels, {max} allowed: delete some")
            }
            Full::Registrations(max) => write!(f, "too many registrations of one node, {max} allowed"),
        }
    }
}
