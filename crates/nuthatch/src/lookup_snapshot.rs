//! The lookup's snapshot: read at the start, written while the lookup runs and when it stops.
//!
//! The shard sends the registry in parts, so that no answer is delayed, and only after a change. The file is
//! written on its own thread, flushed, and renamed over the last one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use http::Stop;
use lookup::{Answer, Mail, ProducerKey, Reply, Request, Snapshot};
use net::Handle;
use telemetry::{info, warn};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Least time between two checks for changes, and its least multiple of the time a snapshot took: a large
/// fleet that changes all the time must not be written all the time.
const PERIOD: Duration = Duration::from_secs(2);
const REST: u32 = 20;
/// Size limit of a snapshot file, in bytes: ten thousand nodes with a hundred topics use a tenth of it.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Reads a snapshot; `None` if there is none, or it is unusable.
pub fn read(path: &Path) -> Option<Snapshot> {
    let opened = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        opened => opened,
    };
    parse(opened, path)
}

/// Reads a snapshot from a file of the predecessor; `None` if it is unusable.
pub fn read_file(mut file: File) -> Option<Snapshot> {
    let opened = file.rewind().map(|()| file);
    parse(opened, Path::new("(of the replaced process)"))
}

fn parse(file: io::Result<File>, path: &Path) -> Option<Snapshot> {
    let read = file.and_then(|mut file| {
        if file.metadata()?.len() > FILE_BYTES_MAX {
            return Err(io::Error::other("it is too large"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map(|_| bytes)
    });
    let parsed = read.map_err(|error| error.to_string()).and_then(|bytes| Snapshot::from_bytes(&bytes));
    match parsed {
        Ok(snapshot) => {
            info!(path = %path.display(), nodes = snapshot.nodes.len(), "answers come from a snapshot until nodes have registered");
            Some(snapshot)
        }
        Err(reason) => {
            warn!(path = %path.display(), reason, "the lookup's snapshot cannot be used");
            None
        }
    }
}

/// Writes snapshots until `stop`, and a last one then.
pub async fn keep(shard: Handle<Mail>, path: PathBuf, mut stop: Stop) {
    let (mut written, mut failing, mut pause) = (None, false, PERIOD);
    loop {
        let stopping = timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok();
        let begun = Instant::now();
        let changes = changes(&shard).await;
        if changes.is_some() && changes != written {
            match save(&shard, &path).await {
                Ok(()) => (written, failing) = (changes, false),
                Err(error) if !failing => {
                    failing = true;
                    warn!(path = %path.display(), %error, "the lookup's snapshot cannot be written");
                }
                Err(_) => {}
            }
        }
        pause = PERIOD.max(begun.elapsed() * REST);
        if stopping {
            return;
        }
    }
}

async fn ask(shard: &Handle<Mail>, request: Request) -> Option<Answer> {
    let (sender, answer) = oneshot::channel();
    let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
    if !shard.send(Mail::Request(request, reply)) {
        return None;
    }
    answer.await.ok()
}

async fn changes(shard: &Handle<Mail>) -> Option<u64> {
    match ask(shard, Request::Changes).await {
        Some(Answer::Changes(changes)) => Some(changes),
        _ => None,
    }
}

async fn save(shard: &Handle<Mail>, path: &Path) -> io::Result<()> {
    let (snapshot, path) = (take(shard).await?, path.to_owned());
    let writing = tokio::task::spawn_blocking(move || write(&path, &snapshot.to_bytes()));
    writing.await.map_err(io::Error::other)?
}

/// A snapshot as a file in memory, for the successor.
///
/// # Errors
/// The system's error, or the lookup has stopped.
#[cfg(target_os = "linux")]
pub async fn share(shard: &Handle<Mail>) -> io::Result<File> {
    let snapshot = take(shard).await?;
    let mut file = File::from(rustix::fs::memfd_create("lookup-snapshot", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(&snapshot.to_bytes())?;
    Ok(file)
}

/// Fails on systems without memory files: the successor reads the file on disk.
#[cfg(not(target_os = "linux"))]
pub async fn share(_: &Handle<Mail>) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fetches the registry, in parts.
async fn take(shard: &Handle<Mail>) -> io::Result<Snapshot> {
    let gone = || io::Error::other("the lookup has stopped");
    let mut nodes = Vec::new();
    let mut after: Option<ProducerKey> = None;
    loop {
        let Some(Answer::Saved(some, next)) = ask(shard, Request::Saved(after)).await else {
            return Err(gone());
        };
        nodes.extend(some);
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(Snapshot::new(nodes))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_one_that_is_none_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lookup.json");
        assert!(read(&path).is_none());
        for nodes in [vec![], vec![lookup::SavedNode::default()]] {
            let snapshot = Snapshot::new(nodes);
            write(&path, &snapshot.to_bytes()).unwrap();
            assert_eq!(read(&path), Some(snapshot));
        }
        fs::write(&path, "{\"version\":1,\"nodes\":[").unwrap();
        assert!(read(&path).is_none());
        assert!(write(&directory.path().join("none/lookup.json"), b"").is_err());
    }
}
