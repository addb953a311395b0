//! Messages that scripts publish, and events of keys: collected while commands run, handed out by whoever
//! knows the subscribers.

use std::fmt;

/// A message of `PUBLISH` or `SPUBLISH`, or an event of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// True for `SPUBLISH`.
    pub is_sharded: bool,
    /// True for an event: it concerns whoever uses the cache.
    pub is_event: bool,
    /// Name of its channel.
    pub channel: Box<[u8]>,
    /// The message itself.
    pub message: Box<[u8]>,
}

/// Number of receivers of a message to a channel: sharded or not, and its name.
#[derive(Clone, Copy)]
pub struct Audience<'a>(pub &'a dyn Fn(bool, &[u8]) -> usize);

impl Audience<'static> {
    /// Nobody.
    pub const NONE: Audience<'static> = Audience(&|_, _| 0);
}

impl fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audience")
    }
}
