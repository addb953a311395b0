//! The keys of a run, and the values that carry their key.
//!
//! Each hash slot of a run has a list, a counter, a queue and a number that is changed only after it was
//! watched, which all clients share, and a text for each client, which nobody else writes. All texts and
//! watched numbers exist from the beginning and none is ever deleted.

use ring::key_slot;

/// Hash tags of the run's slots, spread over the masters.
const TAGS: [&str; 6] = ["a", "b", "c", "foo", "bar", "baz"];

/// The hash slots of a run, in order.
pub(super) fn slots() -> Vec<u16> {
    let mut slots: Vec<u16> = TAGS.iter().map(|tag| key_slot(tag.as_bytes())).collect();
    slots.sort_unstable();
    slots
}

/// Number of slots of a run.
pub(super) const SLOTS: usize = TAGS.len();

/// A slot's list.
pub(super) fn list(tag: usize) -> Vec<u8> {
    format!("{{{}}}list", TAGS[tag]).into_bytes()
}

/// A slot's counter.
pub(super) fn counter(tag: usize) -> Vec<u8> {
    format!("{{{}}}count", TAGS[tag]).into_bytes()
}

/// A slot's queue: its elements are popped.
pub(super) fn queue(tag: usize) -> Vec<u8> {
    format!("{{{}}}queue", TAGS[tag]).into_bytes()
}

/// A slot's number that is changed only by those who have watched it.
pub(super) fn watched(tag: usize) -> Vec<u8> {
    format!("{{{}}}watched", TAGS[tag]).into_bytes()
}

/// A client's text in a slot.
pub(super) fn text(tag: usize, client: usize) -> Vec<u8> {
    format!("{{{}}}text{client}", TAGS[tag]).into_bytes()
}

/// The text of a key in this version.
pub(super) fn value(key: &[u8], version: u64) -> Vec<u8> {
    [key, format!("|{version}").as_bytes()].concat()
}

/// The version of a text. None if it is not the text of this key.
pub(super) fn version(key: &[u8], value: &[u8]) -> Option<u64> {
    let rest = value.strip_prefix(key)?.strip_prefix(b"|")?;
    std::str::from_utf8(rest).ok()?.parse().ok()
}

/// Numbers that one client pushes: those from its index times this on.
pub(super) const NUMBERS: u64 = 1_000_000;

/// The client that a number is of.
pub(super) fn of_number(number: u64) -> u64 {
    number / NUMBERS
}
