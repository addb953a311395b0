//! The directory of all topics, and the names in it.

use net::WallTime;

/// The directory in the data path that holds a directory for each topic.
pub(crate) const STORE: &str = "topics";
/// Suffix of a topic's directory name, so that no topic's name has a special meaning to a file system.
pub(super) const SUFFIX: &str = ".topic";

/// The name of a topic's directory.
pub(crate) fn topic_directory(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

/// Twenty-bit tag that differs between topics, and between topics created under the same name.
pub(crate) fn topic_tag(name: &str, born: WallTime) -> u32 {
    use std::hash::BuildHasher;
    (rustc_hash::FxBuildHasher.hash_one((name, born.0)) >> 40) as u32 & 0xf_ffff
}
