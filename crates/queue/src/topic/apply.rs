//! The daemon's options that concern a topic: applied when it is opened and when they change.

use super::Topic;
use crate::options::QueueOptions;

impl<W> Topic<W> {
    /// Sets the journal's durability from the topic's settings, or else the daemon's. True if that changes
    /// it.
    pub fn apply_durability(&mut self, options: &QueueOptions) -> bool {
        let before = self.journal.options().durability;
        self.journal.set_durability(self.settings.durability.unwrap_or(options.durability_of_files()));
        self.journal.options().durability != before
    }

    /// Applies changed options. True if the journal's durability changed.
    pub fn apply(&mut self, options: &QueueOptions) -> bool {
        self.queue_limit = options.settings.mem_queue_size;
        self.journal.set_sizes(&options.journal(self.journal.options().durability));
        for (_, channel) in self.iter_mut() {
            channel.consumers.set_timeout_max(options.settings.max_msg_timeout);
        }
        self.apply_durability(options)
    }
}
