//! Bits that flip between two lives, and the loss that is acceptable.
//!
//! | place | loss |
//! |---|---|
//! | a message's body or the header of its record | that message |
//! | the header of a segment | nothing |
//! | the inventory | nothing, but it is reported |
//! | a checkpoint | the topic's knowledge of its channels; the daemon starts, and delivers nothing that was not published |

use std::path::{Path, PathBuf};

use queue::request::{Answer, Request};

use super::World;
use crate::messaging::body::{Uid, body, uids_in};
use crate::messaging::tamper::Tamper;

/// Bytes before the first record of a segment.
const SEGMENT_HEADER: usize = 32;
/// Bytes of a record before its payload; the second four are its length.
const RECORD_HEADER: usize = 9;
/// Bytes of an ordinary message's payload before its body: flags (none set) and a time.
const HEAD: usize = 9;
const INVENTORY: &str = "/data/inventory";
const CHECKPOINT: &str = "checkpoint";

impl World {
    pub(super) fn rot(&mut self) {
        for _ in 0..self.rng.below(self.scenario.rot + 1) {
            let mut paths = self.files.paths();
            paths.retain(|path| path.starts_with("/data/topics") || path == Path::new(INVENTORY));
            if paths.is_empty() {
                return;
            }
            let path = paths.swap_remove(self.rng.below(paths.len() as u64) as usize);
            let Some(content) = self.files.content(&path).filter(|content| !content.is_empty()) else {
                continue;
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match name.as_str() {
                "inventory" => self.rot_inventory(&path, &content),
                CHECKPOINT => self.rot_checkpoint(&path, &content),
                _ if path.extension().is_none_or(|extension| extension != "log") => {}
                _ if self.rng.one_in(4) => self.rot_segment_header(&path, &content),
                _ => self.rot_message(&path, &content),
            }
        }
    }

    fn flip(&mut self, path: &Path, at: usize) {
        self.files.flip(path, at, 1 << self.rng.below(8));
        self.oracle.report.rotten += 1;
        if self.trace {
            eprintln!("           a bit of {} flips at {at}", path.display());
        }
    }

    fn rot_message(&mut self, path: &Path, content: &[u8]) {
        let found = uids_in(content);
        let Some((at, uid)) = self.pick(&found) else { return };
        let body = body(uid, self.scenario.fill_max).len();
        let header = header_before(content, at - 1, body).filter(|_| self.rng.one_in(3));
        let at = header.map_or(at, |start| start + self.rng.below(RECORD_HEADER as u64) as usize);
        self.flip(path, at);
        self.oracle.lose(uid);
        if self.tamper == Some(Tamper::DamageSpreads) {
            self.spread(path, &found, uid);
        }
    }

    fn rot_segment_header(&mut self, path: &Path, content: &[u8]) {
        let found = uids_in(content);
        self.oracle.report.rotten_headers += 1;
        let at = self.rng.below(SEGMENT_HEADER.min(content.len()) as u64) as usize;
        self.flip(path, at);
        if self.tamper == Some(Tamper::HeaderCostsRecords) {
            self.spread(path, &found, 0);
        }
    }

    /// Deliberate bug: damages another place too.
    fn spread(&mut self, path: &Path, found: &[(usize, Uid)], uid: Uid) {
        if let Some((at, _)) = found.iter().find(|(_, other)| *other != uid) {
            self.files.flip(path, *at, 1);
        }
    }

    fn rot_inventory(&mut self, path: &Path, content: &[u8]) {
        self.oracle.report.rotten_headers += 1;
        // After the checksum, whose digits may be in upper or lower case.
        let at = content.len() / 2 + self.rng.below(content.len() as u64 / 2) as usize;
        self.flip(path, at);
        self.inventory_rotten = self.files.content(path) != Some(content.to_vec());
        if self.tamper == Some(Tamper::DamageUntold) {
            self.files.set_content(path, content.to_vec());
        }
    }

    fn rot_checkpoint(&mut self, path: &Path, content: &[u8]) {
        self.oracle.report.rotten_headers += 1;
        let at = self.rng.below(content.len() as u64) as usize;
        self.flip(path, at);
        if let Some(topic) = topic_of(path) {
            self.oracle.shatter(&topic);
        }
    }

    fn pick(&mut self, found: &[(usize, Uid)]) -> Option<(usize, Uid)> {
        if found.is_empty() { None } else { Some(found[self.rng.below(found.len() as u64) as usize]) }
    }

    /// Checks that a start has reported the damage.
    pub(super) fn check_damage_told(&mut self) {
        if !std::mem::take(&mut self.inventory_rotten) {
            return;
        }
        let told = match self.ask_now(Request::Damage) {
            Some(Answer::Damage(findings)) => {
                findings.iter().any(|finding| finding.text.contains("inventory"))
            }
            _ => false,
        };
        if !told {
            self.oracle.fault("the inventory is damaged, and nothing tells it".to_owned());
        }
    }
}

/// Topic that this file belongs to.
fn topic_of(path: &Path) -> Option<String> {
    let dir: PathBuf = path.parent()?.to_owned();
    Some(dir.file_name()?.to_str()?.strip_suffix(".topic")?.to_owned())
}

/// Start of the record of an ordinary message whose body of `bytes` is at `at`: only flags and a time precede
/// the body in its payload.
fn header_before(content: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let start = at.checked_sub(HEAD + RECORD_HEADER)?;
    let length = u32::from_le_bytes(content[start + 4..start + 8].try_into().ok()?);
    (start >= SEGMENT_HEADER && length as usize == HEAD + bytes && content[start + RECORD_HEADER] == 0)
        .then_some(start)
}
