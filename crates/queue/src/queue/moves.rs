//! Moves of messages between journals: dead letters set aside, dead letters brought back.
//!
//! ```text
//!  source: message ──stage──▶ target ─commit_topic─▶ written ─flush─▶ safe ──settle──▶ moved ──end_moves──▶ source: FIN
//!          stays at the source until then; if refused, poisoned or deleted at the target: returned to the source
//! ```
//! Two journals, one promise: the source finishes a message only after the target holds it, at the higher
//! durability of the two. A target on the engine is safe with the engine's answer. A crash in between leaves
//! both copies, never neither. A move waits for the target as a publisher does ([`Waiter`]), and each source
//! has at most one batch under way.

use super::{Queue, TopicKey, Waiter};
use crate::error::QueueError;
use crate::settings::Durability;

impl Queue {
    /// Commits what is staged in `target` and waits for it on behalf of `source`.
    pub(super) fn commit_move(&mut self, source: TopicKey, target: TopicKey, waiter: Waiter) {
        let source = self.topics.get(source).map(|topic| topic.journal.options().durability);
        if let Some(topic) = self.topics.get_mut(target) {
            match source {
                Some(Durability::Fsync) if !topic.is_on_engine() => topic.wait_for_device(waiter),
                _ => topic.wait(waiter),
            }
        }
        self.commit_topic(target);
    }

    /// The reason nothing can be moved to a topic now: memory is full, the engine is behind, or the remaining
    /// disk space is reserved for work that frees space.
    pub(super) fn move_refused(&self, target: TopicKey) -> Option<QueueError> {
        if self.topics.get(target).is_some_and(|topic| topic.is_on_engine()) {
            return self.engine.as_ref().and_then(|link| link.has_room(0).err());
        }
        if self.topics.get(target).is_some_and(|topic| topic.in_memory()) {
            return self.has_room_for_messages(0).err();
        }
        self.out_of_space().cloned().map(QueueError::Journal)
    }

    /// Finishes the moves whose outcome is known.
    pub(super) fn end_moves(&mut self) {
        for (waiter, outcome) in std::mem::take(&mut self.moved) {
            match waiter {
                Waiter::Letters { topic, channel, batch } => {
                    self.letters_moved((topic, channel), batch, outcome);
                }
                Waiter::Redrive(order) => self.redrive_moved(order, outcome),
                Waiter::Taken(batch) => self.taken(batch, outcome),
                // Answered when they were settled.
                Waiter::Client { .. } | Waiter::Request(_) => {}
            }
        }
    }
}
