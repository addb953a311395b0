//! Parts of the process that the admin port queries. The binary implements them: this crate knows no product.

use std::pin::Pin;
use std::sync::Arc;

use crate::lookup::LookupReport;
use crate::queue::QueueReport;

/// A part of the process that answers with its report.
pub trait Source<T>: Send + Sync {
    /// Requests a full report. None if the part has stopped. Called on the control thread; it must not block.
    fn ask(&self) -> Answer<T>;
}

/// Future returned by [`Source::ask`].
pub type Answer<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// The running parts.
#[derive(Clone, Default)]
pub struct Sources {
    /// The queue.
    pub queue: Option<Arc<dyn Source<QueueReport>>>,
    /// The lookup.
    pub lookup: Option<Arc<dyn Source<LookupReport>>>,
}
