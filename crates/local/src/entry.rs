//! One entry: a key, its value, and the attributes of both protocols.
//!
//! ```text
//! 40 bytes in the keyspace ──▶ ┌ item (cas unique, client flags) ┬ key ┬ string ┐   one allocation
//!                          or ─▶ key, and a value of its own: a list, a hash …, a string that has grown
//! ```
//! The item's part is there only where memcached's commands have touched the entry.

use crate::value::Value;
use crate::value::table::allocated;

/// The deadline of an entry that never expires.
pub const NEVER: u64 = u64::MAX;

/// Bytes of an entry beyond its allocations: its own, and its share of the index.
const FIXED_BYTES: usize = size_of::<Entry>() + 24;

/// Cas unique and client flags, in front of the key.
const ITEM_BYTES: usize = 12;

#[derive(Debug)]
enum Content {
    Inline(Box<[u8]>),
    Apart(Box<Apart>),
}

#[derive(Debug)]
struct Apart {
    key: Box<[u8]>,
    value: Value,
}

/// A key with its value and attributes.
#[derive(Debug)]
pub(crate) struct Entry {
    content: Content,
    /// Last millisecond of its life; [`NEVER`] without expiry.
    pub(crate) deadline_ms: u64,
    key_len: u32,
    /// Second of the last access that counted as use.
    pub(crate) accessed_s: u32,
    /// True if the content begins with an item.
    is_item: bool,
    /// True if it was read since it was stored (meta flag `h`).
    pub(crate) fetched: bool,
    /// True if it was invalidated but may still be served (meta reply flag `X`).
    pub(crate) stale: bool,
    /// True if a client has won the right to refill it (meta reply flags `W`, then `Z`).
    pub(crate) token_sent: bool,
    /// True if its key arrived in base64 and must be sent so.
    pub(crate) key_base64: bool,
    /// Recent uses, up to [`USES_MAX`]; eviction takes one away each time it passes.
    pub(crate) uses: u8,
    /// True if it has not been used since it came while memory was short.
    pub(crate) on_probation: bool,
}

/// Most uses that are counted.
pub(crate) const USES_MAX: u8 = 3;

/// memcached's own attributes of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// The cas unique, renewed on each change of the value.
    pub(crate) cas: u64,
    /// Client flags.
    pub(crate) flags: u32,
}

impl Entry {
    /// An entry with a string.
    pub(crate) fn new(key: &[u8], string: &[u8], deadline_ms: u64, item: Option<Item>, now_ms: u64) -> Entry {
        Entry {
            is_item: item.is_some(),
            ..Entry::with(Content::Inline(inline(item, key, string)), key.len(), deadline_ms, now_ms)
        }
    }

    /// An entry with a value of its own.
    pub(crate) fn with_value(key: &[u8], value: Value, deadline_ms: u64, now_ms: u64) -> Entry {
        let content = Content::Apart(Box::new(Apart { key: key.into(), value }));
        Entry::with(content, key.len(), deadline_ms, now_ms)
    }

    fn with(content: Content, key_len: usize, deadline_ms: u64, now_ms: u64) -> Entry {
        Entry {
            content,
            deadline_ms,
            key_len: key_len as u32,
            accessed_s: seconds(now_ms),
            is_item: false,
            fetched: false,
            stale: false,
            token_sent: false,
            key_base64: false,
            uses: 0,
            on_probation: false,
        }
    }

