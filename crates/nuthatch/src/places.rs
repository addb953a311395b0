//! Listening addresses of the process, for the operator.

/// A listening address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Service at the address.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

/// All listening addresses of a process.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Addresses of pools, in their order.
    pub pools: Vec<Listening>,
    /// Addresses of the queue, the lookup and nsqadmin.
    pub data: Vec<Listening>,
    /// The statistics port.
    pub stats: Option<Listening>,
    /// The admin port.
    pub admin: Option<Listening>,
}

impl Places {
    /// All addresses, in display order.
    pub fn all(&self) -> impl Iterator<Item = &Listening> {
        self.pools.iter().chain(&self.data).chain(&self.stats).chain(&self.admin)
    }

    /// All addresses, for the admin port.
    pub fn shown(&self) -> Vec<admin::Listening> {
        let shown = |at: &Listening| admin::Listening { what: at.what.clone(), address: at.address.clone() };
        self.all().map(shown).collect()
    }
}
