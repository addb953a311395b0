//! A configuration file for the native commands, read from its path or, for `-`, from standard input.

use std::io::{self, Read};
use std::path::Path;

use config::{Fault, FileKind};

/// Size limit of a file, in bytes: tens of thousands of servers use a fraction of it.
const BYTES_MAX: u64 = 64 << 20;

/// A file's content.
pub struct Source {
    /// Its name in messages.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Program it belongs to.
    pub kind: FileKind,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// It cannot be read, or it is larger than a configuration can be.
    pub fn read(path: &Path) -> io::Result<Source> {
        let standard_input = path.as_os_str() == "-";
        let mut bytes = Vec::new();
        if standard_input {
            io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        } else {
            std::fs::File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        }
        if bytes.len() as u64 > BYTES_MAX {
            let text = format!("it is larger than {} MiB, which no configuration is", BYTES_MAX >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let name = if standard_input { "standard input".into() } else { path.display().to_string() };
        Ok(Source { name, kind: FileKind::of(path, &bytes), bytes })
    }

    /// A fault with its line.
    pub fn show(&self, fault: &Fault) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let excerpt = fault.position.map(|at| at.excerpt(&text)).unwrap_or_default();
        format!("{}\n{excerpt}", fault.show(&self.name))
    }
}
