//! Files of a lookup.

use lookup::{Limits, Registry, Snapshot};

/// A snapshot: refused, or equal after being written and read again, and restored within the limits.
pub fn snapshot(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::from_bytes(bytes) else { return };
    assert_eq!(Snapshot::from_bytes(&snapshot.to_bytes()).as_ref(), Ok(&snapshot));
    let limits = Limits { names_max: 8, registrations_max: 8 };
    let mut registry = Registry::new(limits);
    registry.restore(&snapshot.nodes, 0);
    let (_, topics, channels) = registry.counts();
    assert!(topics + channels <= limits.names_max, "{topics} topics and {channels} channels");
    registry.forget_restored();
    assert_eq!(registry.counts(), (0, 0, 0));
}
