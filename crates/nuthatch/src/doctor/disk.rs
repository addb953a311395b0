//! The disk under the queue's data path: its file system, free space, and the latency of a flush.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config::checked::Durability;

use super::finding::Finding;
use super::patient::Patient;

/// Number of timed flushes.
const FLUSHES: usize = 32;
/// Median latency that causes a warning.
const SLOW: Duration = Duration::from_millis(10);
/// Free space that is too little, in bytes: the queue keeps a reserve of 1 MiB,
/// and a segment of a journal has 16.
const ROOM_NONE: u64 = 64 << 20;
/// Free space that causes a warning, in bytes.
const ROOM_LITTLE: u64 = 1 << 30;
/// Number of free files that causes a warning.
const FILES_FEW: u64 = 10_000;

/// File systems unsuited for messages: magic number, name, reason.
const DOUBTFUL: [(u64, &str, &str); 5] = [
    (0x0102_1994, "tmpfs", "messages are gone when the machine restarts"),
    (0x8584_58f6, "ramfs", "messages are gone when the machine restarts"),
    (0x6969, "NFS", "the lock on the directory and flushes depend on the server"),
    (0xff53_4d42, "CIFS", "the lock on the directory and flushes depend on the server"),
    (0x794c_7630, "overlay", "in a container messages are gone with it, unless a volume is mounted there"),
];

/// Checks file system and free space.
pub(super) fn space(patient: &Patient) -> Vec<Finding> {
    let Some(path) = directory(patient) else { return vec![Finding::skipped("there is no queue")] };
    let (kind, room) = match (rustix::fs::statfs(&path), rustix::fs::statvfs(&path)) {
        (Ok(kind), Ok(room)) => (kind, room),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Finding::error(format!("{}: {error}", path.display()), "")];
        }
    };
    let mut findings = Vec::new();
    let kind = kind.f_type as u64 & 0xffff_ffff;
    if let Some((_, name, reason)) = DOUBTFUL.iter().find(|(magic, ..)| *magic == kind) {
        findings.push(Finding::warning(
            format!("{} is on {name}: {reason}", path.display()),
            "set data_path of [queue] to a directory on a disk of this machine",
        ));
    }
    findings.push(of_room(&path, room.f_bavail.saturating_mul(room.f_frsize), room.f_files, room.f_favail));
    findings
}

fn of_room(path: &Path, bytes: u64, files: u64, files_left: u64) -> Finding {
    let text = format!("{} MiB free at {}", bytes >> 20, path.display());
    let remedy = "make room, or move data_path of [queue]; bytes_max of topics bounds what they keep";
    if bytes < ROOM_NONE {
        Finding::error(text, remedy)
    } else if bytes < ROOM_LITTLE {
        Finding::warning(text, remedy)
    } else if files > 0 && files_left < FILES_FEW {
        // File systems without a limit on files report 0.
        Finding::warning(format!("{text}, and only {files_left} more files are possible"), remedy)
    } else {
        Finding::fine(text)
    }
}

/// Checks the latency of a flush, which a publisher waits for with `durability = "fsync"`.
pub(super) fn fsync(patient: &Patient) -> Vec<Finding> {
    let Some(path) = directory(patient) else { return vec![Finding::skipped("there is no queue")] };
    let waits = patient.config.queue.as_ref().is_some_and(|queue| queue.durability == Durability::Fsync);
    vec![match flush_times(&path) {
        Ok(times) => of_times(times, waits),
        Err(error) => Finding::skipped(format!("nothing can be written to {}: {error}", path.display())),
    }]
}

fn of_times(mut times: Vec<Duration>, waits: bool) -> Finding {
    times.sort_unstable();
    let (Some(&worst), Some(&median)) = (times.last(), times.get(times.len() / 2)) else {
        return Finding::skipped("nothing was flushed");
    };
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let text = format!("a flush takes {}, {} at worst", milliseconds(median), milliseconds(worst));
    match (median > SLOW, waits) {
        (true, true) => Finding::warning(
            format!("{text}: every publication waits for one"),
            "a disk with a cache that survives a loss of power, or durability = \"os\" for topics that can do without",
        ),
        (true, false) => Finding::warning(
            format!("{text}: the queue is slow to give back room"),
            "look for what else writes to this disk",
        ),
        (false, _) => Finding::fine(text),
    }
}

/// The data path, or its nearest existing ancestor.
fn directory(patient: &Patient) -> Option<PathBuf> {
    let queue = patient.config.queue.as_ref()?;
    let path = std::path::absolute(&queue.data_path).ok()?;
    path.ancestors().find(|path| path.is_dir()).map(Path::to_owned)
}

/// A temporary file, deleted when dropped.
struct Scratch {
    path: PathBuf,
    file: File,
}

impl Scratch {
    fn create(directory: &Path) -> io::Result<Scratch> {
        let path = directory.join(format!(".nuthatch-doctor-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Scratch { path, file })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn flush_times(directory: &Path) -> io::Result<Vec<Duration>> {
    let mut scratch = Scratch::create(directory)?;
    let mut flush = || {
        let start = Instant::now();
        scratch.file.write_all(&[0; 4096])?;
        scratch.file.sync_data()?;
        Ok(start.elapsed())
    };
    (0..FLUSHES).map(|_| flush()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn room_and_files() {
        for (bytes, files, left, level) in [
            (10 << 30, 0, 0, Level::Fine),
            (10 << 30, 1_000_000, 9_999, Level::Warning),
            (1 << 29, 0, 0, Level::Warning),
            (1 << 20, 0, 0, Level::Error),
        ] {
            assert_eq!(of_room(Path::new("/d"), bytes, files, left).level, level, "{bytes} {files} {left}");
        }
    }

    #[test]
    fn slow_flushes_are_told() {
        let times = |ms| vec![Duration::from_millis(ms); 3];
        assert_eq!(of_times(times(1), true).level, Level::Fine);
        assert!(of_times(times(50), true).text.ends_with("every publication waits for one"));
        assert_eq!(of_times(times(50), false).level, Level::Warning);
        assert_eq!(of_times(Vec::new(), true).level, Level::Skipped);
    }

    #[test]
    fn the_file_does_not_stay() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(flush_times(directory.path()).unwrap().len(), FLUSHES);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
