//! A conversation with the embedded cache: each line of standard input is a Redis command, its words
//! separated by blanks.
//!
//! ```text
//! $ printf 'SET k v\nAPPEND k w\nGET k\n' | cargo run -q -p nuthatch-local --example conversation
//! +OK
//! :2
//! $2
//! vw
//! ```

use std::io::{BufRead, Write};
use std::time::SystemTime;

use nuthatch_local::Store;
use wire::redis::Version;

fn main() -> std::io::Result<()> {
    let mut store = Store::new(16 << 20);
    let mut reply = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&[u8]> = line.split_ascii_whitespace().map(str::as_bytes).collect();
        if words.is_empty() {
            continue;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        store.execute_redis(&words, now.as_millis() as u64, Version::Resp2, &mut reply);
        std::io::stdout().write_all(&reply)?;
        reply.clear();
    }
    Ok(())
}
