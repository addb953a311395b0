//! `imported.json`: the originals that a store was made of, while some of them are still to be moved.

use std::io;
use std::path::Path;

use journal::Files;
use journal::files::{OpenMode, read_full, write_all};
use serde::{Deserialize, Serialize};

use super::ImportError;

/// Name of the file, in the store.
pub const MARKER: &str = "imported.json";
/// Largest marker that is read, in bytes.
const MARKER_BYTES_MAX: u64 = 1 << 30;

/// The originals that a store was made of.
#[derive(Debug, Serialize, Deserialize)]
pub struct Marker {
    /// The folder that they are moved to.
    pub aside: String,
    /// Name and bytes of each.
    pub originals: Vec<(String, u64)>,
}

impl Marker {
    /// The marker of a store, if it has one.
    pub fn read(files: &dyn Files, store: &Path) -> Result<Option<Marker>, ImportError> {
        let path = store.join(MARKER);
        let file = match files.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(ImportError::io("open", &path)(e)),
        };
        let bytes = file.bytes().map_err(ImportError::io("read", &path))?;
        if bytes > MARKER_BYTES_MAX {
            return Err(ImportError::io("read", &path)(io::ErrorKind::FileTooLarge.into()));
        }
        let mut content = vec![0; bytes as usize];
        let filled = read_full(&*file, &mut content, 0).map_err(ImportError::io("read", &path))?;
        let marker = serde_json::from_slice(&content[..filled]);
        Ok(Some(marker.map_err(|e| ImportError::io("read", &path)(e.into()))?))
    }

    /// Writes it into the store, or into the directory that will be the store.
    pub fn write(&self, files: &dyn Files, store: &Path) -> io::Result<()> {
        let content = serde_json::to_vec(self)?;
        write_all(&*files.open(&store.join(MARKER), OpenMode::Create)?, &content, 0)
    }
}
