//! The embedded cache.

/// Placeholder until the store lands.
#[derive(Debug)]
pub struct Store;

impl Store {
    /// An empty store.
    pub fn new(_bytes_max: usize) -> Store {
        Store
    }

    /// Runs one command.
    pub fn execute_redis(&mut self, _args: &[&[u8]], _now_ms: u64, _version: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR no store yet\r\n");
    }
}
