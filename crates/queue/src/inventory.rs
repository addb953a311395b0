//! Inventory of the data path, apart from the journals: topics, journal ends, and damage found.
//!
//! A journal reveals damage inside it, but not that it is missing or has lost its end: that takes a second
//! record. It is one small file, `inventory`, rewritten when topics are created or deleted, when damage is
//! found or acknowledged, once an hour, and at shutdown; only after a shutdown does it hold every journal's
//! end. Ends are not written more often. As an id is a position in the journal, ids of messages lost in a
//! power failure are reused; preventing that would mean reserving positions on the device ahead of use and
//! skipping them at startup. Such messages were never guaranteed; see docs/queue.md.
//!
//! ```text
//! crc 8a3f00c1                     CRC-32 of what follows
//! {"clean":true,"topics":{"orders":{"tag":17,"end":4711,"messages":3}},"damage":[…]}
//! ```
//! A finding is reported, in the log at every start, on the page and in `/health`, until an operator
//! acknowledges it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::Files;
use journal::files::{OpenMode, read_full, write_all};
use serde::{Deserialize, Serialize};

use crate::message::Position;

/// Name of the file in the data path.
pub const NAME: &str = "inventory";
const TEMPORARY_NAME: &str = "inventory.tmp";
/// Most findings that are kept; more are only logged.
const FINDINGS_MAX: usize = 1000;
/// A larger file is not ours.
const BYTES_MAX: u64 = 256 << 20;
/// Text before the checksum.
const PREFIX: &str = "crc ";
const CRC_DIGITS: usize = 8;

/// Content of the inventory file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Written by a clean shutdown: every end is final.
    pub clean: bool,
    /// Topics that have files, by name.
    pub topics: BTreeMap<String, Listed>,
    /// Damage that was found.
    pub damage: Vec<Finding>,
}

/// A topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Tag in the ids of its messages.
    pub tag: u32,
    /// Lower bound of its journal's end.
    pub end: Position,
    /// Unfinished messages.
    pub messages: u64,
}

/// Damage that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The topic it concerns; empty if it concerns all.
    pub topic: String,
    /// The finding.
    pub text: String,
    /// Messages lost, as far as known.
    pub messages: u64,
    /// Bytes of the journal lost.
    pub bytes: u64,
    /// Time it was first found (wall, ns).
    pub found: i64,
    /// An operator has acknowledged it.
    pub acknowledged: bool,
}

/// Content of the file at a start.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored {
    /// No file.
    Missing,
    /// It cannot be read.
    Damaged,
    /// The inventory read.
    Sound(Inventory),
}

impl Inventory {
    /// Reads the file in `dir`.
    ///
    /// # Errors
    /// The device's error.
    pub fn read(files: &dyn Files, dir: &Path) -> io::Result<Stored> {
        let file = match files.open(&dir.join(NAME), OpenMode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Stored::Missing),
            Err(e) => return Err(e),
        };
        let bytes = file.bytes()?;
        if bytes > BYTES_MAX {
            return Ok(Stored::Damaged);
        }
        let mut content = vec![0; bytes as usize];
        let filled = read_full(&*file, &mut content, 0)?;
        Ok(decode(&content[..filled]).map_or(Stored::Damaged, Stored::Sound))
    }

    /// A job that replaces the file in `dir` by it.
    pub fn write_job(&self, files: Arc<dyn Files>, dir: &Path) -> InventoryJob {
        InventoryJob { files, dir: dir.to_owned(), content: encode(self) }
    }

    /// Adds a finding. False if it was known, or if there is no room.
    pub fn note(&mut self, finding: Finding) -> bool {
        if self.damage.iter().any(|known| known.topic == finding.topic && known.text == finding.text) {
            return false;
        }
        let full = self.damage.len() >= FINDINGS_MAX;
        let old = self.damage.iter().position(|known| known.acknowledged);
        if full && let Some(old) = old {
            self.damage.remove(old);
        }
        let room = !full || old.is_some();
        if room {
            self.damage.push(finding);
        }
        room
    }

    /// True if this damage is known and acknowledged.
    pub fn is_acknowledged(&self, topic: &str, text: &str) -> bool {
        self.damage.iter().any(|known| known.acknowledged && known.topic == topic && known.text == text)
    }

    /// Acknowledges all findings; returns how many were new.
    pub fn acknowledge(&mut self) -> u64 {
        let mut count = 0;
        for finding in self.damage.iter_mut().filter(|finding| !finding.acknowledged) {
            finding.acknowledged = true;
            count += 1;
        }
        count
    }

    /// Unacknowledged findings, in one line.
    pub fn summary(&self) -> Option<String> {
        let open = || self.damage.iter().filter(|finding| !finding.acknowledged);
        let first = open().next()?;
        let (messages, bytes) =
            open().fold((0, 0), |(m, b), finding| (m + finding.messages, b + finding.bytes));
        let place = if first.topic.is_empty() { String::new() } else { format!("topic {}: ", first.topic) };
        Some(format!(
            "damage was found: {} findings, {messages} messages and {bytes} bytes of journals lost ({place}{}); see GET \
             /damage, then POST /damage/acknowledge",
            open().count(),
            first.text
        ))
    }
}

