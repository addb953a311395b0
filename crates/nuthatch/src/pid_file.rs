//! The pid file: the decimal process id, no line feed, mode 0644.
//!
//! It is removed at every end of the process, and only while it is still ours: a second start that fails does not
//! take a running instance's file away.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A written pid file; dropping it removes it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the id of this process.
    ///
    /// # Errors
    /// Error of writing the file.
    pub fn write(path: impl Into<PathBuf>) -> io::Result<PidFile> {
        let path = path.into();
        // A daemon has no umask: without a mode everybody could write down another process to be stopped.
        // A link would have another file overwritten, by whoever may write into the directory.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&path).map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => io::Error::other("it is a symbolic link, which is not followed: remove it"),
            _ => error,
        })?;
        file.write_all(std::process::id().to_string().as_bytes())?;
        Ok(PidFile { path })
    }
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
