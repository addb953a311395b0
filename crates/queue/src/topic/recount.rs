//! Counts of a recovered topic, corrected by reading its journal again.
//!
//! A checkpoint counts the messages present when it was taken, and replay those written since. Neither
//! notices a record before the checkpoint that has gone bad. So everything still needed is read again before
//! clients are served, within a limit ([`crate::QueueOptions::recount_bytes`]): then every count agrees with
//! content, and damage is reported before a consumer meets it. What exceeds the limit is settled by each
//! channel when it reaches the end of the stream.

use journal::{Damage, DamageReason, Entry, Journal, Record};

use super::at;
use super::damaged::Damaged;
use super::replay::Replay;
use crate::channel::Tally;
use crate::message::{Message, Position};
use crate::record::KIND_MESSAGE;

/// Result of a recount.
#[derive(Debug, Default)]
pub(super) struct Recount {
    /// By channel, in the replay's order.
    pub channels: Vec<Tally>,
    /// Messages waiting in the topic, from this position.
    pub waiting: u64,
    pumped: Position,
    /// Unreadable stretches before the checkpoint.
    pub damage: Vec<Damage>,
    /// Damage at or after that position.
    pub damaged: Damaged,
}

impl Recount {
    /// Reads what `replay` still needs from `journal`, unless that exceeds `budget`, which is reduced by it,
    /// or the device fails to read all of it.
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
