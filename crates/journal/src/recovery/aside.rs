//! Files put aside: renamed, so that they no longer count as the journal's but can still be inspected.

use std::path::{Path, PathBuf};

use crate::OpenError;
use crate::error::failed;
use crate::journal::Journal;

/// Suffix of files put aside.
pub(super) const BAD_SUFFIX: &str = ".bad";

/// Renames a file so that it is no longer part of the journal.
pub(super) fn put_aside(journal: &Journal, path: &Path) -> Result<(), OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(BAD_SUFFIX);
    journal.files.rename(path, &PathBuf::from(name)).map_err(failed("rename", path))
}
