//! A packed vector: short byte strings one after another in a single allocation.
//!
//! ```text
//! ┌─────┬───────┬─────┐┌─────┬──
//! │ len │ bytes │ len ││ len │ …       len: one byte below 255; else 255 and four bytes, mirrored at the end
//! └─────┴───────┴─────┘└─────┴──
//! ```
//! The length stands on both sides, so that it is read from either end. Elements are named by the offset at
//! which they begin. Finding one takes a walk; owners keep packs short.

/// The first length that takes five bytes.
const LONG: usize = 255;
/// Unused bytes at the front beyond which they are given back.
const SLACK_MAX: usize = 1024;

/// A packed vector.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pack {
    bytes: Vec<u8>,
    /// Offset of the first element; what is before it was popped, or is room for the next.
    start: usize,
    count: usize,
}

/// Bytes of an element of this length.
pub(crate) fn packed_len(len: usize) -> usize {
    len + 2 * head_len(len)
}

fn head_len(len: usize) -> usize {
    if len < LONG { 1 } else { 5 }
}

impl Pack {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// True without elements.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the elements.
    pub(crate) fn used(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Upper bound of the bytes that elements of `more` packed bytes allocate, wherever they are added.
    pub(crate) fn growth(&self, more: usize) -> usize {
        room(self.bytes.len() + self.used() / 2 + 2 * more).saturating_sub(self.bytes.capacity())
    }

    /// Offset of the first element.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Offset beyond the last element.
    pub(crate) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The element at an offset, and the offset of the next.
    pub(crate) fn at(&self, at: usize) -> Option<(&[u8], usize)> {
        let (len, head) = match *self.bytes.get(at)? {
            255 => (self.long_len(at + 1), 5),
            short => (short as usize, 1),
        };
        let begin = at + head;
        Some((self.bytes.get(begin..begin + len)?, begin + len + head))
    }

    /// The element that ends at an offset, and its own offset.
    pub(crate) fn before(&self, end: usize) -> Option<(&[u8], usize)> {
        if end <= self.start {
            return None;
        }
        let (len, head) = match *self.bytes.get(end - 1)? {
            255 => (self.long_len(end - 5), 5),
            short => (short as usize, 1),
        };
        let begin = end - head - len;
        Some((self.bytes.get(begin..begin + len)?, begin - head))
    }

    fn long_len(&self, at: usize) -> usize {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// The elements with their offsets, in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { pack: self, front: self.start, back: self.bytes.len() }
    }

    /// The offset of the element with this index.
    pub(crate) fn offset(&self, index: usize) -> Option<usize> {
        if index >= self.count {
            return None;
        }
        if index <= self.count / 2 {
            self.iter().nth(index).map(|(at, _)| at)
        } else {
            self.iter().nth_back(self.count - 1 - index).map(|(at, _)| at)
        }
    }

    /// Adds an element at the end.
    pub(crate) fn push_back(&mut self, element: &[u8]) {
        self.insert(self.bytes.len(), element);
    }

    /// Adds an element at the front; leaves room for more of them.
    pub(crate) fn push_front(&mut self, element: &[u8]) {
        let len = packed_len(element.len());
        if self.start < len {
            let room = len + self.used() / 2;
            let start = self.start;
            self.open(start, room);
            self.start += room;
        }
        self.start -= len;
        let start = self.start;
        self.write(start, element);
        self.count += 1;
    }

    /// Adds an element at an offset.
    pub(crate) fn insert(&mut self, at: usize, element: &[u8]) {
        self.open(at, packed_len(element.len()));
        self.write(at, element);
        self.count += 1;
    }

    /// Removes the element at an offset.
    pub(crate) fn remove(&mut self, at: usize) {
        let Some((_, next)) = self.at(at) else { return };
        self.count -= 1;
        if at == self.start {
            self.start = next;
            self.trim_front();
        } else {
            self.bytes.drain(at..next);
            self.shrink();
        }
    }

    /// Replaces the element at an offset.
    pub(crate) fn replace(&mut self, at: usize, element: &[u8]) {
        let Some((old, next)) = self.at(at) else { return };
        let (old, new) = (packed_len(old.len()), packed_len(element.len()));
        if new > old {
            self.open(next, new - old);
        } else {
            self.bytes.drain(at + new..next);
        }
        self.write(at, element);
    }

    /// Splits the elements from an offset on off; `count` of them stay.
    pub(crate) fn split_off(&mut self, at: usize, count: usize) -> Pack {
        let tail = Pack { bytes: self.bytes.split_off(at), start: 0, count: self.count - count };
        self.count = count;
        self.shrink();
        tail
    }

    fn trim_front(&mut self) {
        if self.count == 0 {
            *self = Pack::default();
        } else if self.start > SLACK_MAX && self.start * 2 > self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        let room = self.bytes.capacity();
        if room > 64 && self.bytes.len() * 2 < room {
            self.bytes.shrink_to(self.bytes.len() + self.bytes.len() / 8);
        }
    }

    /// Makes a gap of `len` bytes at an offset.
    fn open(&mut self, at: usize, len: usize) {
        let old = self.bytes.len();
        if old + len > self.bytes.capacity() {
            self.bytes.reserve_exact(room(old + len) - old);
        }
        self.bytes.resize(old + len, 0);
        self.bytes.copy_within(at..old, at + len);
    }

    fn write(&mut self, at: usize, element: &[u8]) {
        let len = element.len();
        let place = &mut self.bytes[at..at + packed_len(len)];
        let head = head_len(len);
        if head == 1 {
            place[0] = len as u8;
            place[len + 1] = len as u8;
        } else {
            let long = (len as u32).to_le_bytes();
            place[0] = 255;
            place[1..5].copy_from_slice(&long);
            place[len + 5..len + 9].copy_from_slice(&long);
            place[len + 9] = 255;
        }
        place[head..head + len].copy_from_slice(element);
    }
}

/// Bytes allocated for `used` bytes that grow.
fn room(used: usize) -> usize {
    used + used / 8
}

/// Elements with their offsets.
#[derive(Debug, Clone)]
pub(crate) struct Iter<'p> {
    pack: &'p Pack,
    front: usize,
    back: usize,
}

