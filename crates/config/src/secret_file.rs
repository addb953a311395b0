//! Files that hold a secret, to keep it out of the configuration.
//!
//! The first line is the secret, without its line end (LF or CR LF). The file is read with the
//! configuration, also on a reload. A file readable by other users is only a warning, since orchestrators
//! put such files into a private directory.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use access::SECRET_BYTES_MAX;

use crate::nsqd::machine::error_text;

/// Content of a file.
#[derive(Debug)]
pub(crate) struct Content {
    /// The secret: 1 to [`SECRET_BYTES_MAX`] bytes.
    pub secret: Vec<u8>,
    /// Reason for a warning: other users can read the file.
    pub exposed: Option<Problem>,
}

/// A fault of a file, starting with its path, and its remedy. Neither contains any of its content.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The fault.
    pub text: String,
    /// Its remedy.
    pub help: String,
}

/// Reads the secret in a file.
pub(crate) fn read(path: &Path) -> Result<Content, Problem> {
    let shown = path.display();
    let problem = |text: &str, help: &str| Problem { text: format!("{shown} {text}"), help: help.into() };
    let unreadable = |error: std::io::Error| {
        problem(&format!("cannot be read: {}", error_text(&error)), "its first line is the password")
    };
    // A pipe would wait for a writer, a device might never end.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(problem("is not a regular file", "name a file whose first line is the password"));
    }
    let mut bytes = Vec::new();
    let most = SECRET_BYTES_MAX as u64 + 2;
    File::open(path).map_err(unreadable)?.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.len() {
        0 => return Err(problem("has an empty first line", "write the password into it")),
        1..=SECRET_BYTES_MAX => {}
        _ => {
            let text = format!("has a first line of more than {SECRET_BYTES_MAX} bytes");
            return Err(problem(&text, "its first line is the password"));
        }
    }
    let mode = metadata.mode() & 0o777;
    let exposed = (mode & 0o077 != 0).then(|| {
        let text = format!("can be read by others than its owner (mode {mode:04o})");
        problem(&text, &format!("chmod 600 {shown}"))
    });
    Ok(Content { secret: line.to_vec(), exposed })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let max = SECRET_BYTES_MAX;
        let too_long = format!("has a first line of more than {max} bytes");
        for (content, secret) in [
            (b"s3cret".to_vec(), Ok(b"s3cret".to_vec())),
            (b"s3cret\n".to_vec(), Ok(b"s3cret".to_vec())),
            (b" s3\xffcret \r\nrest\n".to_vec(), Ok(b" s3\xffcret ".to_vec())),
            (vec![b'x'; max], Ok(vec![b'x'; max])),
            ([vec![b'x'; max], b"\r\n".to_vec()].concat(), Ok(vec![b'x'; max])),
            (vec![b'x'; max + 1], Err(too_long.as_str())),
            ([vec![b'x'; max + 1], b"\n".to_vec()].concat(), Err(too_long.as_str())),
            (b"".to_vec(), Err("has an empty first line")),
            (b"\r\ns3cret".to_vec(), Err("has an empty first line")),
        ] {
            std::fs::write(&path, content).unwrap();
            let wanted = secret.map_err(|what| format!("{} {what}", path.display()));
            assert_eq!(read(&path).map(|content| content.secret).map_err(|problem| problem.text), wanted);
        }
        for (path, wrong) in [
            (directory.path().to_owned(), "is not a regular file"),
            ("/dev/zero".into(), "is not a regular file"),
            (directory.path().join("none"), "cannot be read: no such file or directory"),
        ] {
            let problem = read(&path).unwrap_err();
            assert_eq!(problem.text, format!("{} {wrong}", path.display()));
            assert!(!problem.help.is_empty());
        }
    }

    #[test]
    fn readable_by_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret").unwrap();
        for (mode, exposed) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(file.path()).unwrap().exposed.is_some(), exposed, "{mode:o}");
        }
    }
}
