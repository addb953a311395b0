//! The slow log of a pool: its slowest requests lately, from all shards, for any shard and for the control
//! thread.
//!
//! Entries stand in a ring of slots by their number. A slot is locked only while a pointer is put or
//! copied, and never waited for: one that is taken at that moment is skipped, by writers and readers alike.
//! So nothing on the path of a request waits, and at worst one entry is missing.
//!
//! An entry takes at most about 1 KB, so that a pool's log takes at most 1 MB ([`SlowLog::LEN_MAX`] entries).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};

/// A request that took long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowRequest {
    /// Its number: one more than that of the one before.
    pub id: u64,
    /// Time of its reply, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Address of its client, `unix` for a unix socket; empty if the client has gone.
    pub client: String,
    /// Name that its client has set.
    pub client_name: String,
    /// Identity of the server.
    pub server: String,
    /// Its first arguments, the command's name included, cut to [`SlowRequest::ARGUMENT_BYTES`].
    pub arguments: Vec<Cut>,
    /// Number of further arguments.
    pub more_arguments: usize,
    /// Place of its key among the arguments.
    pub key_at: Option<usize>,
    /// Time it waited to be written to the server, in microseconds.
    pub queue_us: u64,
    /// Time from then to its reply, in microseconds.
    pub response_us: u64,
    /// Bytes of its reply; none if the connection was lost without one.
    pub reply_bytes: Option<u64>,
}

/// The beginning of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Its first bytes.
    pub bytes: Box<[u8]>,
    /// Number of further bytes.
    pub more: usize,
}

impl SlowRequest {
    /// Most arguments of a request that are kept.
    pub const ARGUMENTS_MAX: usize = 8;
    /// Most bytes of each.
    pub const ARGUMENT_BYTES: usize = 64;

    /// Its key; none if it has none, or none that was kept.
    pub fn key(&self) -> Option<&Cut> {
        self.arguments.get(self.key_at?)
    }

    /// Its command, in lower case.
    pub fn command(&self) -> String {
        self.arguments.first().map(|name| name.to_string().to_lowercase()).unwrap_or_default()
    }

    /// Time from its acceptance to its reply, in microseconds.
    pub fn total_us(&self) -> u64 {
        self.queue_us.saturating_add(self.response_us)
    }
}

impl Cut {
    /// The beginning of an argument of `len` bytes, of which `bytes` are at hand.
    pub fn of(bytes: &[u8], len: usize) -> Cut {
        let kept = &bytes[..bytes.len().min(SlowRequest::ARGUMENT_BYTES)];
        Cut { bytes: kept.into(), more: len.saturating_sub(kept.len()) }
    }
}

/// Printable ASCII as it is, the rest escaped; then what was cut, in Redis' words.
impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())?;
        if self.more > 0 { write!(f, "... ({} more bytes)", self.more) } else { Ok(()) }
    }
}

type Slot = Mutex<Option<Arc<SlowRequest>>>;

/// The slow log of a pool.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// Number of the next entry.
    next: AtomicU64,
    /// Entries before this one were reset.
    first: AtomicU64,
    /// Most entries.
    len_max: AtomicU64,
    slots: OnceLock<Box<[Slot]>>,
}

impl SlowLog {
    /// Most entries of any log.
    pub const LEN_MAX: usize = 1024;

    /// Sets the most entries, at most [`SlowLog::LEN_MAX`].
    pub fn set_len_max(&self, len: usize) {
        self.len_max.store(len.min(SlowLog::LEN_MAX) as u64, Relaxed);
    }

