//! Mail to a shard from other threads: batched, one wake per turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

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

/// The shard has stopped; the mail comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone<M>(pub M);

impl<M> Sender<M> {
    /// Puts `mail` in the box and wakes the shard unless somebody else has done so since it last looked.
    pub fn send(&self, mail: M) -> Result<(), Gone<M>> {
        self.queue.send(mail).map_err(|e| Gone(e.0))?;
        self.bell.ring();
        Ok(())
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
    let bell = Arc::new(Bell { rung: AtomicBool::new(false), waker });
    (Sender { queue: sender, bell: Arc::clone(&bell) }, Mailbox { queue: receiver, bell })
}

impl<M> Mailbox<M> {
    /// To be called before the box is emptied: mail that comes later rings again.
    pub(crate) fn open(&self) {
        self.bell.rung.store(false, Ordering::Release);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    pub(crate) fn next(&self) -> Option<M> {
        self.queue.try_recv().ok()
    }
}
