//! Records of reads that were sent twice ([`crate::hedging`]).

use crate::keys::LaneKey;
use crate::server::pending::Owner;

/// A read and its copy.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Owner of both.
    pub(crate) owner: Owner,
    /// The connection that it was sent on first,
    pub(crate) first: LaneKey,
    /// and that of the copy.
    pub(crate) copy: LaneKey,
}
