//! Storing an item: the rules of set, add, replace, append, prepend and cas, for text and meta commands.
//!
//! ```text
//!             key is there                         key is not there
//! Set         stored                               stored
//! Add         not stored                           stored
//! Replace     stored                               not stored
//! Append …    stored, unless the cas differs       not stored
//! Cas         stored if the cas is the same        not found
//! ```

use super::refusal::Refusal;
use crate::Store;
use crate::entry::Entry;
use crate::store::Attributes;

/// memcached's default item size limit, including header and key.
pub(super) const ITEM_BYTES_MAX: usize = 1 << 20;

/// Size above which memcached stores an item in chunks, and does not accept it as a number.
pub(super) const CHUNK_BYTES_MAX: usize = 512 << 10;

/// Overhead of an item in memcached besides key and value: header, cas unique, ends of key and value.
const HEADER_BYTES: usize = 48 + 8 + 1 + 2;
/// Bytes that memcached uses for non-zero client flags.
const FLAGS_BYTES: usize = 4;

/// Size of an item as memcached counts it.
pub(super) fn size(key: usize, value: usize, flags: u32) -> usize {
    let flags = if flags == 0 { 0 } else { FLAGS_BYTES };
    key.saturating_add(value).saturating_add(HEADER_BYTES + flags)
}

/// Ways to store, by command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
}

/// An item to store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'r> {
    pub(super) key: &'r [u8],
    pub(super) value: &'r [u8],
    pub(super) attributes: Attributes,
    /// The required cas unique; 0 for none.
    pub(super) cas: u64,
    /// Accepts an older cas unique too, but marks the item stale (meta flag `I`).
    pub(super) or_stale: bool,
}

/// Outcome of storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Stored, with this cas unique.
    Stored(u64),
    NotStored,
    /// Changed in the meantime.
    Exists,
    NotFound,
}

/// Fails if the item can never be stored; with `drop_old`, the existing item is then removed rather than
/// served.
pub(super) fn check_size(
    store: &mut Store,
    item: &Item<'_>,
    length: usize,
    now_ms: u64,
    drop_old: bool,
) -> Result<(), Refusal> {
    let refusal = if size(item.key.len(), length, item.attributes.flags.unwrap_or(0)) > ITEM_BYTES_MAX {
        store.commands.too_large += 1;
        "SERVER_ERROR object too large for cache"
    } else if !store.fits(item.key.len(), length) {
        store.commands.no_memory += 1;
        "SERVER_ERROR out of memory storing object"
    } else {
        return Ok(());
    };
    if drop_old {
        store.remove(item.key, now_ms);
    }
    Err(refusal)
}

/// Stores an item of valid size.
pub(super) fn store(store: &mut Store, mode: Mode, item: Item<'_>, now_ms: u64) -> Outcome {
    let outcome = attempt(store, mode, item, now_ms);
    let commands = &mut store.commands;
    commands.stores += 1;
    match outcome {
        _ if mode != Mode::Cas => {}
        Outcome::Stored(_) => commands.cas.note(true),
        Outcome::NotFound => commands.cas.note(false),
        Outcome::Exists => commands.cas_badval += 1,
        Outcome::NotStored => {}
    }
    outcome
}

fn attempt(store: &mut Store, mode: Mode, item: Item<'_>, now_ms: u64) -> Outcome {
    let Some(old) = store.peek_item(item.key, now_ms) else {
        return match mode {
            Mode::Set | Mode::Add => put(store, item, now_ms),
            Mode::Cas => Outcome::NotFound,
            Mode::Replace | Mode::Append | Mode::Prepend => Outcome::NotStored,
        };
    };
    match mode {
        Mode::Set | Mode::Replace => put(store, item, now_ms),
        Mode::Add => Outcome::NotStored,
        Mode::Cas if item.cas != 0 && item.cas == old.cas() => put(store, item, now_ms),
        Mode::Cas if item.cas != 0 && item.or_stale && item.cas < old.cas() => put_stale(store, item, now_ms),
        Mode::Cas => Outcome::Exists,
        Mode::Append | Mode::Prepend if item.cas != 0 && item.cas != old.cas() => Outcome::Exists,
        Mode::Append | Mode::Prepend => extend(store, mode, item, now_ms),
    }
}

fn put(store: &mut Store, item: Item<'_>, now_ms: u64) -> Outcome {
    let stored = store.put(item.key, item.value, item.attributes, now_ms);
    stored.map_or(Outcome::NotStored, Outcome::Stored)
}

/// Takes the value; the item keeps its deadline and stays (or becomes) stale.
fn put_stale(store: &mut Store, item: Item<'_>, now_ms: u64) -> Outcome {
    let Some(old) = store.peek_item(item.key, now_ms) else { return Outcome::NotFound };
    let (deadline_ms, token_sent) = (old.deadline_ms, old.token_sent);
    let outcome =
        put(store, Item { attributes: Attributes { deadline_ms, ..item.attributes }, ..item }, now_ms);
    store.change_item(item.key, 0, now_ms, |entry| {
        entry.stale = true;
        entry.token_sent = token_sent;
    });
    outcome
}

/// Append and prepend: flags and deadline stay, the rest is a new item's.
fn extend(store: &mut Store, mode: Mode, item: Item<'_>, now_ms: u64) -> Outcome {
    let Some(old) = store.peek_item(item.key, now_ms) else { return Outcome::NotStored };
    let length = old.text().len() + item.value.len();
    if size(item.key.len(), length, old.flags()) > ITEM_BYTES_MAX || !store.fits(item.key.len(), length) {
        return Outcome::NotStored;
    }
    store.counters.sets += 1;
    let cas = store.cas_next();
    store.change_item(item.key, item.value.len(), now_ms, |entry| {
        if mode == Mode::Append {
            entry.set_string(&[entry.text(), item.value].concat());
        } else {
            entry.set_string(&[item.value, entry.text()].concat());
        }
        renew(entry, cas, now_ms);
    });
    Outcome::Stored(cas)
}

/// Makes the entry a new item with the same key, flags and deadline.
pub(super) fn renew(entry: &mut Entry, cas: u64, now_ms: u64) {
    entry.set_cas(cas);
    entry.accessed_s = (now_ms / 1000) as u32;
    entry.fetched = false;
    entry.stale = false;
    entry.token_sent = false;
}
