//! A Redis command in progress: arguments, time, store, and the reply buffer.
//!
//! Commands write their reply through it. One that fails returns a `Fault`, and its output is discarded.

use wire::redis::{Version, encode};

use super::fault::Fault;
use super::integer::count;
use crate::entry::Entry;
use crate::events::Class;
use crate::store::{Attributes, Room};
use crate::value::Collection;
use crate::{Audience, Store};

/// Redis' maximum string length.
const STRING_BYTES_MAX: usize = 512 << 20;

/// A command that found nothing and waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Longest time to wait; None without a limit.
    pub timeout_ms: Option<u64>,
    /// Keys that it waits for.
    pub keys: Vec<Box<[u8]>>,
    /// The request to run again, if it is not the one that came: with ids in the place of `$`.
    pub request: Option<Box<[u8]>>,
}

/// Arguments in a row.
pub(super) type Words<'c> = &'c [&'c [u8]];

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
    /// The only key that a command looks at that has waited; None for all of its keys.
    pub(super) ready: Option<&'c [u8]>,
    /// Receivers of a script's messages.
    pub(super) audience: Audience<'c>,
    /// Set by a command that has to wait.
    pub(super) block: Option<Block>,
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

    /// The live string of a key, without counting this as use.
    pub(super) fn string(&mut self, key: &[u8]) -> Result<Option<&[u8]>, Fault> {
        match self.peek(key) {
            None => Ok(None),
            Some(entry) => entry.string().map(Some).ok_or(Fault::WRONG_TYPE),
        }
    }

    /// Replies with the string of a key, or null.
    pub(super) fn reply_value(&mut self, key: &[u8]) -> Result<(), Fault> {
        let (out, version) = (&mut *self.out, self.version);
        self.store.read(key, self.now_ms, |entry| match entry {
            Some(entry) => {
                encode::bulk(out, entry.string().ok_or(Fault::WRONG_TYPE)?);
                Ok(())
            }
            None => {
                encode::null(out, version);
                Ok(())
            }
        })
    }

    /// The collection of a key, if there is one.
    pub(super) fn collection<C: Collection>(&mut self, key: &[u8]) -> Result<Option<&C>, Fault> {
        let item_bytes_max = self.store.item_bytes_max();
        self.store.collection(key, self.now_ms).map_err(|fault| Fault::of_edit(fault, item_bytes_max))
    }

    /// The collection of a key with the buffer for the reply.
    pub(super) fn collection_and_out<C: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<(Option<&C>, &mut Vec<u8>), Fault> {
        let item_bytes_max = self.store.item_bytes_max();
        let found = self.store.collection(key, self.now_ms);
        Ok((found.map_err(|fault| Fault::of_edit(fault, item_bytes_max))?, self.out))
    }

    /// Changes the collection of a key, which is created if there is none.
    pub(super) fn edit<C: Collection, R>(
        &mut self,
        key: &[u8],
        room: Room,
        change: impl FnOnce(&mut C, &mut Vec<u8>) -> R,
    ) -> Result<R, Fault> {
        self.edit_or(key, true, room, change).map(|result| result.expect("it was created"))
    }

    /// Changes the collection of a key, if there is one.
    pub(super) fn edit_existing<C: Collection, R>(
        &mut self,
        key: &[u8],
        room: Room,
        change: impl FnOnce(&mut C, &mut Vec<u8>) -> R,
    ) -> Result<Option<R>, Fault> {
        self.edit_or(key, false, room, change)
    }

    /// Changes the collection of a key, which is created if there is none and `creates`.
    pub(super) fn edit_or<C: Collection, R>(
        &mut self,
        key: &[u8],
        creates: bool,
        room: Room,
        change: impl FnOnce(&mut C, &mut Vec<u8>) -> R,
    ) -> Result<Option<R>, Fault> {
        let item_bytes_max = self.store.item_bytes_max();
        let out = &mut *self.out;
        let result = self.store.edit(key, self.now_ms, creates, room, |collection| change(collection, out));
        result.map_err(|fault| Fault::of_edit(fault, item_bytes_max))
    }

    /// Puts a collection in the place of what a key holds, and tells of it by this event.
    pub(super) fn replace<C: Collection>(
        &mut self,
        key: &[u8],
        collection: C,
        (class, event): (Class, &str),
    ) -> Result<(), Fault> {
        let was_there = self.store.tells() && self.peek(key).is_some();
        let item_bytes_max = self.store.item_bytes_max();
        let result = self.store.replace(key, collection, self.now_ms);
        result.map_err(|fault| Fault::of_edit(fault, item_bytes_max))?;
        self.tell_stored(class, event, key, was_there);
        Ok(())
    }

    /// The keys whose number is argument `at`, and the arguments behind them.
    pub(super) fn numbered_keys(
        &self,
        at: usize,
        not_positive: Fault,
        too_many: Fault,
    ) -> Result<(Words<'c>, Words<'c>), Fault> {
        let number = count(self.arg(at)).ok().filter(|number| *number > 0).ok_or(not_positive)?;
        let rest = self.args.get(at + 1..).unwrap_or_default();
        rest.split_at_checked(number).ok_or(too_many)
    }

    /// Tells of a change of a key, and of its end if that has left nothing of it.
    #[inline]
    pub(super) fn tell(&mut self, class: Class, event: &str, key: &[u8]) {
        if self.store.tells() {
            self.store.tell_change(class, event, key);
        }
    }

    /// Tells that a key has got the result of a command, or was removed, the result being empty.
    pub(super) fn tell_stored(&mut self, class: Class, event: &str, key: &[u8], was_there: bool) {
        if !self.store.tells() {
            return;
        }
        if self.peek(key).is_some() {
            self.store.tell(class, event, key);
        } else if was_there {
            self.store.tell(Class::GENERIC, "del", key);
        }
    }

    /// Removes a key and tells of it; false if there is none.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let removed = self.store.remove(key, self.now_ms);
        if removed && self.store.tells() {
            self.store.tell(Class::GENERIC, "del", key);
        }
        removed
    }

    /// True for a key that the command looks at.
    pub(super) fn looks_at(&self, key: &[u8]) -> bool {
        self.ready.is_none_or(|ready| ready == key)
    }

    /// Replies with an empty array.
    pub(super) fn empty(&mut self) -> Result<(), Fault> {
        encode::array(self.out, 0);
        Ok(())
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