impl<'p> Iterator for Iter<'p> {
    type Item = (usize, &'p [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let at = self.front;
        let (element, next) = self.pack.at(at)?;
        self.front = next;
        Some((at, element))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let (element, at) = self.pack.before(self.back)?;
        self.back = at;
        Some((at, element))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_vector_of_vectors(
            steps in prop::collection::vec((0u8..6, any::<u16>(), 0usize..600), 1..120),
        ) {
            let (mut pack, mut model) = (Pack::default(), Vec::<Vec<u8>>::new());
            for (step, (action, which, length)) in steps.into_iter().enumerate() {
                let element = vec![step as u8; if length < 400 { length % 9 } else { length }];
                let index = if model.is_empty() { 0 } else { which as usize % model.len() };
                match (action, pack.offset(index)) {
                    (0, _) => { pack.push_back(&element); model.push(element); }
                    (1, _) => { pack.push_front(&element); model.insert(0, element); }
                    (2, Some(at)) => { pack.insert(at, &element); model.insert(index, element); }
                    (3, Some(at)) => { pack.remove(at); model.remove(index); }
                    (4, Some(at)) => { pack.replace(at, &element); model[index] = element; }
                    (5, Some(at)) => {
                        let tail = pack.split_off(at, index);
                        prop_assert_eq!(tail.iter().map(|(_, e)| e.to_vec()).collect::<Vec<_>>(), model.split_off(index));
                    }
                    _ => {}
                }
                prop_assert_eq!(pack.len(), model.len());
                prop_assert_eq!(pack.iter().map(|(_, e)| e.to_vec()).collect::<Vec<_>>(), model.clone());
                let back: Vec<_> = pack.iter().rev().map(|(_, e)| e.to_vec()).collect();
                prop_assert_eq!(back, model.iter().rev().cloned().collect::<Vec<_>>());
            }
        }
    }
}
