//! Detection of a wall clock set back; topics note the moment (`topic/set_backs.rs`).
//!
//! The wall clock is compared with the monotonic one once a second. A step back while the daemon was down is
//! detected when a topic is opened, from the times in its journal.

use std::time::Duration;

use super::{Queue, TopicKey};

/// Lag above which the clock counts as set back; less is clock discipline (slewing).
const SET_BACK: Duration = Duration::from_millis(100);

impl Queue {
    /// Compares the clocks. Called once a second.
    pub(super) fn watch_clock(&mut self) {
        let expected = self.ticked.to_wall(self.clock.now);
        self.ticked = self.clock;
        let behind = Duration::from_nanos(u64::try_from(expected - self.clock.wall.0).unwrap_or(0));
        if behind < SET_BACK {
            return;
        }
        telemetry::warn!(seconds = behind.as_secs_f64(), "the wall clock was set back");
        let clock = self.clock;
        for key in self.topics.keys() {
            if self.topics.get_mut(key).is_some_and(|topic| topic.clock_set_back(clock)) {
                self.save_set_backs(key);
            }
        }
    }

    /// Requests a checkpoint if the topic must persist when the clock was set back.
    pub(super) fn save_set_backs(&mut self, key: TopicKey) {
        if let Some(topic) = self.topics.get_mut(key)
            && topic.wants_set_backs_saved()
        {
            self.written.add(&mut topic.notes.written, key);
        }
    }
}
