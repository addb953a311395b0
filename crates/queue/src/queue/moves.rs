//! Messages that go from one journal to another: dead letters set aside, dead letters brought back.
//!
//! ```text
//!  source: message ──stage──▶ target ─commit_topic─▶ written ─flush─▶ safe ──settle──▶ moved ──end_moves──▶ source: FIN
//!          stays where it is until then; refused, poisoned or deleted there: it is the source's again
//! ```
//! Two journals, one promise: the source forgets a message only after the target has it, at the target's
//! level and at the source's, whichever is higher. A crash in between leaves both, never neither. Whoever
//! moves messages waits for the target as a publisher does ([`Waiter`]), and each source has one batch on its
//! way at most.

use super::{Queue, TopicKey, Waiter};
use crate::error::QueueError;
use crate::settings::Durability;

impl Queue {
    /// Waits for what is staged in `target`, which comes from `source`, and writes it.
    pub(super) fn commit_move(&mut self, source: TopicKey, target: TopicKey, waiter: Waiter) {
        let source = self.topics.get(source).map(|topic| topic.journal.options().durability);
        if let Some(topic) = self.topics.get_mut(target) {
            match source {
                Some(Durability::Fsync) => topic.wait_for_device(waiter),
                _ => topic.wait(waiter),
            }
        }
        self.commit_topic(target);
    }

    /// The reason nothing can be moved to a topic now: memory is full, or the rest of a full disk is for what
    /// gives space back.
    pub(super) fn move_refused(&self, target: TopicKey) -> Option<QueueError> {
        if self.topics.get(target).is_some_and(|topic| topic.in_memory()) {
            return self.has_room_for_messages(0).err();
        }
        self.out_of_space().cloned().map(QueueError::Journal)
    }

    /// Ends the moves whose outcome is known.
    pub(super) fn end_moves(&mut self) {
        for (waiter, outcome) in std::mem::take(&mut self.moved) {
            match waiter {
                Waiter::Letters { topic, channel, batch } => {
                    self.letters_moved((topic, channel), batch, outcome);
                }
                Waiter::Redrive(order) => self.redrive_moved(order, outcome),
                // Answered where they were settled.
                Waiter::Client { .. } | Waiter::Request(_) => {}
            }
        }
    }
}
