//! The meta file of a disk queue: its read and write positions at the last flush, after that of the data.

/// A place in the data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the file.
    pub file: u64,
    /// Offset in it.
    pub offset: u64,
}

/// Contents of a meta file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Unread messages. Inexact after a crash, even negative.
    pub depth: i64,
    /// Read position.
    pub read: Place,
    /// Write position.
    pub write: Place,
}

impl Meta {
    /// Reads a meta file: `depth\nreadFile,readOffset\nwriteFile,writeOffset\n`.
    pub fn parse(bytes: &[u8]) -> Option<Meta> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let depth = lines.next()?.parse().ok()?;
        Some(Meta { depth, read: Place::parse(lines.next()?)?, write: Place::parse(lines.next()?)? })
    }

    /// True if something was unread.
    pub fn unread(&self) -> bool {
        self.depth > 0 || self.read != self.write
    }
}

impl Place {
    fn parse(line: &str) -> Option<Place> {
        let (file, offset) = line.split_once(',')?;
        Some(Place { file: file.parse().ok()?, offset: offset.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_files() {
        let says = |depth, read: (u64, u64), write: (u64, u64)| {
            let place = |(file, offset)| Place { file, offset };
            Some(Meta { depth, read: place(read), write: place(write) })
        };
        let cases = [
            ("0\n0,0\n0,0\n", says(0, (0, 0), (0, 0))),
            ("87\n3,1212\n8,1096\n", says(87, (3, 1212), (8, 1096))),
            ("-3\n3,1212\n8,1096\n", says(-3, (3, 1212), (8, 1096))),
            ("1\n0,0\n0,31", says(1, (0, 0), (0, 31))),
            ("", None),
            ("1\n", None),
            ("1\n0,0\n", None),
            ("x\n0,0\n0,0\n", None),
            ("1\n0\n0,0\n", None),
            ("1\n-1,0\n0,0\n", None),
            ("1\n0,0\n0\n", None),
            ("\0\0\0\0\0\0\0\0\0\0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Meta::parse(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(Meta::parse(b"\xff\n0,0\n0,0\n"), None);
    }
}
