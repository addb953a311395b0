//! Files that are put aside: renamed, so that nobody takes them for the journal's and somebody can look at
//! them.

use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::error::failed;
use crate::journal::Journal;

/// Ends the name of what was put aside.
pub(super) const BAD_SUFFIX: &str = ".bad";

/// Renames a file so that it is no part of the journal any more.
pub(super) fn put_aside(journal: &Journal, path: &Path) -> Result<(), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(BAD_SUFFIX);
    journal.files.rename(path, &PathBuf::from(name)).map_err(failed("rename", path))
}
