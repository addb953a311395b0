//! Counts of a recovered topic, taken from what can be read.
//!
//! A checkpoint counts what was there when it was taken, and replay what was written since. Neither knows of
//! a record before the checkpoint that has gone bad. So what somebody still needs is read once more before
//! anybody is served, as far as that is not too much ([`crate::QueueOptions::recount_bytes`]): then every
//! count agrees with content, and damage is told before a consumer meets it. What is not read again is
//! settled by each channel when it has come to the end of the stream.

use journal::{Damage, DamageReason, Entry, Journal, Record};

use super::at;
use super::damaged::Damaged;
use super::replay::Replay;
use crate::channel::Tally;
use crate::message::{Message, Position};
use crate::record::KIND_MESSAGE;

/// Counted messages.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// By channel, in the order of the replay's.
    pub channels: Vec<Tally>,
    /// Messages that wait in the topic, from this position on.
    pub waiting: u64,
    pumped: Position,
    /// Unreadable stretches before the checkpoint.
    pub damage: Vec<Damage>,
    /// Damage at that place and behind it.
    pub damaged: Damaged,
}

impl Recount {
    /// Reads what `replay` still needs from `journal`, unless that is more than `budget`, which is reduced by
    /// it, or the device does not read all of it.
    pub fn run(
        replay: &mut Replay,
        journal: &Journal,
        budget: &mut u64,
    ) -> Result<Option<Recount>, journal::OpenError> {
        let from = replay.needed_from();
        let bytes = journal.end().0.saturating_sub(from);
        if bytes > *budget {
            return Ok(None);
        }
        *budget -= bytes;
        let channels = replay.lasting().map(|channel| channel.tally()).collect();
        let mut recount = Recount { channels, pumped: replay.waiting_from(), ..Recount::default() };
        let mut complete = true;
        journal.walk(at(from), |entry| match entry {
            Entry::Record(record) => recount.see(&record),
            Entry::Damage(damage) => {
                complete &= damage.reason != DamageReason::Unreadable;
                recount.damaged.add(damage, 0);
                if damage.from.0 < replay.from {
                    recount.damage.push(damage.clone());
                }
            }
        })?;
        Ok(complete.then_some(recount))
    }

    #[inline]
    fn see(&mut self, record: &Record<'_>) {
        let is_stream = record.kind == KIND_MESSAGE
            && Message::decode(record.payload).is_some_and(|message| message.due == 0);
        if !is_stream {
            return;
        }
        let position = record.position.0;
        if position >= self.pumped {
            self.waiting += 1;
            return;
        }
        self.channels.iter_mut().for_each(|tally| tally.see(position));
    }
}
