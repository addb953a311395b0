//! A hash: fields and their values.
//!
//! Up to [`PACKED_MAX`] short fields stand in one packed vector, in the order in which they were added;
//! beyond that it becomes a table.

use super::pack::{self, Pack};
use super::table::{Keyed, Table, allocated};

/// Most fields, and most bytes of each field and value, of a packed hash: Redis' defaults.
pub(crate) const PACKED_MAX: usize = 128;
/// See [`PACKED_MAX`].
pub(crate) const PACKED_BYTES_MAX: usize = 64;

/// A field and its value in one allocation.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    bytes: Box<[u8]>,
    key_len: u32,
}

impl Field {
    fn new(field: &[u8], value: &[u8]) -> Field {
        Field { bytes: [field, value].concat().into_boxed_slice(), key_len: field.len() as u32 }
    }

    fn value(&self) -> &[u8] {
        self.bytes.get(self.key_len as usize..).unwrap_or_default()
    }
}

impl Keyed for Field {
    fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_len as usize).unwrap_or_default()
    }

    fn heap_bytes(&self) -> usize {
        allocated(self.bytes.len())
    }
}

/// A hash.
#[derive(Debug, Clone)]
pub(crate) enum Hash {
    /// Fields and values in turn.
    Packed(Pack),
    Table(Table<Field>),
}

impl Default for Hash {
    fn default() -> Self {
        Hash::Packed(Pack::default())
    }
}

impl Hash {
    /// Number of fields.
    pub(crate) fn len(&self) -> usize {
        match self {
            Hash::Packed(pack) => pack.len() / 2,
            Hash::Table(table) => table.len(),
        }
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Hash::Packed(pack) => pack.bytes(),
            Hash::Table(table) => table.bytes(),
        }
    }

    /// Upper bound of the bytes that these many fields allocate, whose names and values have `bytes`
    /// together.
    pub(crate) fn growth(&self, fields: usize, bytes: usize) -> usize {
        let apart = bytes + fields * 40;
        match self {
            Hash::Packed(pack) if self.len() + fields <= PACKED_MAX && bytes <= PACKED_BYTES_MAX => {
                pack.growth(bytes + 4 * fields)
            }
            Hash::Packed(pack) => {
                let empty = Table::<Field>::default();
                empty.growth(self.len() + fields)
                    + pack.growth(bytes + 4 * fields)
                    + pack.used()
                    + self.len() * 40
                    + apart
            }
            Hash::Table(table) => table.growth(fields) + apart,
        }
    }

    /// The value of a field.
    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match self {
            Hash::Packed(pack) => pack.at(find(pack, field)?.1).map(|(value, _)| value),
            Hash::Table(table) => table.get(field).map(Field::value),
        }
    }

    /// Sets a field; true if it is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        if let Hash::Packed(pack) = self {
            let short = field.len().max(value.len()) <= PACKED_BYTES_MAX;
            match find(pack, field) {
                Some((_, at)) if short => {
                    pack.replace(at, value);
                    return false;
                }
                None if short && pack.len() < 2 * PACKED_MAX => {
                    pack.push_back(field);
                    pack.push_back(value);
                    return true;
                }
                _ => *self = Hash::Table(unpacked(pack)),
            }
        }
        let Hash::Table(table) = self else { return false };
        match table.find(field) {
            Some(at) => {
                table.replace(at, Field::new(field, value));
                false
            }
            None => {
                table.push(Field::new(field, value));
                true
            }
        }
    }

    /// Removes a field; false if it is not there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Packed(pack) => find(pack, field).map(|(at, _)| {
                let is_first = at == pack.start();
                pack.remove(at);
                // Then its value is there instead; or the first of all, wherever that is now.
                pack.remove(if is_first { pack.start() } else { at });
            }),
            Hash::Table(table) => table.find(field).map(|at| drop(table.swap_remove(at))),
        }
        .is_some()
    }

    /// Fields and values.
    pub(crate) fn iter(&self) -> Iter<'_> {
        match self {
            Hash::Packed(pack) => Iter::Packed(pack.iter()),
            Hash::Table(table) => Iter::Table(table.iter()),
        }
    }

    /// The field and value at an index below [`Hash::len`].
    pub(crate) fn at(&self, index: usize) -> (&[u8], &[u8]) {
        match self {
            Hash::Packed(pack) => pack.offset(index * 2).and_then(|at| pair(pack, at)).unwrap_or_default(),
            Hash::Table(table) => (table.at(index).key(), table.at(index).value()),
        }
    }

    /// Visits about `count` fields from a cursor on; returns the next cursor. A packed hash is visited at
    /// once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], &[u8])) -> u64 {
        match self {
            Hash::Packed(_) => {
                self.iter().for_each(|(field, value)| visit(field, value));
                0
            }
            Hash::Table(table) => table.scan(cursor, count, |field| visit(field.key(), field.value())),
        }
    }

    /// Redis' name for its encoding.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Hash::Packed(_) => "listpack",
            Hash::Table(_) => "hashtable",
        }
    }
}

/// Offsets of a field and of its value.
fn find(pack: &Pack, field: &[u8]) -> Option<(usize, usize)> {
    let mut at = pack.start();
    while let Some((key, value_at)) = pack.at(at) {
        if key == field {
            return Some((at, value_at));
        }
        at = pack.at(value_at)?.1;
    }
    None
}

fn pair(pack: &Pack, at: usize) -> Option<(&[u8], &[u8])> {
    let (field, value_at) = pack.at(at)?;
    Some((field, pack.at(value_at)?.0))
}

fn unpacked(pack: &Pack) -> Table<Field> {
    let mut table = Table::default();
    let mut rest = pack.iter();
    while let (Some((_, field)), Some((_, value))) = (rest.next(), rest.next()) {
        table.push(Field::new(field, value));
    }
    table
}

/// Fields and values.
pub(crate) enum Iter<'h> {
    Packed(pack::Iter<'h>),
    Table(std::slice::Iter<'h, Field>),
}

impl<'h> Iterator for Iter<'h> {
    type Item = (&'h [u8], &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Packed(rest) => Some((rest.next()?.1, rest.next()?.1)),
            Iter::Table(rest) => rest.next().map(|field| (field.key(), field.value())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_map(steps in prop::collection::vec((0u8..4, 0u16..200, 0usize..90), 1..600)) {
            let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
            for (action, key, length) in steps {
                let (field, value) = (key.to_string().into_bytes(), vec![b'v'; length]);
                let length = if length < 80 { length % 20 } else { length };
                let value = &value[..length];
                let (before, growth) = (hash.bytes(), hash.growth(1, field.len() + length));
                match action {
                    0..=2 => prop_assert_eq!(hash.set(&field, value), model.insert(field.clone(), value.to_vec()).is_none()),
                    _ => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                }
                prop_assert!(hash.bytes() <= before + growth, "{} + {} < {}", before, growth, hash.bytes());
                prop_assert_eq!(hash.get(&field), model.get(&field).map(Vec::as_slice));
                prop_assert_eq!(hash.len(), model.len());
            }
            let all: BTreeMap<_, _> = hash.iter().map(|(f, v)| (f.to_vec(), v.to_vec())).collect();
            prop_assert_eq!(&all, &model);
            let mut scanned = BTreeMap::new();
            let mut cursor = hash.scan(0, 7, |f, v| drop(scanned.insert(f.to_vec(), v.to_vec())));
            while cursor != 0 {
                cursor = hash.scan(cursor, 7, |f, v| drop(scanned.insert(f.to_vec(), v.to_vec())));
            }
            prop_assert_eq!(&scanned, &model);
        }
    }
}
