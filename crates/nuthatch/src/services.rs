//! The services that run.

use std::time::Duration;

use crate::discovery::Discovery;
use crate::proxy_service::ProxyService;
use crate::queue_service::QueueService;
use crate::service::stop;

/// Running services. Those dropped, as by a start that fails half way, stop at once.
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
    /// Stops all gracefully, each within `deadline`: those last that others rely on.
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
