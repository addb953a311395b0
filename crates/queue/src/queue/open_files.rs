//! The files and directories that journals keep open, all together, within their limit: those used longest
//! ago are closed.

use super::{Queue, TopicKey, Waiter};
use crate::registry::Entry;

impl Queue {
    /// Counts what a topic's journal keeps open.
    pub(super) fn count_open(&mut self, topic: &mut Entry<Waiter>) {
        let open = topic.journal.descriptors();
        let before = std::mem::replace(&mut topic.notes.descriptors, open);
        self.descriptors = (self.descriptors + open).saturating_sub(before);
    }

    /// Keeps the descriptors of all journals within [`crate::QueueOptions::open_files_max`]. Journals that
    /// were not written to since they came to stand in the list go first; if that is not enough, the others
    /// follow.
    pub(super) fn close_files(&mut self) {
        for although_used in [false, true] {
            // Each is looked at once, so that a turn in which all are in use ends.
            for _ in 0..self.open_files.len() {
                if self.descriptors <= self.options.open_files_max {
                    return;
                }
                let Some(key) = self.open_files.pop_front() else { return };
                self.close_file(key, although_used);
            }
        }
    }

    fn close_file(&mut self, key: TopicKey, although_used: bool) {
        let Some(mut topic) = self.topics.take(key) else { return };
        if although_used || topic.notes.last_used <= topic.notes.opened {
            topic.journal.rest();
            self.memory.replace(topic.count_memory());
            self.count_open(&mut topic);
        }
        // What is not flushed stays open, and comes again.
        topic.notes.opened = if topic.notes.descriptors == 0 { 0 } else { self.turn };
        if topic.notes.opened > 0 {
            self.open_files.push_back(key);
        }
        self.topics.restore(key, topic);
    }
}
