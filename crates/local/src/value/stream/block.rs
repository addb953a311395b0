//! Some entries of a stream, one after another.

use super::Id;

/// Most entries of a block, as Redis' `stream-node-max-entries`,
const ENTRIES_MAX: usize = 100;
/// and bytes of fields after which the next entry has a new one: `stream-node-max-bytes`.
pub(super) const BYTES_MAX: usize = 4096;
/// Most bytes of a length.
pub(super) const LENGTH_BYTES_MAX: usize = 5;

/// Entries in the order of their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    ids: Vec<Id>,
    /// End of each one's fields.
    ends: Vec<u32>,
    fields: Vec<u8>,
}

/// The fields and values of an entry, one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'b>(&'b [u8]);

impl<'b> Iterator for Fields<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let (mut len, mut shift, mut at) = (0usize, 0, 0);
        loop {
            let byte = *self.0.get(at)?;
            len |= usize::from(byte & 0x7f) << shift;
            (shift, at) = (shift + 7, at + 1);
            if byte < 0x80 {
                break;
            }
        }
        let field = self.0.get(at..at + len)?;
        self.0 = &self.0[at + len..];
        Some(field)
    }
}

impl Block {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.ids.len() >= ENTRIES_MAX || self.fields.len() >= BYTES_MAX
    }

    /// Bytes allocated.
    pub(super) fn bytes(&self) -> usize {
        self.ids.capacity() * size_of::<Id>()
            + self.ends.capacity() * size_of::<u32>()
            + self.fields.capacity()
    }

    pub(super) fn first(&self) -> Id {
        self.id_at(0)
    }

    pub(super) fn last(&self) -> Id {
        self.ids.last().copied().unwrap_or_default()
    }

    pub(super) fn id_at(&self, at: usize) -> Id {
        self.ids.get(at).copied().unwrap_or_default()
    }

    pub(super) fn push<'f>(&mut self, id: Id, fields: impl Iterator<Item = &'f [u8]>) {
        for field in fields {
            let mut len = field.len();
            while len >= 0x80 {
                self.fields.push(len as u8 | 0x80);
                len >>= 7;
            }
            self.fields.push(len as u8);
            self.fields.extend_from_slice(field);
        }
        self.ids.push(id);
        self.ends.push(self.fields.len() as u32);
    }

    pub(super) fn get(&self, id: Id) -> Option<Fields<'_>> {
        self.ids.binary_search(&id).ok().map(|at| self.fields_at(at))
    }

    pub(super) fn range(&self, from: Id, to: Id) -> impl DoubleEndedIterator<Item = (Id, Fields<'_>)> {
        let start = self.ids.partition_point(|id| *id < from);
        let end = self.ids.partition_point(|id| *id <= to);
        (start..end).map(|at| (self.id_at(at), self.fields_at(at)))
    }

    /// False if there is none of this id.
    pub(super) fn remove(&mut self, id: Id) -> bool {
        let Ok(at) = self.ids.binary_search(&id) else { return false };
        self.drain(at, at + 1);
        true
    }

    pub(super) fn remove_first(&mut self, count: usize) {
        self.drain(0, count);
    }

    fn drain(&mut self, from: usize, to: usize) {
        let (start, end) = (self.start(from), self.start(to));
        self.fields.drain(start..end);
        self.ids.drain(from..to);
        self.ends.drain(from..to);
        self.ends.iter_mut().skip(from).for_each(|after| *after -= (end - start) as u32);
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize)
    }

    fn fields_at(&self, at: usize) -> Fields<'_> {
        Fields(self.fields.get(self.start(at)..self.start(at + 1)).unwrap_or_default())
    }
}
