//! Answers owed to a connection, in the order of the commands.

use std::collections::VecDeque;

use wire::nsq::{Refusal, Verb, frame};

use crate::topic::Outcome;

/// One answer, or several equal ones.
#[derive(Debug)]
pub enum Owed {
    /// The answer to this many publications, which depends on their outcome.
    Publication {
        /// The command.
        verb: Verb,
        /// Their number.
        count: u32,
        /// Their outcome, once it is known.
        outcome: Option<Outcome>,
    },
    /// A known answer, as a frame.
    Frame(Vec<u8>),
    /// The last entry: the connection is closed when its turn comes.
    Close,
}

/// The answers owed to a connection, in order.
#[derive(Debug, Default)]
pub struct OwedLine {
    line: VecDeque<Owed>,
    /// Number of the first entry.
    first: u64,
}

impl OwedLine {
    /// True if nothing is outstanding.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Entries that are outstanding.
    pub fn len(&self) -> usize {
        self.line.len()
    }

    /// True if the connection is to be closed.
    pub fn is_closing(&self) -> bool {
        matches!(self.line.back(), Some(Owed::Close))
    }

    /// Adds an entry and returns its number.
    pub fn push(&mut self, owed: Owed) -> u64 {
        self.line.push_back(owed);
        self.first + self.line.len() as u64 - 1
    }

    /// Adds one to the last entry, if that is publication `number` and its outcome is pending.
    pub fn extend_last(&mut self, number: u64, its_verb: Verb) -> bool {
        if number + 1 != self.first + self.line.len() as u64 {
            return false;
        }
        match self.line.back_mut() {
            Some(Owed::Publication { verb, count, outcome: None }) if *verb == its_verb => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    /// Records the outcome of a publication.
    pub fn resolve(&mut self, number: u64, how: Outcome) {
        let index = number.checked_sub(self.first).and_then(|n| usize::try_from(n).ok());
        if let Some(Owed::Publication { outcome, .. }) = index.and_then(|n| self.line.get_mut(n)) {
            *outcome = Some(how);
        }
    }

    /// Writes every known answer whose turn has come. True if the connection is to be closed then.
    pub fn pay(&mut self, out: &mut Vec<u8>) -> bool {
        loop {
            match self.line.front_mut() {
                None | Some(Owed::Publication { outcome: None, .. }) => return false,
                Some(Owed::Close) => return true,
                Some(Owed::Frame(frame)) => out.extend_from_slice(frame),
                Some(Owed::Publication { verb, count, outcome: Some(outcome) }) => match outcome {
                    Outcome::Accepted => (0..*count).for_each(|_| frame::write_response(out, frame::OK)),
                    Outcome::Refused(why) => {
                        frame::write_error(out, &Refusal::Failed(*verb, &why.to_string()));
                        return true;
                    }
                },
            }
            self.line.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{JournalRefusal, QueueError};

    #[test]
    fn answers_keep_their_order() {
        let mut line = OwedLine::default();
        let publication = || Owed::Publication { verb: Verb::Pub, count: 1, outcome: None };
        let first = line.push(publication());
        assert!(line.extend_last(first, Verb::Pub));
        assert!(!line.extend_last(first, Verb::Mpub));
        line.push(Owed::Frame(b"frame".to_vec()));
        assert!(!line.extend_last(first, Verb::Pub));
        let last = line.push(publication());
        let mut out = Vec::new();
        line.resolve(last, Outcome::Accepted);
        assert!(!line.pay(&mut out) && out.is_empty(), "the first one is not known");
        line.resolve(first, Outcome::Accepted);
        assert!(!line.pay(&mut out) && line.is_empty());
        let ok = b"\0\0\0\x06\0\0\0\0OK";
        assert_eq!(out, [&ok[..], ok, b"frame", ok].concat());
        let next = line.push(publication());
        line.push(Owed::Frame(b"never".to_vec()));
        line.resolve(
            next,
            Outcome::Refused(QueueError::Journal(JournalRefusal::DiskFull("disk is full".into()))),
        );
        out.clear();
        assert!(line.pay(&mut out), "a refused publication is fatal");
        assert!(out.ends_with(b"E_PUB_FAILED PUB failed disk is full"));
    }
}
