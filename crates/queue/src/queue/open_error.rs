//! Errors of opening the queue.

use std::path::PathBuf;

use crate::topic::RecoverError;

/// The reason the queue could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The directory of topics could not be created or listed.
    Directory(PathBuf, std::io::Error),
    /// A topic could not be recovered.
    Topic(String, RecoverError),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            OpenError::Directory(path, e) => write!(f, "{}: {e}", path.display()),
            OpenError::Topic(name, e) => write!(f, "topic {name}: {e}"),
        }
    }
}

impl std::error::Error for OpenError {}
