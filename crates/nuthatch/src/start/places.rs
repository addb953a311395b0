//! Places that are listened on, for the operator.

/// A place that is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Service at that address.
    pub what: String,
    /// The address as bound.
    pub address: String,
}

/// All places of a process.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Of pools, in their order.
    pub pools: Vec<Listening>,
    /// Of the queue, the lookup and nsqadmin.
    pub data: Vec<Listening>,
    /// The statistics port.
    pub stats: Option<Listening>,
    /// The admin port.
    pub admin: Option<Listening>,
}

impl Places {
    /// All of them, in the order in which they are shown.
    pub fn all(&self) -> impl Iterator<Item = &Listening> {
        self.pools.iter().chain(&self.data).chain(&self.stats).chain(&self.admin)
    }

    /// All of them, for the admin port.
    pub fn shown(&self) -> Vec<admin::Listening> {
        let shown = |at: &Listening| admin::Listening { what: at.what.clone(), address: at.address.clone() };
        self.all().map(shown).collect()
    }
}
