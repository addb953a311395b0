//! A durable segmented log: group commit, recovery, cleaning.
