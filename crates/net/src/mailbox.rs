//! Mail to a shard from other threads: batched, one wake per turn.
//!
//! Sending never blocks, so the senders must bound what waits in the box. Answers and connections in transit
//! are bounded by the requests that caused them, and always taken. *Requests* caused by others are counted,
//! and refused while [`REQUESTS_MAX`] of them wait. ARCHITECTURE.md lists all mail with its bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

/// Most requests waiting for one shard.
pub(crate) const REQUESTS_MAX: usize = 16 * 1024;

/// The sending end. Cheap to clone; sending never blocks.
#[derive(Debug)]
pub struct Sender<M> {
    queue: mpsc::Sender<M>,
    bell: Arc<Bell>,
}

impl<M> Clone for Sender<M> {
    fn clone(&self) -> Self {
        Sender { queue: self.queue.clone(), bell: Arc::clone(&self.bell) }
    }
}

/// The reason a request was not taken. The request is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The maximum number wait: worth another try.
    Full,
    /// The shard has stopped.
    Stopped,
}

/// The shard has stopped; returns the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone<M>(pub M);

impl<M> Sender<M> {
    /// Puts `mail` in the box and wakes the shard unless it has already been woken since its last look.
    pub fn send(&self, mail: M) -> Result<(), Gone<M>> {
        self.queue.send(mail).map_err(|e| Gone(e.0))?;
        self.bell.ring();
        Ok(())
    }

    /// Puts a request in the box, unless too many wait. The receiver reports its removal through
    /// [`Mailbox::request_taken`].
    pub fn request(&self, mail: M) -> Result<(), NotTaken> {
        if self.bell.requests.fetch_add(1, Ordering::Relaxed) >= REQUESTS_MAX {
            self.bell.requests.fetch_sub(1, Ordering::Relaxed);
            return Err(NotTaken::Full);
        }
        self.send(mail).map_err(|Gone(_)| {
            self.bell.requests.fetch_sub(1, Ordering::Relaxed);
            NotTaken::Stopped
        })
    }
}

/// The receiving end, which belongs to the shard.
#[derive(Debug)]
pub(crate) struct Mailbox<M> {
    queue: mpsc::Receiver<M>,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    /// Number of waiting requests.
    requests: AtomicUsize,
    waker: mio::Waker,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Waking fails only when the eventfd's counter is full, and then the shard is awake.
            let _ = self.waker.wake();
        }
    }
}

pub(crate) fn mailbox<M>(waker: mio::Waker) -> (Sender<M>, Mailbox<M>) {
    let (sender, receiver) = mpsc::channel();
    let bell = Arc::new(Bell { rung: AtomicBool::new(false), requests: AtomicUsize::new(0), waker });
    (Sender { queue: sender, bell: Arc::clone(&bell) }, Mailbox { queue: receiver, bell })
}

impl<M> Mailbox<M> {
    /// Called before the box is emptied: later mail wakes the shard again.
    pub(crate) fn open(&self) {
        self.bell.rung.store(false, Ordering::Release);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Records that a request was taken out.
    pub(crate) fn request_taken(&self) {
        self.bell.requests.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn next(&self) -> Option<M> {
        self.queue.try_recv().ok()
    }
}
