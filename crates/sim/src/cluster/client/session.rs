//! Requests of a client on a connection that is its own: it watches keys, and waits for elements.
//!
//! ```text
//! WATCH n, GET n ▸ the number ▸ MULTI, SET n number+1, EXEC: executed only if nobody else has changed it
//!                             or MULTI, RPUSH l …, EXEC: likewise
//! WATCH n, MULTI, RPUSH l …, EXEC                         at once
//! RPUSH q …      BLPOP q                                  an element, null after a while, or an error
//! ```

use super::super::keys;
use super::{Asked, Client};
use crate::resp::Node;

impl Asked {
    /// True for a request on a connection of its client's own: it gets the node's errors.
    pub(super) fn is_of_session(&self) -> bool {
        matches!(
            self,
            Asked::Watch(_)
                | Asked::Unwatch
                | Asked::Queued(true)
                | Asked::Exec(_, _, true)
                | Asked::Read(..)
                | Asked::Swap(..)
                | Asked::Pop(_)
        )
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self, Asked::Get(_) | Asked::GetMany(_) | Asked::Exists(_))
    }
}

/// True for an error that says that the request was not executed.
pub(super) fn says_not_executed(error: &[u8]) -> bool {
    [&b"MOVED "[..], b"ASK ", b"TRYAGAIN ", b"CLUSTERDOWN ", b"UNBLOCKED ", b"EXECABORT "]
        .iter()
        .any(|word| error.starts_with(word))
}

impl Client {
    pub(super) fn ask_of_session(&mut self, tag: usize) {
        match self.rng.below(4) {
            // Some of them want the same number at a time.
            0 => self.begin_swap(0),
            1 => self.push_watched(tag),
            2 => self.enqueue(tag),
            _ => self.pop(tag),
        }
    }

    /// Watches a number and reads it.
    fn begin_swap(&mut self, tag: usize) {
        let key = keys::watched(tag);
        self.swaps_begun += 1;
        let number = self.swaps_begun;
        self.swapping = Some(number);
        self.send(&[b"WATCH", &key], Asked::Watch(Some(number)));
        self.send(&[b"GET", &key], Asked::Read(tag, number));
    }

    /// Takes a watched number, and replaces it.
    pub(super) fn take_watched(&mut self, tag: usize, swap: u64, reply: &Node) -> bool {
        let Node::Bulk(text) = reply else { return false };
        let Some(number) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()) else {
            return false;
        };
        if self.swapping.take_if(|swapping| *swapping == swap).is_some() {
            if self.rng.one_in(2) {
                self.push_pair(tag, true);
                return true;
            }
            let next = (number + 1).to_string();
            self.send(&[b"MULTI"], Asked::Multi);
            self.send(&[b"SET", &keys::watched(tag), next.as_bytes()], Asked::Queued(true));
            self.send(&[b"EXEC"], Asked::Swap(tag, number + 1));
        }
        true
    }

    /// Ends a swap whose number could not be watched, or read.
    pub(super) fn end_swap(&mut self, swap: u64) {
        if self.swapping.take_if(|swapping| *swapping == swap).is_some() {
            self.send(&[b"UNWATCH"], Asked::Unwatch);
        }
    }

    pub(super) fn take_swap(&mut self, tag: usize, number: u64, reply: &Node) -> bool {
        match reply {
            Node::Null => self.broken_watches += 1,
            Node::Array(replies) if replies[..] == [Node::Simple(b"OK".to_vec())] => {
                self.swaps.entry(tag).or_default().push(number);
            }
            _ => return false,
        }
        true
    }

    /// Pushes two numbers if a number stays the same.
    pub(super) fn push_watched(&mut self, tag: usize) {
        self.send(&[b"WATCH", &keys::watched(tag)], Asked::Watch(None));
        self.push_pair(tag, true);
    }

    pub(super) fn enqueue(&mut self, tag: usize) {
        let number = self.number();
        self.send(&[b"RPUSH", &keys::queue(tag), number.to_string().as_bytes()], Asked::Enqueue(tag, number));
    }

    pub(super) fn pop(&mut self, tag: usize) {
        let seconds: &[u8] = if self.is_last_round { b"0.05" } else { self.rng.pick(&[b"0.05", b"0.40"]) };
        self.send(&[b"BLPOP", &keys::queue(tag), seconds], Asked::Pop(tag));
    }

    pub(super) fn take_popped(&mut self, tag: usize, reply: &Node) -> bool {
        let Node::Array(popped) = reply else { return *reply == Node::Null };
        let [Node::Bulk(key), Node::Bulk(text)] = &popped[..] else { return false };
        let number: Option<u64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        self.queues.got.entry(tag).or_default().extend(number);
        number.is_some() && *key == keys::queue(tag)
    }

    /// True if a request on a connection of its own may fail with this error: while slots move or masters are
    /// replaced, its node may decline it or close the connection; it never hangs while its node works.
    pub(super) fn may_fail_in_session(&self, text: &[u8]) -> bool {
        let is_late = text.windows(9).any(|part| part == b"timed out");
        // A node that has lost a connection and not shown since that it lives is given none: the same words.
        !is_late || self.trouble > super::Trouble::Moves
    }
}
