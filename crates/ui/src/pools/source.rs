//! Source of the pages of a pool: this process, or a node of a fleet over HTTP.

use std::pin::Pin;

use super::{KeysStatus, PoolView, SlowEntry};

/// A process whose pools are shown.
pub trait PoolSource: Send + Sync {
    /// A pool, with the last hour of one of its servers if one is named; None if there is no such pool.
    ///
    /// # Errors
    /// The reason that the process does not answer.
    fn view<'a>(&'a self, pool: &'a str, server: Option<&'a str>) -> Pending<'a, PoolView>;

    /// The slow log of a pool, newest first.
    ///
    /// # Errors
    /// The reason that the process does not answer.
    fn slow_log<'a>(&'a self, pool: &'a str) -> Pending<'a, Vec<SlowEntry>>;

    /// Hot keys and big replies of a pool.
    ///
    /// # Errors
    /// The reason that the process does not answer.
    fn keys<'a>(&'a self, pool: &'a str) -> Pending<'a, KeysStatus>;
}

/// An answer under way; None if there is no such pool.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<Option<T>, String>> + Send + 'a>>;
