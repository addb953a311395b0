//! Clients that are shown the requests of others (`MONITOR`), and how much of them. How is in
//! `answer/monitor.rs`.

use net::{ConnId, Instant};

/// Lines shown in a second,
pub(crate) const LINES_MAX: u32 = 20_000;
/// and their bytes.
const BYTES_MAX: usize = 4 << 20;
/// The monitors of a pool.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    pub(crate) clients: Vec<ConnId>,
    /// Begin of the second that is counted, and what was shown in it.
    since: Instant,
    lines: u32,
    bytes: usize,
    /// Number of requests that were not shown.
    left_out: u64,
}

impl Monitors {
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        !self.clients.is_empty()
    }

    pub(crate) fn add(&mut self, client: ConnId) {
        if !self.clients.contains(&client) {
            self.clients.push(client);
        }
    }

    pub(crate) fn remove(&mut self, client: ConnId) {
        self.clients.retain(|other| *other != client);
    }

    /// True if another line may be shown; the number of those that were not, once a second is over.
    pub(crate) fn may_show(&mut self, now: Instant) -> (bool, u64) {
        let mut told = 0;
        if now.micros_since(self.since) >= 1_000_000 {
            (self.since, self.lines, self.bytes) = (now, 0, 0);
            told = std::mem::take(&mut self.left_out);
        }
        let may = self.lines < LINES_MAX && self.bytes < BYTES_MAX;
        self.left_out += u64::from(!may);
        (may, told)
    }

    /// Counts a line of so many bytes that is shown.
    pub(crate) fn note_shown(&mut self, bytes: usize) {
        self.lines += 1;
        self.bytes += bytes;
    }
}
