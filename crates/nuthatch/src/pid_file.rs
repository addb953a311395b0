//! The pid file: the decimal process id, without line feed, mode 0644.
//!
//! It is always removed when the process ends, but only while it still holds our id: a second start that
//! fails does not remove a running instance's file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A written pid file; dropping it removes it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the id of this process: a reader finds the old content or the new one, never half of it.
    ///
    /// # Errors
    /// Error of writing the file.
    pub fn write(path: impl Into<PathBuf>) -> io::Result<PidFile> {
        let path = path.into();
        // A symlink would let anyone with write access to the directory make us overwrite another file.
        if path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(io::Error::other("it is a symbolic link, which is not followed: remove it"));
        }
        let id = std::process::id().to_string();
        let beside = beside(&path);
        let replaced = write_new(&beside, &id).and_then(|()| std::fs::rename(&beside, &path));
        if replaced.is_err() {
            let _ = std::fs::remove_file(&beside);
            // The directory may belong to another user and the file to ours, as when a package created it.
            open(&path, OpenOptions::new().truncate(true).create(true))?.write_all(id.as_bytes())?;
        }
        Ok(PidFile { path })
    }
}

/// Path of the temporary file that is renamed to the final name.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

fn write_new(path: &Path, content: &str) -> io::Result<()> {
    open(path, OpenOptions::new().create_new(true))?.write_all(content.as_bytes())
}

/// Opens a file for writing. A daemon has umask 0: without a mode anyone could write another
/// process's id, to have it stopped.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW).open(path)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = std::fs::read_to_string(&self.path).is_ok_and(|id| id == std::process::id().to_string());
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PidFile;

    #[test]
    fn removed_only_while_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).unwrap();
        std::fs::write(&path, "1").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1");
        assert!(PidFile::write(directory.path().join("no/such")).is_err());
    }

    #[test]
    fn a_reader_never_finds_half_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        std::mem::forget(PidFile::write(&path).unwrap());
        let id = std::process::id().to_string();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for _ in 0..500 {
                    std::mem::forget(PidFile::write(&path).unwrap());
                }
            });
            while !writer.is_finished() {
                assert_eq!(std::fs::read_to_string(&path).unwrap(), id);
            }
        });
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("pid"), directory.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        for target in [victim.clone(), directory.path().join("new")] {
            std::os::unix::fs::symlink(&target, &path).unwrap();
            let error = PidFile::write(&path).unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{error}");
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!directory.path().join("new").exists());
    }
}
