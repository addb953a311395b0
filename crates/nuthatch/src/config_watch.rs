//! The watch on a configuration file and on the files that it names (`watch_config`).
//!
//! ```text
//! every second: the file at each path (device, inode, size, times) ─▶ changed? ─▶ unchanged for a second? ─▶ reload
//! ```
//! Paths are followed through all symbolic links, so every way in which an orchestrator replaces a
//! file is noticed, on any file system: rewriting it, renaming another over it, or swapping a link
//! on the path, as Kubernetes does with `..data`. Kernel notifications would be a second faster,
//! but differ in each of these cases.
//!
//! A file is read once it has been unchanged for a second, or after [`LOOKS_MAX`] checks. If it
//! was read half written nevertheless, its completion is the next change. The last good
//! configuration stays in force meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::native;
use telemetry::{info, warn};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Interval between checks.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Checks after which a file that keeps changing is read.
const LOOKS_MAX: usize = 10;
/// Size limit of a file searched for the names of others, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// State of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A configuration file and the files that it names, in their state at the last check.
#[derive(Debug, Clone)]
pub struct Watched {
    path: PathBuf,
    /// The file itself comes first. None: the file does not exist.
    prints: Vec<(PathBuf, Option<Print>)>,
}

impl Watched {
    /// Records the current state of the files. Call it before reading them, so that no change is missed.
    pub fn begin(path: &Path) -> Watched {
        let mut watched = Watched { path: path.to_owned(), prints: Vec::new() };
        watched.look();
        watched
    }

    /// Checks again. True if something has changed.
    fn look(&mut self) -> bool {
        let own = (self.path.clone(), print(&self.path));
        let is_same = self.prints.first() == Some(&own);
        let before = std::mem::take(&mut self.prints);
        let names = before.iter().skip(1).map(|(path, _)| path.clone());
        // While the file cannot be read, keep the names from before.
        let names = if is_same { None } else { named(&self.path) }.unwrap_or_else(|| names.collect());
        self.prints =
            std::iter::once(own).chain(names.into_iter().map(|path| (path.clone(), print(&path)))).collect();
        self.prints != before
    }
}

/// Checks every `every` while `wanted`, and reports each change once. Ends when the receiver is gone.
pub async fn run(
    mut watched: Watched,
    every: Duration,
    mut wanted: watch::Receiver<bool>,
    changed: mpsc::Sender<()>,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waits: Option<usize> = None;
    loop {
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return;
        }
        tokio::select! {
            _ = ticks.tick() => {}
            () = changed.closed() => return,
        }
        // A file system may be slow.
        let looked = tokio::task::spawn_blocking(move || {
            let differs = watched.look();
            (watched, differs)
        });
        let Ok((back, differs)) = looked.await else {
            warn!("the configuration is no longer watched: reload it by hand");
            return;
        };
        watched = back;
        let looks = waits.map_or(0, |looks| looks + 1);
        if differs && looks < LOOKS_MAX {
            waits = Some(looks);
        } else if waits.take().is_some() {
            info!(path = %watched.path.display(), "configuration changed");
            // A report already queued covers this change too.
            let _ = changed.try_send(());
        }
    }
}

/// The state of the file at the end of a path.
fn print(path: &Path) -> Option<Print> {
    let found = std::fs::metadata(path).ok()?;
    Some(Print {
        device: found.dev(),
        inode: found.ino(),
        bytes: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

/// Files that a configuration file names; None if it cannot be read.
fn named(path: &Path) -> Option<Vec<PathBuf>> {
    let found = std::fs::metadata(path).ok()?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return None;
    }
    native::files(&std::fs::read_to_string(path).ok()?)
}

#[cfg(test)]
mod tests;
