//! Numbers of the record kinds in a topic's journal.
//!
//! A number is never reused: journals outlive the program that wrote them.

/// A message in the stream that every channel reads.
pub const KIND_MESSAGE: u8 = 1;
/// A message for one channel only; no cursor reads it.
pub const KIND_PRIVATE: u8 = 2;
/// A live message copied forward out of an old segment; no cursor reads it. Its payload has the original
/// position.
pub const KIND_COPY: u8 = 3;
/// See [`Record::Finished`](super::Record::Finished) and its companions.
pub const KIND_FINISHED: u8 = 4;
/// As version 0.1 wrote it: without the time at which the due time was set.
pub(super) const KIND_REQUEUED_UNDATED: u8 = 5;
pub(super) const KIND_CHANNEL_CREATED: u8 = 6;
pub(super) const KIND_CHANNEL_DELETED: u8 = 7;
pub(super) const KIND_CHANNEL_PAUSED: u8 = 8;
pub(super) const KIND_CHANNEL_EMPTIED: u8 = 9;
pub(super) const KIND_TOPIC_PAUSED: u8 = 10;
pub(super) const KIND_TOPIC_EMPTIED: u8 = 11;
pub(super) const KIND_TOPIC_CREATED: u8 = 12;
pub(super) const KIND_CHANNEL_SOUGHT: u8 = 13;
pub(super) const KIND_CONFIGURED: u8 = 14;
pub(super) const KIND_DROPPED: u8 = 15;
pub(super) const KIND_REQUEUED: u8 = 16;
/// The highest kind in use.
pub const KIND_LAST: u8 = KIND_REQUEUED;
