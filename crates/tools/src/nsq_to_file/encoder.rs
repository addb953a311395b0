//! Compression of records, in members that can each be decompressed alone.
//!
//! Each sync ends a member, so that finished messages stay readable even if a crash cuts off what follows.
//! Concatenated members are one file for `gzip -d` and `zstd -d`.

use std::io::Write;

use flate2::write::GzEncoder;

/// Compression of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// Level 1 to 9.
    Gzip(u32),
    /// Level 1 to 19.
    Zstd(i32),
}

impl Compression {
    /// File name suffix.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip(_) => ".gz",
            Compression::Zstd(_) => ".zst",
        }
    }
}

/// Encodes records into the bytes of a file, and holds them until they are taken.
pub(super) struct Encoder {
    compression: Compression,
    /// Output bytes: uncompressed records, or members that have ended.
    ready: Vec<u8>,
    member: Option<Member>,
}

/// A member that has not ended.
enum Member {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

/// Writing to memory does not fail.
const TO_MEMORY: &str = "memory takes everything";

impl Encoder {
    pub(super) fn new(compression: Compression) -> Encoder {
        Encoder { compression, ready: Vec::new(), member: None }
    }

    /// Takes a record.
    pub(super) fn write(&mut self, record: &[u8]) {
        if self.member.is_none() {
            self.member = Member::new(self.compression);
        }
        match &mut self.member {
            None => self.ready.extend_from_slice(record),
            Some(Member::Gzip(member)) => member.write_all(record).expect(TO_MEMORY),
            Some(Member::Zstd(member)) => member.write_all(record).expect(TO_MEMORY),
        }
    }

    /// Ends the open member, if any.
    pub(super) fn end_member(&mut self) {
        let Some(member) = self.member.take() else { return };
        self.ready.extend(match member {
            Member::Gzip(member) => member.finish().expect(TO_MEMORY),
            Member::Zstd(member) => member.finish().expect(TO_MEMORY),
        });
    }

    /// Number of bytes ready to be written.
    pub(super) fn ready_bytes(&self) -> usize {
        self.ready.len() + self.member.as_ref().map_or(0, |member| member.ready().len())
    }

    /// Takes the bytes that are ready.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut taken = std::mem::take(&mut self.ready);
        if let Some(member) = &mut self.member {
            taken.append(member.ready_mut());
        }
        taken
    }
}

impl Member {
    fn new(compression: Compression) -> Option<Member> {
        match compression {
            Compression::None => None,
            Compression::Gzip(level) => {
                Some(Member::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(level))))
            }
            Compression::Zstd(level) => {
                let member = zstd::stream::write::Encoder::new(Vec::new(), level);
                Some(Member::Zstd(member.expect("the level was checked")))
            }
        }
    }

    fn ready(&self) -> &Vec<u8> {
        match self {
            Member::Gzip(member) => member.get_ref(),
            Member::Zstd(member) => member.get_ref(),
        }
    }

    fn ready_mut(&mut self) -> &mut Vec<u8> {
        match self {
            Member::Gzip(member) => member.get_mut(),
            Member::Zstd(member) => member.get_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn members_are_one_file_and_each_stands_alone() {
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let mut encoder = Encoder::new(compression);
            let mut file = Vec::new();
            for record in [&b"one\n"[..], b"two\n"] {
                encoder.write(record);
                file.extend(encoder.take());
                encoder.end_member();
                file.extend(encoder.take());
            }
            encoder.end_member();
            assert_eq!(encoder.ready_bytes(), 0, "no member for nothing");
            let whole = file.len();
            // a third one, cut off
            encoder.write(b"three\n");
            file.extend(encoder.take());
            let mut text = Vec::new();
            match compression {
                Compression::None => text.extend(&file[..whole]),
                Compression::Gzip(_) => {
                    let _ = flate2::read::MultiGzDecoder::new(&file[..]).read_to_end(&mut text);
                }
                Compression::Zstd(_) => {
                    let _ = zstd::stream::read::Decoder::new(&file[..]).unwrap().read_to_end(&mut text);
                }
            }
            assert!(text.starts_with(b"one\ntwo\n"), "{compression:?}");
        }
    }
}
