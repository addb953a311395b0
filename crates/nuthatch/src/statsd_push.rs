//! Pushes the pools' statistics to statsd (`[stats] statsd_address`), on the control thread. The queue's are
//! pushed by the queue (`queue::push`), as nsqd's.

use std::sync::Arc;

use config::checked::PoolStatsd as Settings;
use config::nsqd::machine;
use queue::push::send_packets;
use telemetry::Registry;
use telemetry::render::pool_statsd::{PoolStatsd, prefix};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

/// The push, while it runs.
#[derive(Debug, Default)]
pub struct StatsdPush(Option<(Settings, AbortHandle)>);

impl StatsdPush {
    /// Pushes by these settings only; None: nothing. Needs a tokio runtime.
    pub fn set(&mut self, settings: Option<&Settings>, registry: &Arc<Registry>) {
        if self.0.as_ref().map(|(settings, _)| settings) == settings {
            return;
        }
        if let Some((_, task)) = self.0.take() {
            task.abort();
        }
        self.0 = settings.map(|settings| {
            let pushing = push(settings.clone(), Arc::clone(registry));
            (settings.clone(), tokio::spawn(pushing).abort_handle())
        });
    }
}

/// Pushes forever. The first push comes after one interval; one that fails is logged and not repeated.
async fn push(settings: Settings, registry: Arc<Registry>) {
    let prefix = prefix(&settings.prefix, &machine::hostname());
    let mut statsd = PoolStatsd::new(prefix, settings.udp_packet_size);
    let mut ticks = interval(settings.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        send_packets(&settings.address, statsd.render(registry.pools()), settings.interval).await;
    }
}
