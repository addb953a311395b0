//! A log of lines: what is in the directory is printed, then each line of standard input is appended.
//!
//! ```text
//! $ echo first | cargo run -q -p nuthatch-journal --example log /tmp/lines
//! $ echo second | cargo run -q -p nuthatch-journal --example log /tmp/lines
//! 0 first
//! ```
//! A line is accepted once its batch was flushed to the device: its position goes to standard error then.

use std::error::Error;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use nuthatch_journal::{Durability, Entry, Journal, Options, OsFiles, Recovery};

/// Kind of a record that holds a line; the journal gives no meaning to it.
const LINE: u8 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("name a directory: log DIRECTORY")?;
    let mut journal = open(Path::new(&directory))?;
    for line in std::io::stdin().lock().lines() {
        let position = journal.append(LINE, &[line?.as_bytes()])?;
        let batch = journal.commit()?;
        // A program with more to do runs the flush on another thread, and appends meanwhile.
        while journal.accepted() < batch {
            let flush = journal.sync_job().ok_or("the flush was refused: try again")?;
            journal.synced(flush.run())?;
        }
        eprintln!("accepted at {position}");
    }
    Ok(())
}

fn open(directory: &Path) -> Result<Journal, Box<dyn Error>> {
    let options = Options { durability: Durability::Fsync, ..Options::default() };
    let (journal, recovered) = Recovery::open(Arc::new(OsFiles), directory, options)?.replay(|entry| {
        if let Entry::Record(record) = entry {
            println!("{} {}", record.position, record.payload.escape_ascii());
        }
    })?;
    if recovered.truncated_bytes > 0 {
        eprintln!("cut off {} bytes, which a crash has left", recovered.truncated_bytes);
    }
    Ok(journal)
}
