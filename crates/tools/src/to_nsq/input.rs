//! Messages of the input: the text between delimiters, with its offset in the file.
//!
//! A separate thread reads, since files and terminals have no asynchronous reads; it blocks while the channel
//! is full.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use tokio::sync::mpsc;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// Longest message, bytes: far above the limits of servers.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Pieces of input that may be queued.
const WAITING: usize = 4;

/// Source to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    StandardInput,
    /// A file, read from this byte.
    File(String, u64),
}

/// A message and its end offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) body: Vec<u8>,
    /// Index of the source.
    pub(super) source: usize,
    /// Offset after the message and its delimiter.
    pub(super) end: u64,
}

/// Result of one read.
pub(super) type Pieces = Result<Vec<Piece>, String>;

/// Reads the sources one after the other.
pub(super) fn read(sources: Vec<Source>, delimiter: u8) -> mpsc::Receiver<Pieces> {
    let (sender, pieces) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        for (index, source) in sources.iter().enumerate() {
            let result = match source {
                Source::StandardInput => split(io::stdin().lock(), index, 0, delimiter, &sender),
                Source::File(path, from) => open(path, *from)
                    .and_then(|file| split(file, index, *from, delimiter, &sender))
                    .map_err(|why| format!("{path}: {why}")),
            };
            match result {
                Ok(true) => {}
                // the receiver is gone
                Ok(false) => return,
                Err(why) => return drop(sender.blocking_send(Err(why))),
            }
        }
    });
    pieces
}

fn open(path: &str, from: u64) -> Result<File, String> {
    let text = |error: io::Error| config::nsqd::machine::error_text(&error);
    let mut file = File::open(path).map_err(text)?;
    let length = file.metadata().map_err(text)?.len();
    if length < from {
        return Err(format!(
            "it has {length} bytes, and {from} of it were published: it is another file, or was cut (take it out of the \
             --resume file to begin anew)"
        ));
    }
    file.seek(SeekFrom::Start(from)).map_err(text)?;
    Ok(file)
}

/// Splits one source; false if the receiver is gone.
fn split(
    mut input: impl Read,
    source: usize,
    from: u64,
    delimiter: u8,
    sender: &mpsc::Sender<Pieces>,
) -> Result<bool, String> {
    let mut splitter = Splitter { delimiter, source, at: from, rest: Vec::new() };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(config::nsqd::machine::error_text(&error)),
        };
        let pieces = if count == 0 { splitter.finish() } else { splitter.push(&buffer[..count])? };
        if !pieces.is_empty() && sender.blocking_send(Ok(pieces)).is_err() {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}

struct Splitter {
    delimiter: u8,
    source: usize,
    /// Offset of the next byte.
    at: u64,
    /// A message without its end so far.
    rest: Vec<u8>,
}

impl Splitter {
    fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        while let Some(end) = memchr::memchr(self.delimiter, bytes) {
            self.rest.extend_from_slice(&bytes[..end]);
            self.at += end as u64 + 1;
            self.take(&mut pieces);
            bytes = &bytes[end + 1..];
        }
        self.rest.extend_from_slice(bytes);
        self.at += bytes.len() as u64;
        if self.rest.len() > MESSAGE_BYTES_MAX {
            return Err(format!("a message of more than {MESSAGE_BYTES_MAX} bytes: is --delimiter right?"));
        }
        Ok(pieces)
    }

    /// The last message, which needs no delimiter.
    fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.take(&mut pieces);
        pieces
    }

    /// Takes the message; empty ones are skipped, since NSQ does not allow them.
    fn take(&mut self, pieces: &mut Vec<Piece>) {
        let body = std::mem::take(&mut self.rest);
        if !body.is_empty() {
            pieces.push(Piece { body, source: self.source, end: self.at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], step: usize) -> Vec<(Vec<u8>, u64)> {
        let mut splitter = Splitter { delimiter: b'\n', source: 0, at: 10, rest: Vec::new() };
        let mut all: Vec<Piece> = input.chunks(step).flat_map(|part| splitter.push(part).unwrap()).collect();
        all.extend(splitter.finish());
        all.into_iter().map(|piece| (piece.body, piece.end)).collect()
    }

    #[test]
    fn split_whole_and_byte_by_byte() {
        for (input, expected) in [
            (&b""[..], &[][..]),
            (b"\n\n", &[]),
            (b"a\nbc\n", &[(&b"a"[..], 12), (b"bc", 15)]),
            (b"a\n\nlast byte", &[(b"a", 12), (b"last byte", 22)]),
            (b"x", &[(b"x", 11)]),
        ] {
            let expected: Vec<(Vec<u8>, u64)> =
                expected.iter().map(|(body, end)| (body.to_vec(), *end)).collect();
            for step in [1, 2, 100] {
                assert_eq!(pieces(input, step), expected, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn an_endless_message_is_refused() {
        let mut splitter =
            Splitter { delimiter: b'\n', source: 0, at: 0, rest: vec![b'x'; MESSAGE_BYTES_MAX] };
        assert!(splitter.push(b"x").is_err());
    }
}
