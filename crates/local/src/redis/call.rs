//! A Redis command in progress: arguments, time, store, and the reply buffer.
//!
//! Commands write their reply through it. One that fails returns a `Fault`, and its output is discarded.

use wire::redis::{Version, encode};

use super::fault::Fault;
use crate::Store;
use crate::store::{Attributes, Entry};

/// Redis' maximum string length.
const STRING_BYTES_MAX: usize = 512 << 20;

/// A command with a valid number of arguments.
pub(super) struct Call<'c> {
    pub(super) store: &'c mut Store,
    /// The command's name first.
    pub(super) args: &'c [&'c [u8]],
    pub(super) now_ms: u64,
    pub(super) version: Version,
    pub(super) out: &'c mut Vec<u8>,
    /// For errors that name the command.
    pub(super) name: &'static str,
}

impl<'c> Call<'c> {
    /// An argument; the table has checked that it exists.
    pub(super) fn arg(&self, i: usize) -> &'c [u8] {
        self.args.get(i).copied().unwrap_or_default()
    }

    /// The arguments after the name.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'c [u8]> + use<'c> {
        self.args.iter().skip(1).copied()
    }

    /// The live entry, without counting this as use.
    pub(super) fn peek(&mut self, key: &[u8]) -> Option<&Entry> {
        self.store.peek(key, self.now_ms)
    }

    /// Replies with the value of a key, or null.
    pub(super) fn reply_value(&mut self, key: &[u8]) {
        let (out, version) = (&mut *self.out, self.version);
        self.store.read(key, self.now_ms, |entry| match entry {
            Some(entry) => encode::bulk(out, &entry.value),
            None => encode::null(out, version),
        });
    }

    /// Stores a string that expires at `deadline_ms`.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8], deadline_ms: u64) -> Result<(), Fault> {
        let stored = self.store.put(key, value, Attributes::until(deadline_ms), self.now_ms);
        stored.map(drop).map_err(|_| self.too_large())
    }

    /// Fails unless a value of `length` bytes may be stored under `key`.
    pub(super) fn check_length(&self, key: &[u8], length: usize) -> Result<(), Fault> {
        if length > STRING_BYTES_MAX {
            Err(Fault::StringTooLong)
        } else if self.store.fits(key.len(), length) {
            Ok(())
        } else {
            Err(self.too_large())
        }
    }

    /// Replies with a number.
    pub(super) fn integer(&mut self, n: i64) -> Result<(), Fault> {
        encode::integer(self.out, n);
        Ok(())
    }

    /// Replies with a count.
    pub(super) fn count(&mut self, n: usize) -> Result<(), Fault> {
        self.integer(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// Replies `+OK`.
    pub(super) fn ok(&mut self) -> Result<(), Fault> {
        encode::simple(self.out, b"OK");
        Ok(())
    }

    /// Replies with null.
    pub(super) fn null(&mut self) -> Result<(), Fault> {
        encode::null(self.out, self.version);
        Ok(())
    }

    fn too_large(&self) -> Fault {
        Fault::TooLarge(self.store.item_bytes_max())
    }
}
