//! An order to bring dead letters back, under way.

use journal::ReadJob;

use crate::consumers::ConsumerKey;
use crate::registry::TopicKey;
use crate::request::Reply;
use crate::topic::ChannelKey;

/// An order under way.
#[derive(Debug)]
pub(super) struct Redrive {
    pub number: u64,
    /// Another order has its turn first.
    pub waiting: bool,
    pub letters: (TopicKey, ChannelKey),
    pub consumer: ConsumerKey,
    pub target: (TopicKey, ChannelKey),
    pub left: usize,
    pub moved: u64,
    /// Ids of the batch that is on its way.
    pub departing: Vec<u64>,
    /// A read that is needed after that batch.
    pub read: Option<ReadJob>,
    pub reply: Reply,
}
