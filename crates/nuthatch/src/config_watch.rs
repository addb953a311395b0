//! The watch on a configuration file and the files that it names (`watch_config`).
//!
//! ```text
//! every second: what each path leads to (device, inode, size, times) ─▶ other than before? ─▶ the same for a second? ─▶ reload
//! ```
//! Looked at is what a path leads to, through all symbolic links. So it makes no difference how an
//! orchestrator puts a file into place: rewritten, another one renamed over it, or a link on the way swapped,
//! as Kubernetes does with `..data`; nor on which file system that is. Notifications of the kernel would be a
//! second earlier, and differ in each of these cases.
//!
//! A file that is being written is not read before it has stood still for a second, or after [`LOOKS_MAX`]
//! looks. One that was read half written nevertheless changes once more, and that is the next change. The
//! last good configuration stays meanwhile.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::native;
use telemetry::{info, warn};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks.
pub const INTERVAL: Duration = Duration::from_secs(1);
/// Looks after which a file that keeps changing is read.
const LOOKS_MAX: usize = 10;
/// Longest file that is searched for the names of others.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A file as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A configuration file and the files that it names, as they stood at the last look.
#[derive(Debug, Clone)]
pub struct Watched {
    path: PathBuf,
    /// The file itself first. None: it is not there.
    prints: Vec<(PathBuf, Option<Print>)>,
}

impl Watched {
    /// The files as they stand. To be called before they are read, so that no change is missed.
    pub fn begin(path: &Path) -> Watched {
        let mut watched = Watched { path: path.to_owned(), prints: Vec::new() };
        watched.look();
        watched
    }

    /// Looks again. True if something has changed.
    fn look(&mut self) -> bool {
        let own = (self.path.clone(), print(&self.path));
        let is_same = self.prints.first() == Some(&own);
        let before = std::mem::take(&mut self.prints);
        let names = before.iter().skip(1).map(|(path, _)| path.clone());
        // A file that cannot be read as yet names what it named before.
        let names = if is_same { None } else { named(&self.path) }.unwrap_or_else(|| names.collect());
        self.prints =
            std::iter::once(own).chain(names.into_iter().map(|path| (path.clone(), print(&path)))).collect();
        self.prints != before
    }
}

/// Looks while it is wanted, so often, and tells of each change once. Ends when nobody listens.
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
            warn!("the configuration is not watched any more");
            return;
        };
        watched = back;
        let looks = waits.map_or(0, |looks| looks + 1);
        if differs && looks < LOOKS_MAX {
            waits = Some(looks);
        } else if waits.take().is_some() {
            info!(path = %watched.path.display(), "configuration changed");
            // One that is on its way already will find this change too.
            let _ = changed.try_send(());
        }
    }
}

/// The file that a path leads to, as it stands.
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
