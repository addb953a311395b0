//! Names by which the queue does something special: dead letters, and what goes with its last user.

/// End of the names of dead-letter topics.
pub(crate) const DEAD: &str = ".dead";

/// End of the names of topics and channels that go with their last user.
const EPHEMERAL: &str = "#ephemeral";

/// True for a topic or a channel that goes with its last user.
pub(crate) fn is_ephemeral(name: &str) -> bool {
    name.ends_with(EPHEMERAL)
}
