//! The running services.

use std::time::Duration;

use crate::discovery::Discovery;
use crate::proxy_service::ProxyService;
use crate::queue_service::QueueService;
use crate::service::stop;

/// Running services. Dropping them, as a failed start does, stops them at once.
#[derive(Default)]
pub struct Services {
    /// The shards of pools.
    pub proxy: Option<ProxyService>,
    /// The lookup.
    pub lookup: Option<Discovery>,
    /// The queue.
    pub queue: Option<QueueService>,
}

impl Services {
    /// Stops all gracefully, each within `deadline`; services that others rely on stop last.
    pub fn stop(mut self, deadline: Duration) {
        self.stop_within(deadline);
    }

    fn stop_within(&mut self, deadline: Duration) {
        stop(self.queue.take(), deadline);
        stop(self.lookup.take(), deadline);
        stop(self.proxy.take(), deadline);
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop_within(Duration::ZERO);
    }
}
