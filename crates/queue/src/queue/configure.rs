//! New settings for a queue that runs. They take effect between two turns.
//!
//! | settings | effect |
//! |---|---|
//! | limits on names, messages, memory, connections, consumers | from the next command on; what is there stays |
//! | `durability` | at once, of topics with files that have none of their own; whether a topic has files was decided when it was created |
//! | sizes of messages, bodies and segments | from the next publication on |
//! | `max_rdy_count`, and all else that IDENTIFY settles | limits: for clients that have yet to say IDENTIFY; defaults: for new connections; others keep what was settled |
//! | `max_msg_timeout` | at once, also for who consumes already |
//! | `e2e_processing_latency_*` | at once; with another window measuring begins anew |
//! | users | at once; who is logged in and may no longer consume is closed |
//! | certificate, key, who must use TLS | TLS: from the next handshake on; who must use it: at once |
//!
//! The data path stays. What others do for the queue (lookups, authorization, statsd, the HTTP API) is
//! configured on the control thread.

use net::Io;
use wire::nsq::Limits;

use super::Queue;
use crate::options::Configuration;

impl Queue {
    /// Goes on with other settings.
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
        }
        // All journals may cache less now: they are looked at again.
        self.cache_in_use = 0;
        for key in self.topics.keys() {
            let Some(mut topic) = self.topics.take(key) else { continue };
            let other_level = topic.apply(&self.options);
            if anew {
                self.prepare(&mut topic);
                self.memory.replace(topic.count_memory());
            }
            self.topics.restore(key, topic);
            if other_level {
                // Who waits for the device waits no longer, or from now on.
                self.mark_dirty(key);
            }
        }
        telemetry::info!("queue: new settings");
    }
}
