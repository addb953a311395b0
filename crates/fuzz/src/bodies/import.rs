//! nsqd's data directory, with any content in its files.
//!
//! ```text
//! ┌ u8 index of the name │ u16 length (big-endian) │ content ┐ repeated
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use journal::MemFiles;
use journal::files::Files;
use net::{Instant, WallTime};
use queue::import::{self, Metadata, Step};
use queue::{Clock, QueueOptions, Settings};

/// File names of the directory.
pub const NAMES: [&str; 10] = [
    "nsqd.dat",
    "t.diskqueue.meta.dat",
    "t.diskqueue.000000.dat",
    "t.diskqueue.000001.dat",
    "t:c.diskqueue.meta.dat",
    "t:c.diskqueue.000000.dat",
    "t:c.diskqueue.000001.dat",
    "t:d.diskqueue.meta.dat",
    "t:d.diskqueue.000000.dat",
    "u.diskqueue.000000.dat.bad",
];
const DIR: &str = "/data";

/// nsqd.dat: every name found in it is valid.
pub fn metadata(bytes: &[u8]) {
    let Ok(metadata) = Metadata::parse(bytes) else { return };
    let is_name = |name: &str| wire::nsq::valid_name(name.as_bytes()).is_some();
    for topic in &metadata.topics {
        assert!(is_name(&topic.name) && topic.channels.iter().all(|channel| is_name(&channel.name)));
        assert_eq!(metadata.topics.iter().filter(|other| other.name == topic.name).count(), 1);
    }
}

/// A directory: imported or refused. After an import nothing is left to do; after a refusal every original is
/// in its place, unchanged.
pub fn directory(bytes: &[u8]) {
    let files = MemFiles::new(1);
    files.create_dir(Path::new(DIR)).expect("in memory");
    for (name, content) in parts(bytes) {
        files.set_content(&Path::new(DIR).join(NAMES[usize::from(name) % NAMES.len()]), content.to_vec());
    }
    let originals: Vec<(PathBuf, Vec<u8>)> = files
        .paths()
        .into_iter()
        .map(|path| (path.clone(), files.content(&path).unwrap_or_default()))
        .collect();
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let clock = Clock { now: Instant(1_000_000), wall: WallTime(1_700_000_000_000_000_000) };
    let options = QueueOptions::from(Settings {
        data_path: DIR.into(),
        max_bytes_per_file: 4096,
        ..Settings::default()
    });
    match import::run(&shared, &options, clock) {
        Ok(_) => {
            let next = import::plan(&shared, Path::new(DIR), "topics");
            assert!(matches!(next, Ok(Step::Nothing)), "{next:?}");
        }
        Err(why) => {
            assert!(!why.to_string().is_empty());
            for (path, content) in originals {
                assert!(files.content(&path) == Some(content), "{} changed: {why}", path.display());
            }
        }
    }
}

/// Reads the output of [`pack`]; a truncated last part is taken as it is.
pub fn parts(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut parts = Vec::new();
    while let Some(([name, high, low], rest)) = bytes.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (content, after) = rest.split_at(length);
        parts.push((*name, content));
        bytes = after;
    }
    parts
}

/// Appends one part: a number and its content, 65,535 bytes at most.
pub fn pack(number: u8, content: &[u8], out: &mut Vec<u8>) {
    let content = &content[..content.len().min(usize::from(u16::MAX))];
    out.push(number);
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
}