    /// Adds a request, whose number is set here.
    pub fn push(&self, mut request: SlowRequest) {
        let len = self.len_max.load(Relaxed);
        if len == 0 {
            return;
        }
        request.id = self.next.fetch_add(1, Relaxed);
        let outdated = request.id.checked_sub(len);
        let slots = self.slots.get_or_init(|| (0..SlowLog::LEN_MAX).map(|_| Slot::default()).collect());
        if let Some(outdated) = outdated
            && let Ok(mut slot) = slots[place(outdated)].try_lock()
        {
            *slot = None;
        }
        if let Ok(mut slot) = slots[place(request.id)].try_lock() {
            *slot = Some(Arc::new(request));
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        let range = self.range();
        (range.end - range.start) as usize
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest entries, newest first, `count` at most.
    pub fn newest(&self, count: usize) -> Vec<Arc<SlowRequest>> {
        let Some(slots) = self.slots.get() else { return Vec::new() };
        let entry = |id: u64| {
            let slot = slots[place(id)].try_lock().ok()?;
            slot.as_ref().filter(|entry| entry.id == id).map(Arc::clone)
        };
        self.range().rev().filter_map(entry).take(count).collect()
    }

    /// Empties the log. Numbers go on.
    pub fn reset(&self) {
        self.first.store(self.next.load(Relaxed), Relaxed);
    }

    /// Numbers of the entries.
    fn range(&self) -> std::ops::Range<u64> {
        let next = self.next.load(Relaxed);
        let oldest = next.saturating_sub(self.len_max.load(Relaxed));
        oldest.max(self.first.load(Relaxed)).min(next)..next
    }
}

fn place(id: u64) -> usize {
    (id % SlowLog::LEN_MAX as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at_ms: u64) -> SlowRequest {
        SlowRequest {
            id: 0,
            at_ms,
            client: "10.0.0.1".into(),
            client_name: String::new(),
            server: "s".into(),
            arguments: vec![Cut::of(b"GET", 3), Cut::of(b"k\n", 100)],
            more_arguments: 0,
            key_at: Some(1),
            queue_us: 1,
            response_us: 2,
            reply_bytes: Some(3),
        }
    }

    fn shown(log: &SlowLog, count: usize) -> Vec<(u64, u64)> {
        log.newest(count).iter().map(|entry| (entry.id, entry.at_ms)).collect()
    }

    #[test]
    fn the_newest_are_kept() {
        let log = SlowLog::default();
        log.push(request(1));
        assert!(log.is_empty(), "it is off");
        log.set_len_max(3);
        for at_ms in 10..15 {
            log.push(request(at_ms));
        }
        assert_eq!((log.len(), shown(&log, 9)), (3, vec![(4, 14), (3, 13), (2, 12)]));
        assert_eq!(shown(&log, 1), [(4, 14)]);
        let held =
            log.slots.get().expect("slots").iter().filter(|slot| slot.lock().unwrap().is_some()).count();
        assert_eq!(held, 3, "what is not shown is not kept");
        log.reset();
        assert_eq!((log.len(), shown(&log, 9)), (0, vec![]));
        log.push(request(20));
        assert_eq!((log.len(), shown(&log, 9)), (1, vec![(5, 20)]));
        log.set_len_max(usize::MAX);
        (0..2000).for_each(|at_ms| log.push(request(at_ms)));
        assert_eq!((log.len(), log.newest(usize::MAX).len()), (SlowLog::LEN_MAX, SlowLog::LEN_MAX));
    }

    #[test]
    fn a_slot_that_is_taken_is_not_waited_for() {
        let log = SlowLog::default();
        log.set_len_max(2);
        log.push(request(1));
        let slots = log.slots.get().expect("slots");
        let (first, second) = (slots[0].lock().unwrap(), slots[1].lock().unwrap());
        log.push(request(2));
        assert_eq!(shown(&log, 9), []);
        drop((first, second));
        log.push(request(3));
        assert_eq!((log.len(), shown(&log, 9)), (2, vec![(2, 3)]));
    }

    #[test]
    fn arguments_are_cut_and_escaped() {
        let entry = request(0);
        assert_eq!(entry.command(), "get");
        assert_eq!(entry.key().map(Cut::to_string).as_deref(), Some("k\\n... (98 more bytes)"));
        let long = Cut::of(&[0xff; 200], 200);
        assert_eq!((long.bytes.len(), long.more), (SlowRequest::ARGUMENT_BYTES, 136));
    }
}
