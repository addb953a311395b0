//! Limit on the files and directories that all journals keep open: the least recently used are closed.

use super::{Queue, TopicKey, Waiter};
use crate::registry::Entry;

impl Queue {
    /// Counts the descriptors of a topic's journal.
    pub(super) fn count_open(&mut self, topic: &mut Entry<Waiter>) {
        let open = topic.journal.descriptors();
        let before = std::mem::replace(&mut topic.notes.descriptors, open);
        self.descriptors = (self.descriptors + open).saturating_sub(before);
    }

    /// Keeps the descriptors of all journals within [`crate::QueueOptions::open_files_max`]. Journals not
    /// written to since they entered the list are closed first, then, if necessary, the others.
    pub(super) fn close_files(&mut self) {
        for although_used in [false, true] {
            // Each journal is tried once, so that the loop ends even if all are in use.
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
        // Files with unflushed data stay open; the journal is tried again later.
        topic.notes.opened = if topic.notes.descriptors == 0 { 0 } else { self.turn };
        if topic.notes.opened > 0 {
            self.open_files.push_back(key);
        }
        self.topics.restore(key, topic);
    }
}
