//! State of the control thread: what it knows of the cluster, and what is under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use config::checked::{Pool, ReadFrom};
use net::Instant;
use proxy::{Generation, ReplicaRules, ReplicaWatch, Settings, SlotMap, Standing};

/// The control thread.
pub(super) struct Control {
    pub(super) generation: Arc<Generation>,
    pub(super) known: Option<Arc<SlotMap>>,
    /// Shards that have not taken the last step.
    pub(super) steps: Arc<AtomicUsize>,
    pub(super) asked_at: Option<Instant>,
    /// A question is planned or under way.
    pub(super) is_asking: bool,
    /// A map, or standings, to be sent once all shards have taken the last step.
    pub(super) is_new: bool,
    /// A look whether they have is planned.
    pub(super) is_sending: bool,
    pub(super) watch: ReplicaWatch,
    pub(super) standings: BTreeMap<String, Standing>,
}

/// The settings of the run's pool with this map and these standings.
pub(super) fn settings(
    pool: &Arc<Pool>,
    map: Option<&Arc<SlotMap>>,
    standings: &BTreeMap<String, Standing>,
) -> Settings {
    let topologies = map.map(|map| ("c".to_owned(), Arc::clone(map)));
    Settings {
        users: access::Book::default(),
        pools: vec![Arc::clone(pool)],
        tls: BTreeMap::new(),
        named: proxy::Named::default(),
        topologies: topologies.into_iter().collect(),
        standings: BTreeMap::from([("c".to_owned(), standings.clone())]),
        by_hand: BTreeMap::new(),
        local_bytes_max: 1 << 20,
        drain_timeout: Duration::from_secs(2),
    }
}

impl Control {
    pub(super) fn new(generation: Arc<Generation>, pool: &Pool) -> Control {
        let by_latency = pool.discovery.read_from == ReadFrom::Nearest;
        let rules = ReplicaRules { lag_max: pool.discovery.replica_lag_max, zone: None, by_latency };
        Control {
            generation,
            known: None,
            steps: Arc::default(),
            asked_at: None,
            is_asking: false,
            is_new: false,
            is_sending: false,
            watch: ReplicaWatch::new(rules),
            standings: BTreeMap::new(),
        }
    }

    /// True if some shards do not serve what is known yet.
    pub(super) fn is_busy(&self) -> bool {
        self.is_new || self.steps.load(Ordering::Relaxed) > 0
    }
}
