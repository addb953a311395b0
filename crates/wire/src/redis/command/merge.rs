//! Merging the replies to the parts of a request into one.
//!
//! The table names the rule of each command that is split or sent to every server; the proxy does the
//! merging.

/// Rule for merging the replies to the parts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// Arrays of values, combined in the order of the request's keys (`MGET`).
    Values,
    /// Integers, summed (`DEL`, `UNLINK`, `TOUCH`, `EXISTS`, `DBSIZE`).
    Sum,
    /// `+OK` if every part answered so (`MSET`, `SCRIPT FLUSH`).
    AllOk,
    /// `+OK` if any part answered so, or else the first error (`SCRIPT KILL`).
    AnyOk,
    /// Arrays, one after another (`KEYS`).
    Lists,
    /// Any reply that is not null (`RANDOMKEY`).
    Some,
    /// Identical replies, any of which is the merged one (`SCRIPT LOAD`).
    Same,
    /// Arrays of integers of equal length, merged to the minimum at each place (`SCRIPT EXISTS`).
    Least,
    /// Arrays, one after another without what was there already (`PUBSUB CHANNELS`).
    Union,
    /// Arrays of channels and their subscribers, added up (`PUBSUB NUMSUB`).
    ChannelCounts,
    /// Arrays of sharded channels and their subscribers, added up (`PUBSUB SHARDNUMSUB`).
    ShardCounts,
    /// The greatest integer (`PUBSUB NUMPAT`: a pattern is subscribed at all servers).
    Greatest,
}

impl Merge {
    /// True if the proxy corrects the numbers of subscribers, also those of a single server.
    pub fn is_of_counts(self) -> bool {
        matches!(self, Merge::ChannelCounts | Merge::ShardCounts)
    }
}
