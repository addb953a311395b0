//! Recent events, one line each: a server failed, was ejected, came back.
//!
//! Shards report them, and never wait: a bounded queue leads to the control thread, and events that do not
//! fit are counted; the count is shown. The last ones are kept in memory, and in a file if there is one.

mod event;
mod file;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use telemetry::warn;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

pub use self::event::Event;
use self::file::{KEPT_MAX, Keeper};
use crate::facts::wall_ms;
use crate::trouble::Severity;

/// Most events queued between two collections.
const UNDER_WAY_MAX: usize = 256;

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
    teller: Teller,
    kept: VecDeque<Event>,
    keeper: Option<Keeper>,
}

/// Creates both ends.
pub fn connect() -> (Teller, Events) {
    let (sender, receiver) = channel(UNDER_WAY_MAX);
    let lost = Arc::<AtomicU64>::default();
    let teller = Teller { sender, lost };
    (teller.clone(), Events { receiver, teller, kept: VecDeque::new(), keeper: None })
}

impl Events {
    /// Keeps events in a file too, and takes those that are in it. If that fails, they are kept in memory
    /// only.
    #[must_use]
    pub fn kept_in(self, path: Option<&Path>) -> Events {
        let Some(path) = path else { return self };
        match Keeper::open(path) {
            Ok((keeper, kept)) => Events { kept, keeper: Some(keeper), ..self },
            Err(error) => {
                warn!(path = %path.display(), %error, "events are not kept over a restart");
                self
            }
        }
    }

    /// Another end for reports.
    pub(crate) fn teller(&self) -> Teller {
        self.teller.clone()
    }

    /// Collects queued events.
    pub(crate) fn collect(&mut self) {
        while let Ok(event) = self.receiver.try_recv() {
            if self.kept.len() == KEPT_MAX {
                self.kept.pop_front();
            }
            self.keeper.iter().for_each(|keeper| keeper.keep(&event));
            self.kept.push_back(event);
        }
    }

    /// Collects queued events; the receiver hears when all are in the file. None if there is no file.
    pub(crate) fn flush(&mut self) -> Option<oneshot::Receiver<()>> {
        self.collect();
        self.keeper.as_ref()?.flush()
    }

    /// Keeps events in memory only from now on.
    pub(crate) fn leave_file(&mut self) {
        self.keeper = None;
    }

    /// The last events, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter().rev()
    }

    /// Number of events that did not fit.
    pub(crate) fn lost(&self) -> u64 {
        self.teller.lost.load(Relaxed)
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
        assert_eq!((texts.len(), texts[0], texts[255]), (UNDER_WAY_MAX, "255", "0"));
        teller.tell(Severity::Notice, "s".into(), "new".into());
        events.collect();
        assert_eq!(events.newest_first().next().map(|event| event.text.as_str()), Some("new"));
    }
}
