//! State of the control thread: what it knows of the cluster, and what is under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use net::Instant;
use proxy::{Generation, Settings, SlotMap};

use super::scenario;

/// The control thread.
pub(super) struct Control {
    pub(super) generation: Arc<Generation>,
    pub(super) known: Option<Arc<SlotMap>>,
    /// Shards that have not taken the last step.
    pub(super) steps: Arc<AtomicUsize>,
    pub(super) asked_at: Option<Instant>,
    /// A question is planned or under way.
    pub(super) is_asking: bool,
    /// A map to be sent once all shards have taken the last step.
    pub(super) is_new: bool,
}

/// The settings of the run's pool with this map.
pub(super) fn settings(map: Option<&Arc<SlotMap>>) -> Settings {
    let topologies = map.map(|map| ("c".to_owned(), Arc::clone(map)));
    Settings {
        users: access::Book::default(),
        pools: vec![scenario::pool()],
        tls: BTreeMap::new(),
        named: proxy::Named::default(),
        topologies: topologies.into_iter().collect(),
        standings: BTreeMap::new(),
        by_hand: BTreeMap::new(),
        local_bytes_max: 1 << 20,
        drain_timeout: Duration::from_secs(2),
    }
}

impl Control {
    pub(super) fn new(generation: Arc<Generation>) -> Control {
        Control {
            generation,
            known: None,
            steps: Arc::default(),
            asked_at: None,
            is_asking: false,
            is_new: false,
        }
    }

    /// True if some shards do not serve what is known yet.
    pub(super) fn is_busy(&self) -> bool {
        self.is_new || self.steps.load(Ordering::Relaxed) > 0
    }
}
