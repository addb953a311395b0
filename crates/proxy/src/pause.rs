//! Pauses of pools (`CLIENT PAUSE`), and the clients that wait for their end. What is done about them is in
//! `answer/pause.rs`.

use std::sync::atomic::{AtomicU64, Ordering};

use net::{ConnId, Instant};

/// The pause of a pool: its end in microseconds, shifted by one, and whether all requests wait. 0 if there is
/// none.
#[derive(Debug, Default)]
pub struct Pause(AtomicU64);

impl Pause {
    /// True if one was begun and not ended since. Its time may be over.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Begins a pause, or adds to the one that is: as in Redis the later end and the wider kind count.
    pub(crate) fn begin(&self, until: Instant, all: bool, now: Instant) {
        let add = |old: u64| {
            let (old_end, old_all) = if old >> 1 > now.0 { (old >> 1, old & 1) } else { (0, 0) };
            Some(old_end.max(until.0.min(u64::MAX >> 2)) << 1 | old_all | u64::from(all))
        };
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The end of the pause, and true if all requests wait rather than writes alone. None if there is none.
    pub(crate) fn in_force(&self, now: Instant) -> Option<(Instant, bool)> {
        let cell = self.0.load(Ordering::Relaxed);
        (cell >> 1 > now.0).then_some((Instant(cell >> 1), cell & 1 == 1))
    }
}

/// Clients of a shard that wait for the end of a pause.
#[derive(Debug, Default)]
pub(crate) struct Paused {
    pub(crate) clients: Vec<ConnId>,
    /// The next look at them is planned.
    pub(crate) has_timer: bool,
}
