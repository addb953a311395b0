//! Names that the queue treats specially: dead letters, and topics or channels deleted with their last user.

/// Suffix of dead-letter topics.
pub(crate) const DEAD: &str = ".dead";

/// Suffix of topics and channels that are deleted with their last user.
const EPHEMERAL: &str = "#ephemeral";

/// True for a topic or a channel that is deleted with its last user.
pub(crate) fn is_ephemeral(name: &str) -> bool {
    name.ends_with(EPHEMERAL)
}
