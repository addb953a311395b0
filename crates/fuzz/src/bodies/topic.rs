//! A topic's records and checkpoint with valid checksums and any content, as another version or a bug may
//! have written them.

use std::path::Path;
use std::sync::Arc;

use journal::files::Files;
use journal::{Journal, MemFiles};
use net::{Instant, WallTime};
use queue::topic::{Known, Topic};
use queue::{Clock, QueueOptions};

use super::import::parts;

/// Number of a checkpoint, next to the kinds of records.
pub const CHECKPOINT: u8 = 0;
const DIR: &str = "/topics/t";

/// Parts as in [`super::import`]: the kind of a record and its payload, or a checkpoint. The topic opens or
/// is refused; an open one can write a checkpoint, from which it reopens with as many channels.
pub fn recovery(bytes: &[u8]) {
    let files = MemFiles::new(1);
    let shared: Arc<dyn Files> = Arc::new(files);
    shared.create_dir(Path::new("/topics")).expect("in memory");
    write(&shared, bytes);
    let Some(mut topic) = open(&shared) else { return };
    let (channels, tag) = (topic.channel_count(), topic.tag());
    if let Some(job) = topic.checkpoint(clock()) {
        topic.checkpointed(job.run(), clock().wall.0).expect("in memory");
        drop(topic);
        let again = open(&shared).expect("what was written is read");
        assert_eq!((again.channel_count(), again.tag()), (channels, tag));
    }
}

fn clock() -> Clock {
    Clock { now: Instant(1_000_000), wall: WallTime(1_700_000_000_000_000_000) }
}

fn open(files: &Arc<dyn Files>) -> Option<Topic<()>> {
    let options = QueueOptions::default();
    let (mut recount, dir) = (options.recount_bytes, Path::new(DIR));
    Topic::open("t", Known { tag: 7, end: 0 }, Arc::clone(files), dir, &options, clock(), &mut recount)
        .ok()
        .map(|opened| opened.0)
}

fn write(files: &Arc<dyn Files>, bytes: &[u8]) {
    let options = journal::Options { cache_bytes: 0, ..journal::Options::default() };
    let mut journal = Journal::create(Arc::clone(files), Path::new(DIR), options).expect("in memory");
    for (kind, payload) in parts(bytes) {
        if kind == CHECKPOINT {
            journal.commit().expect("in memory");
            if let Ok(job) = journal.checkpoint(journal.end(), payload.to_vec()) {
                journal.checkpointed(job.run()).expect("in memory");
            }
        } else {
            journal.append(kind, &[payload]).expect("small");
        }
    }
    journal.commit().expect("in memory");
}
