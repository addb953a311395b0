//! Permissions: commands that a pool serves only if its configuration says so.

/// Permission that a command needs of its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// None.
    Always,
    /// To empty all servers (`FLUSHALL`).
    Flush,
    /// To change servers rather than keys (`CONFIG SET`, `DEBUG`).
    Admin,
}

impl Permit {
    /// Every permission that a pool can give.
    pub const ALL: [Permit; 2] = [Permit::Flush, Permit::Admin];

    /// Its word in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Permit::Always => "",
            Permit::Flush => "flush",
            Permit::Admin => "admin",
        }
    }

    /// The permission of that name.
    pub fn of(name: &str) -> Option<Permit> {
        Permit::ALL.into_iter().find(|permit| permit.name() == name)
    }

    /// The reason it is not given by default.
    pub fn why(self) -> &'static str {
        match self {
            Permit::Always => "",
            Permit::Flush => "it empties all servers",
            Permit::Admin => "it changes the servers themselves",
        }
    }
}
