//! An active redrive of dead letters.

use std::ops::Range;

use journal::ReadJob;

use crate::consumers::ConsumerKey;
use crate::registry::TopicKey;
use crate::request::Reply;
use crate::topic::ChannelKey;

/// An active redrive.
#[derive(Debug)]
pub(super) struct Redrive {
    pub number: u64,
    /// True while another redrive goes first.
    pub waiting: bool,
    pub letters: (TopicKey, ChannelKey),
    pub consumer: ConsumerKey,
    pub target: (TopicKey, ChannelKey),
    pub left: usize,
    pub moved: u64,
    /// Only letters that died in this time (wall, ns).
    pub died: Option<Range<i64>>,
    /// Letters taken that died at another time: in flight to this redrive until it ends.
    pub passed_over: usize,
    /// Ids of the batch under way.
    pub departing: Vec<u64>,
    /// A read needed after that batch.
    pub read: Option<ReadJob>,
    pub reply: Reply,
}
