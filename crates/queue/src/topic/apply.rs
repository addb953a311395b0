//! The daemon's options, as far as they are a topic's: at its opening, and again when they change.

use super::Topic;
use crate::options::QueueOptions;

impl<W> Topic<W> {
    /// Makes the journal as durable as the topic's settings say, or the daemon's if they do not. True if that
    /// is a change.
    pub fn apply_durability(&mut self, options: &QueueOptions) -> bool {
        let before = self.journal.options().durability;
        self.journal.set_durability(self.settings.durability.unwrap_or(options.durability_of_files()));
        self.journal.options().durability != before
    }

    /// Goes on with other options. True if the journal is as durable as another level says from now on.
    pub fn apply(&mut self, options: &QueueOptions) -> bool {
        self.queue_limit = options.settings.mem_queue_size;
        self.journal.set_sizes(&options.journal(self.journal.options().durability));
        for (_, channel) in self.iter_mut() {
            channel.consumers.set_timeout_max(options.settings.max_msg_timeout);
        }
        self.apply_durability(options)
    }
}
