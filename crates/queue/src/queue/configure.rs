//! New settings for a running queue. They take effect between two turns.
//!
//! | settings | effect |
//! |---|---|
//! | limits on names, messages, memory, connections, consumers | from the next command on; existing items stay |
//! | `durability` | at once, for topics with files and no durability of their own; whether a topic has files is fixed at its creation |
//! | sizes of messages, bodies and segments | from the next publication on |
//! | `max_rdy_count`, and everything else negotiated by IDENTIFY | limits: for clients that have not sent IDENTIFY yet; defaults: for new connections; others keep the negotiated values |
//! | `max_msg_timeout` | at once, also for existing consumers |
//! | `e2e_processing_latency_*` | at once; a new window restarts the measurement |
//! | `storage`, rules for topics | for topics that are created from then on; `accept` at once |
//! | users | at once; logged-in consumers that may no longer consume are closed |
//! | certificate, key, whether TLS is required | certificate and key: from the next handshake on; requirement: at once |
//!
//! The data path cannot change. External services (lookup daemons, authorization, statsd, the HTTP API) are
//! configured on the control thread.

use net::Io;
use wire::nsq::Limits;

use super::Queue;
use crate::options::Configuration;

impl Queue {
    /// Applies new settings.
    pub(super) fn configure<I: Io>(&mut self, io: &mut I, new: Configuration) {
        let measured = (self.settings().e2e_window, self.settings().e2e_percentiles.is_empty());
        self.options.configure(new);
        let anew = measured != (self.settings().e2e_window, self.settings().e2e_percentiles.is_empty());
        self.terms = self.options.terms();
        self.authority = self.options.authority();
        self.review_rights(io);
        self.limits = self.options.limits();
        for client in self.clients.iter_mut().flatten() {
            client.limits = Limits { ready_max: client.limits.ready_max, ..self.limits };
            client.last_topic.key = None;
        }
        // The limit may be lower now: all journals are checked again.
        self.cache_in_use = 0;
        for key in self.topics.keys() {
            let Some(mut topic) = self.topics.take(key) else { continue };
            let other_level = topic.apply(&self.options);
            let locally = self.options.settings.accepts_locally(&topic.name);
            topic.accept_locally(locally);
            if anew {
                self.prepare(&mut topic);
                self.memory.replace(topic.count_memory());
            }
            self.topics.restore(key, topic);
            if other_level {
                // Publications waiting for the device may no longer have to, or new ones may.
                self.mark_dirty(key);
            }
        }
        telemetry::info!("queue settings changed");
    }
}