fn encode(inventory: &Inventory) -> Vec<u8> {
    let json = serde_json::to_string(inventory).unwrap_or_default();
    format!("{PREFIX}{:0CRC_DIGITS$x}\n{json}\n", checksum(json.as_bytes())).into_bytes()
}

fn decode(content: &[u8]) -> Option<Inventory> {
    let text = std::str::from_utf8(content).ok()?;
    let (head, json) = text.strip_prefix(PREFIX)?.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    let sound = u32::from_str_radix(head, 16).is_ok_and(|crc| crc == checksum(json.as_bytes()));
    if sound { serde_json::from_str(json).ok() } else { None }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Writes an inventory.
#[derive(Debug)]
#[must_use = "run it on a thread that may block"]
pub struct InventoryJob {
    files: Arc<dyn Files>,
    dir: PathBuf,
    content: Vec<u8>,
}

impl InventoryJob {
    /// Writes a temporary file, flushes it, and renames it over the old one. Blocks.
    ///
    /// # Errors
    /// The device's error; until the rename the old file is unchanged.
    pub fn run(self) -> io::Result<()> {
        let InventoryJob { files, dir, content } = self;
        let temporary = dir.join(TEMPORARY_NAME);
        let file = files.open(&temporary, OpenMode::Create)?;
        write_all(&*file, &content, 0)
            .and_then(|()| file.sync())
            .and_then(|()| files.rename(&temporary, &dir.join(NAME)))
            .inspect_err(|_| drop(files.remove(&temporary)))?;
        files.sync_dir(&dir)
    }
}

#[cfg(test)]
mod tests {
    use journal::files::MemFiles;

    use super::*;

    fn sample() -> Inventory {
        let mut inventory = Inventory { clean: true, ..Inventory::default() };
        inventory.topics.insert("t".into(), Listed { tag: 7, end: 1 << 60, messages: 3 });
        assert!(inventory.note(finding("t", "gone")));
        inventory
    }

    fn finding(topic: &str, text: &str) -> Finding {
        let (topic, text) = (topic.to_owned(), text.to_owned());
        Finding { topic, text, messages: 2, bytes: 50, found: 1, acknowledged: false }
    }

    #[test]
    fn it_is_read_back_whole_or_not_at_all() {
        let dir = Path::new("/data");
        let files = MemFiles::new(1);
        files.create_dir(dir).unwrap();
        assert_eq!(Inventory::read(&files, dir).unwrap(), Stored::Missing);
        sample().write_job(Arc::new(files.clone()), dir).run().unwrap();
        assert_eq!(Inventory::read(&files, dir).unwrap(), Stored::Sound(sample()));
        let sound = files.content(&dir.join(NAME)).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Upper and lower case of a digit are the same.
            assert!(decode(&flipped).is_none_or(|read| read == sample()), "bit {bit}");
        }
        for cut in 0..sound.len() {
            assert_eq!(decode(&sound[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_finding_is_told_until_somebody_takes_note() {
        let mut inventory = sample();
        assert!(!inventory.note(finding("t", "gone")), "once is enough");
        assert!(inventory.note(finding("u", "gone")));
        let summary = inventory.summary().expect("two findings");
        assert!(summary.contains("2 findings, 4 messages and 100 bytes"), "{summary}");
        assert_eq!((inventory.acknowledge(), inventory.summary()), (2, None));
        assert!(!inventory.note(finding("t", "gone")), "it is known");
        assert!(inventory.is_acknowledged("t", "gone") && !inventory.is_acknowledged("t", "else"));
        assert_eq!(inventory.acknowledge(), 0);
    }

    #[test]
    fn findings_have_a_limit_and_those_that_are_acknowledged_make_room() {
        let mut inventory = Inventory::default();
        for n in 0..FINDINGS_MAX {
            assert!(inventory.note(finding("t", &n.to_string())));
        }
        assert!(!inventory.note(finding("t", "one more")));
        inventory.acknowledge();
        assert!(inventory.note(finding("t", "one more")));
        assert_eq!(inventory.damage.len(), FINDINGS_MAX);
    }
}
