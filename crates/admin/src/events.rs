//! Recent events, one line each: a server failed, was ejected, came back.
//!
//! Shards report them, and never wait: a bounded queue leads to the control thread, and events that do not
//! fit are counted; the count is shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::facts::wall_ms;
use crate::trouble::Severity;

/// Number of events kept.
const KEPT_MAX: usize = 50;
/// Most events queued between two collections.
const UNDER_WAY_MAX: usize = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its time, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Severity.
    pub severity: Severity,
    /// Subject, as in a [`crate::Trouble`].
    pub subject: String,
    /// The event.
    pub text: String,
}

/// The shards' end.
#[derive(Debug, Clone)]
pub struct Teller {
    sender: Sender<Event>,
    lost: Arc<AtomicU64>,
}

impl Teller {
    /// Reports an event that has just happened. Never waits; callable from any thread.
    pub fn tell(&self, severity: Severity, subject: String, text: String) {
        if self.sender.try_send(Event { at_ms: wall_ms(), severity, subject, text }).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The control thread's end: the last events, and the number of lost ones.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
    lost: Arc<AtomicU64>,
    kept: VecDeque<Event>,
}

/// Creates both ends.
pub fn connect() -> (Teller, Events) {
    let (sender, receiver) = channel(UNDER_WAY_MAX);
    let lost = Arc::<AtomicU64>::default();
    (Teller { sender, lost: Arc::clone(&lost) }, Events { receiver, lost, kept: VecDeque::new() })
}

impl Events {
    /// Collects queued events.
    pub(crate) fn collect(&mut self) {
        while let Ok(event) = self.receiver.try_recv() {
            if self.kept.len() == KEPT_MAX {
                self.kept.pop_front();
            }
            self.kept.push_back(event);
        }
    }

    /// The last events, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter().rev()
    }

    /// Number of events that did not fit.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_counts_the_lost() {
        let (teller, mut events) = connect();
        for n in 0..UNDER_WAY_MAX + 3 {
            teller.tell(Severity::Notice, "s".into(), n.to_string());
        }
        events.collect();
        assert_eq!(events.lost(), 3);
        let texts: Vec<&str> = events.newest_first().map(|event| event.text.as_str()).collect();
        assert_eq!((texts.len(), texts[0], texts[49]), (KEPT_MAX, "255", "206"));
        teller.tell(Severity::Notice, "s".into(), "new".into());
        events.collect();
        assert_eq!(events.newest_first().next().map(|event| event.text.as_str()), Some("new"));
    }
}
