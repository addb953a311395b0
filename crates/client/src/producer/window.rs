//! Limits on publications in flight, and on their bytes.
//!
//! Publications beyond the limits wait here, first come, first served.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most bytes of unanswered publications. A larger publication goes alone.
const BYTES_MAX: u32 = 64 << 20;

/// Remaining room.
#[derive(Debug, Clone)]
pub(super) struct Window {
    publications: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// A place in the window, freed on drop.
#[derive(Debug)]
pub(super) struct Place {
    _publication: Option<OwnedSemaphorePermit>,
    _bytes: Option<OwnedSemaphorePermit>,
}

impl Window {
    pub(super) fn new(publications: usize) -> Window {
        Window {
            publications: Arc::new(Semaphore::new(publications)),
            bytes: Arc::new(Semaphore::new(BYTES_MAX as usize)),
        }
    }

    /// Waits for a place. The semaphores are never closed.
    pub(super) async fn enter(&self, bytes: usize) -> Place {
        let bytes = u32::try_from(bytes).unwrap_or(BYTES_MAX).min(BYTES_MAX);
        let publication = self.publications.clone().acquire_owned().await.ok();
        Place { _publication: publication, _bytes: self.bytes.clone().acquire_many_owned(bytes).await.ok() }
    }
}