    /// The key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        match &self.content {
            Content::Inline(bytes) => bytes.get(self.key_at()..self.string_at()).unwrap_or_default(),
            Content::Apart(apart) => &apart.key,
        }
    }

    /// Reads a byte of every cache line of the key and a short string, and the last one of a long one.
    #[inline]
    pub(crate) fn touch(&self) -> u8 {
        match &self.content {
            Content::Inline(bytes) => {
                let line = |n: usize| bytes.get(n * 64).copied().unwrap_or_default();
                line(0) ^ line(1) ^ bytes.last().copied().unwrap_or_default()
            }
            Content::Apart(apart) => apart.key.first().copied().unwrap_or_default(),
        }
    }

    /// The value, if it is a string.
    #[inline]
    pub(crate) fn string(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Inline(bytes) => bytes.get(self.string_at()..),
            Content::Apart(apart) => match &apart.value {
                Value::Raw(string) => Some(string),
                _ => None,
            },
        }
    }

    /// The string, or nothing.
    pub(crate) fn text(&self) -> &[u8] {
        self.string().unwrap_or_default()
    }

    /// The value, if it does not stand beside the key.
    pub(crate) fn value(&self) -> Option<&Value> {
        match &self.content {
            Content::Inline(_) => None,
            Content::Apart(apart) => Some(&apart.value),
        }
    }

    /// The value, to change it.
    pub(crate) fn value_mut(&mut self) -> Option<&mut Value> {
        match &mut self.content {
            Content::Inline(_) => None,
            Content::Apart(apart) => Some(&mut apart.value),
        }
    }

    /// A copy of the value, for another key.
    pub(crate) fn copied_to(&self, key: &[u8], now_ms: u64) -> Entry {
        match &self.content {
            Content::Inline(_) => Entry::new(key, self.text(), self.deadline_ms, None, now_ms),
            Content::Apart(apart) => Entry::with_value(key, apart.value.clone(), self.deadline_ms, now_ms),
        }
    }

    /// Itself under another key.
    pub(crate) fn renamed(self, key: &[u8], now_ms: u64) -> Entry {
        match self.content {
            Content::Inline(_) => self.copied_to(key, now_ms),
            Content::Apart(apart) => Entry::with_value(key, apart.value, self.deadline_ms, now_ms),
        }
    }

    /// True through its deadline.
    #[inline]
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        now_ms <= self.deadline_ms
    }

    /// Counts an access as use.
    #[inline]
    pub(crate) fn note_use(&mut self, now_ms: u64) {
        self.accessed_s = seconds(now_ms);
        self.uses = (self.uses + 1).min(USES_MAX);
    }

    /// Bytes that it takes of the limit.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        FIXED_BYTES
            + match &self.content {
                Content::Inline(bytes) => allocated(bytes.len()),
                Content::Apart(apart) => {
                    allocated(size_of::<Apart>()) + allocated(apart.key.len()) + apart.value.bytes()
                }
            }
    }

    /// Replaces the string; in place if the length is the same.
    pub(crate) fn set_string(&mut self, string: &[u8]) {
        let at = self.string_at();
        match &mut self.content {
            Content::Inline(bytes) if bytes.len() == at + string.len() => bytes[at..].copy_from_slice(string),
            _ => {
                let item = self.is_item.then(|| self.item());
                self.content = Content::Inline(inline(item, self.key(), string));
            }
        }
    }

    /// The string with room to grow, apart from the key. Drops the item.
    pub(crate) fn growing(&mut self) -> Option<&mut Vec<u8>> {
        if let Content::Inline(_) = self.content {
            let (key, value) = (self.key().into(), Value::Raw(self.text().to_vec()));
            self.is_item = false;
            self.content = Content::Apart(Box::new(Apart { key, value }));
        }
        match self.value_mut() {
            Some(Value::Raw(string)) => Some(string),
            _ => None,
        }
    }

    /// True if memcached's attributes are there.
    pub(crate) fn is_item(&self) -> bool {
        self.is_item
    }

    /// memcached's attributes; zeros if there are none.
    pub(crate) fn item(&self) -> Item {
        match &self.content {
            Content::Inline(bytes) if self.is_item => {
                let cas = bytes.first_chunk::<8>().map_or(0, |cas| u64::from_le_bytes(*cas));
                let flags = bytes.get(8..).and_then(|rest| rest.first_chunk::<4>());
                Item { cas, flags: flags.map_or(0, |flags| u32::from_le_bytes(*flags)) }
            }
            _ => Item::default(),
        }
    }

    /// memcached's cas unique.
    pub(crate) fn cas(&self) -> u64 {
        self.item().cas
    }

    /// memcached's client flags.
    pub(crate) fn flags(&self) -> u32 {
        self.item().flags
    }

    /// Gives it memcached's attributes.
    pub(crate) fn set_item(&mut self, item: Item) {
        match &mut self.content {
            Content::Inline(bytes) if self.is_item => {
                bytes[..8].copy_from_slice(&item.cas.to_le_bytes());
                bytes[8..ITEM_BYTES].copy_from_slice(&item.flags.to_le_bytes());
            }
            _ => {
                self.content = Content::Inline(inline(Some(item), self.key(), self.text()));
                self.is_item = true;
            }
        }
    }

    /// Renews the cas unique.
    pub(crate) fn set_cas(&mut self, cas: u64) {
        self.set_item(Item { cas, ..self.item() });
    }

    fn key_at(&self) -> usize {
        if self.is_item { ITEM_BYTES } else { 0 }
    }

    fn string_at(&self) -> usize {
        self.key_at() + self.key_len as usize
    }
}

fn inline(item: Option<Item>, key: &[u8], string: &[u8]) -> Box<[u8]> {
    let head = if item.is_some() { ITEM_BYTES } else { 0 };
    let mut bytes = Vec::with_capacity(head + key.len() + string.len());
    if let Some(item) = item {
        bytes.extend_from_slice(&item.cas.to_le_bytes());
        bytes.extend_from_slice(&item.flags.to_le_bytes());
    }
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(string);
    bytes.into_boxed_slice()
}

fn seconds(now_ms: u64) -> u32 {
    u32::try_from(now_ms / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_bytes() {
        assert_eq!(size_of::<Entry>(), 40);
    }

    #[test]
    fn key_string_and_item_through_every_shape() {
        let mut entry = Entry::new(b"key", b"value", NEVER, None, 0);
        let check = |entry: &Entry, string: &[u8], item: Item| {
            assert_eq!((entry.key(), entry.string(), entry.item()), (&b"key"[..], Some(string), item));
        };
        check(&entry, b"value", Item::default());
        entry.set_string(b"other");
        check(&entry, b"other", Item::default());
        let item = Item { cas: 7, flags: 9 };
        entry.set_item(item);
        check(&entry, b"other", item);
        entry.set_string(b"longer than before");
        check(&entry, b"longer than before", item);
        entry.set_cas(8);
        check(&entry, b"longer than before", Item { cas: 8, flags: 9 });
        entry.growing().expect("a string").extend_from_slice(b"!");
        check(&entry, b"longer than before!", Item::default());
        entry.set_item(item);
        check(&entry, b"longer than before!", item);
    }
}
