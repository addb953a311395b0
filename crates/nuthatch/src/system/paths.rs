//! Check that directories and files are usable: the queue's directory and the log.

use std::ffi::CString;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use config::Fault;
use config::checked::Config;

use super::holder;
use super::words::Words;

/// Subdirectory of the data path with the queue's journals: files from an earlier
/// start as another user are not ours.
const JOURNALS: &str = "topics";

/// A fault for each path that cannot be used.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut complain = |option: String, why: String| {
        faults.push(Fault::error(None, format!("{option}: {why}"), ""));
    };
    if let Some(queue) = &config.queue
        && let Err(why) = data_path(&queue.data_path, words)
    {
        complain(words.option("[queue] data_path", "data path"), why);
    }
    if let Some(log) = &config.log.file
        && let Err(why) = log_file(log)
    {
        complain("[log] file".into(), why);
    }
    faults
}

/// Checks the queue's directory. The native face creates it, nsqd's does not.
fn data_path(path: &Path, words: Words) -> Result<(), String> {
    let shown = path.display();
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && words == Words::Native => {
            let above = path.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists());
            let above = above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            writable_directory(above).map_err(|why| format!("{shown} cannot be made: {why}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("{shown} does not exist, and nsqd does not create it"))
        }
        Err(error) => Err(format!("{shown}: {error}")),
        Ok(_) => {
            writable_directory(path)?;
            let journals = path.join(JOURNALS);
            match fs::metadata(&journals) {
                Ok(found) => writable(&journals, &found)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("{}: {error}", journals.display())),
            }
            unlocked(path)
        }
    }
}

fn unlocked(path: &Path) -> Result<(), String> {
    let directory = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match directory.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(format!("{} is in use by {}", path.display(), holder::shown(holder::of_lock(path))))
        }
        Err(TryLockError::Error(error)) => Err(format!("{} cannot be locked: {error}", path.display())),
    }
}

fn log_file(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(format!("{} is a directory", path.display())),
        Ok(found) => writable(path, &found),
        Err(error) if error.kind() == ErrorKind::NotFound => writable_directory(above(path)),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The parent directory of a path.
pub(super) fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks that files can be created in a directory.
pub(super) fn writable_directory(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Err(error) => Err(format!("{}: {error}", path.display())),
        Ok(found) if !found.is_dir() => Err(format!("{} is not a directory", path.display())),
        Ok(found) => writable(path, &found),
    }
}

/// Checks that the user of this process may write; the error names the owner.
fn writable(path: &Path, found: &Metadata) -> Result<(), String> {
    let wanted = if found.is_dir() { libc::R_OK | libc::W_OK | libc::X_OK } else { libc::W_OK };
    access(path, wanted).map_err(|error| {
        let (owner, group, mode) = (found.uid(), found.gid(), found.permissions().mode() & 0o7777);
        // SAFETY: geteuid takes nothing, touches no memory of ours and cannot fail.
        let user = unsafe { libc::geteuid() };
        format!(
            "{} cannot be written by user {user} ({error}): it belongs to user {owner}, group {group}, mode {mode:04o}",
            path.display()
        )
    })
}

/// The system's answer to an access by the effective user.
fn access(path: &Path, wanted: i32) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` ends with a zero byte and lives until the call returns.
    match unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), wanted, libc::AT_EACCESS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
