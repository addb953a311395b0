//! A list: packed vectors in a row, so that both ends are cheap and an element costs a few bytes.

use std::collections::VecDeque;

use super::pack::{Pack, packed_len};

/// Most bytes of a node with more than one element.
const NODE_BYTES_MAX: usize = 4096;

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Left,
    Right,
}

/// A list.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    nodes: VecDeque<Pack>,
    len: usize,
    /// Bytes allocated by the nodes.
    node_bytes: usize,
}

impl List {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated.
    pub(crate) fn bytes(&self) -> usize {
        self.node_bytes + self.nodes.capacity() * size_of::<Pack>()
    }

    /// Upper bound of the bytes that these many elements of `bytes` together allocate.
    pub(crate) fn growth(&self, elements: usize, bytes: usize) -> usize {
        let used = bytes + 10 * elements;
        let nodes = 2 + 2 * used / NODE_BYTES_MAX;
        let row = if self.nodes.len() + nodes <= self.nodes.capacity() {
            0
        } else {
            (self.nodes.capacity().max(4) + nodes) * size_of::<Pack>()
        };
        2 * used + used / 4 + row + 64 + self.node_bytes.min(2 * NODE_BYTES_MAX)
    }

    /// Adds an element at an end.
    pub(crate) fn push(&mut self, end: End, element: &[u8]) {
        let last = match end {
            End::Left => self.nodes.front(),
            End::Right => self.nodes.back(),
        };
        if last.is_none_or(|node| !has_room(node, element)) {
            match end {
                End::Left => self.nodes.push_front(Pack::default()),
                End::Right => self.nodes.push_back(Pack::default()),
            }
        }
        let at = if end == End::Left { 0 } else { self.nodes.len() - 1 };
        self.change(at, |node| match end {
            End::Left => node.push_front(element),
            End::Right => node.push_back(element),
        });
        self.len += 1;
    }

    /// Removes the element at an end, after it was passed to `look`.
    pub(crate) fn pop<R>(&mut self, end: End, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let at = if end == End::Left { 0 } else { self.nodes.len().checked_sub(1)? };
        let node = self.nodes.get(at)?;
        let (element, offset) = match end {
            End::Left => (node.at(node.start())?.0, node.start()),
            End::Right => node.before(node.end())?,
        };
        let result = look(element);
        self.remove_at(at, offset);
        Some(result)
    }

    /// The element at an index, negative from the right.
    pub(crate) fn get(&self, index: i64) -> Option<&[u8]> {
        let (node, at) = self.locate(self.index(index)?)?;
        self.nodes[node].at(at).map(|(element, _)| element)
    }

    /// Replaces the element at an index; false if there is none.
    pub(crate) fn set(&mut self, index: i64, element: &[u8]) -> bool {
        let Some((node, at)) = self.index(index).and_then(|index| self.locate(index)) else { return false };
        self.change(node, |node| node.replace(at, element));
        self.split(node);
        true
    }

    /// Inserts an element before or after the first one that equals `pivot`; false if there is none.
    pub(crate) fn insert_beside(&mut self, pivot: &[u8], after: bool, element: &[u8]) -> bool {
        let found = self.nodes.iter().enumerate().find_map(|(i, node)| {
            let (at, found) = node.iter().find(|(_, own)| *own == pivot)?;
            Some((i, if after { at + packed_len(found.len()) } else { at }))
        });
        let Some((node, at)) = found else { return false };
        self.change(node, |node| node.insert(at, element));
        self.len += 1;
        self.split(node);
        true
    }

    /// Removes up to `max` elements equal to `element`, from an end; returns their number.
    pub(crate) fn remove_equal(&mut self, element: &[u8], from: End, max: usize) -> usize {
        let mut removed = 0;
        let mut node = if from == End::Left { 0 } else { self.nodes.len() };
        loop {
            let at = match from {
                End::Left => node,
                End::Right => match node.checked_sub(1) {
                    Some(at) => at,
                    None => break,
                },
            };
            let Some(pack) = self.nodes.get(at) else { break };
            let mut hits: Vec<usize> =
                pack.iter().filter(|(_, own)| *own == element).map(|(at, _)| at).collect();
            let (count, left) = (pack.len(), max - removed);
            if from == End::Right {
                hits.drain(..hits.len().saturating_sub(left));
            }
            hits.truncate(left);
            removed += hits.len();
            let goes = hits.len() == count;
            // From the back, so that the offsets before stay.
            hits.iter().rev().for_each(|offset| self.remove_at(at, *offset));
            if removed == max {
                break;
            }
            match from {
                End::Left => node += usize::from(!goes),
                End::Right => node = at,
            }
        }
        removed
    }

    /// Keeps the elements of a range of indexes.
    pub(crate) fn keep(&mut self, range: std::ops::Range<usize>) {
        let right = self.len.saturating_sub(range.end);
        self.drop_end(End::Right, right);
        self.drop_end(End::Left, range.start.min(self.len));
    }

    fn drop_end(&mut self, end: End, mut count: usize) {
        while count > 0 {
            let at = if end == End::Left { 0 } else { self.nodes.len().saturating_sub(1) };
            match self.nodes.get(at) {
                Some(node) if node.len() <= count => {
                    count -= node.len();
                    self.len -= node.len();
                    self.node_bytes -= node.bytes();
                    self.nodes.remove(at);
                }
                Some(_) => {
                    self.pop(end, |_| ());
                    count -= 1;
                }
                None => break,
            }
        }
    }

    /// The elements from an index on.
    pub(crate) fn iter_from(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let (node, skipped) = self.node_of(index);
        let mut rest = self.nodes.range(node.min(self.nodes.len())..).flat_map(|node| node.iter());
        if index > skipped {
            rest.nth(index - skipped - 1);
        }
        rest.map(|(_, element)| element)
    }

    /// The elements from the right end to the left.
    pub(crate) fn iter_back(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.iter().rev().flat_map(|node| node.iter().rev()).map(|(_, element)| element)
    }

    /// An index from the left, if there is an element.
    fn index(&self, index: i64) -> Option<usize> {
        let index = if index < 0 { index + self.len as i64 } else { index };
        usize::try_from(index).ok().filter(|index| *index < self.len)
    }

    /// The node of an index, and the number of elements before that node.
    fn node_of(&self, index: usize) -> (usize, usize) {
        if index > self.len / 2 {
            let mut skipped = self.len;
            for (i, node) in self.nodes.iter().enumerate().rev() {
                skipped -= node.len();
                if skipped <= index {
                    return (i, skipped);
                }
            }
        }
        let mut skipped = 0;
        for (i, node) in self.nodes.iter().enumerate() {
            if index < skipped + node.len() {
                return (i, skipped);
            }
            skipped += node.len();
        }
        (self.nodes.len(), skipped)
    }

    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        let (node, skipped) = self.node_of(index);
        Some((node, self.nodes.get(node)?.offset(index - skipped)?))
    }

    fn change(&mut self, node: usize, change: impl FnOnce(&mut Pack)) {
        if let Some(pack) = self.nodes.get_mut(node) {
            let before = pack.bytes();
            change(pack);
            self.node_bytes = self.node_bytes + pack.bytes() - before;
        }
    }

    fn remove_at(&mut self, node: usize, offset: usize) {
        self.change(node, |pack| pack.remove(offset));
        self.len -= 1;
        if self.nodes.get(node).is_some_and(Pack::is_empty) {
            self.nodes.remove(node);
        }
        if self.nodes.capacity() > 64 && self.nodes.len() * 4 < self.nodes.capacity() {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
    }

    /// Cuts a node that has become too large in halves.
    fn split(&mut self, node: usize) {
        let Some(pack) = self.nodes.get_mut(node) else { return };
        if pack.used() <= NODE_BYTES_MAX || pack.len() < 2 {
            return;
        }
        let before = pack.bytes();
        let half = pack.len() / 2;
        let Some(at) = pack.offset(half) else { return };
        let tail = pack.split_off(at, half);
        self.node_bytes = self.node_bytes + pack.bytes() + tail.bytes() - before;
        self.nodes.insert(node + 1, tail);
        self.split(node + 1);
        self.split(node);
    }
}

fn has_room(node: &Pack, element: &[u8]) -> bool {
    node.is_empty() || node.used() + packed_len(element.len()) <= NODE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_a_vector(
            steps in prop::collection::vec((0u8..10, any::<i16>(), 0usize..1500, 0u8..4), 1..250),
        ) {
            let (mut list, mut model) = (List::default(), VecDeque::<Vec<u8>>::new());
            for (action, which, length, fill) in steps {
                let element = vec![fill; if length < 1400 { length % 300 } else { length }];
                let index = if model.is_empty() { 0 } else { which.unsigned_abs() as usize % model.len() };
                let (before, growth) = (list.bytes(), list.growth(1, element.len()));
                match action {
                    0..=2 => { list.push(End::Right, &element); model.push_back(element); }
                    3 | 4 => { list.push(End::Left, &element); model.push_front(element); }
                    5 => prop_assert_eq!(list.pop(End::Left, <[u8]>::to_vec), model.pop_front()),
                    6 => prop_assert_eq!(list.pop(End::Right, <[u8]>::to_vec), model.pop_back()),
                    7 => {
                        prop_assert_eq!(list.set(index as i64, &element), !model.is_empty());
                        if let Some(place) = model.get_mut(index) { *place = element; }
                    }
                    8 => {
                        let pivot = model.get(index).cloned().unwrap_or_default();
                        let at = model.iter().position(|own| *own == pivot);
                        let after = fill % 2 == 0;
                        prop_assert_eq!(list.insert_beside(&pivot, after, &element), at.is_some());
                        if let Some(at) = at { model.insert(at + usize::from(after), element); }
                    }
                    _ => {
                        let same = model.get(index).cloned().unwrap_or_default();
                        let max = 1 + fill as usize;
                        let from = if which < 0 { End::Right } else { End::Left };
                        let mut removed = 0;
                        if from == End::Right { model.make_contiguous().reverse(); }
                        model.retain(|own| { let goes = *own == same && removed < max; removed += usize::from(goes); !goes });
                        if from == End::Right { model.make_contiguous().reverse(); }
                        prop_assert_eq!(list.remove_equal(&same, from, max), removed);
                    }
                }
                prop_assert!(list.bytes() <= before + growth, "{} + {} < {}", before, growth, list.bytes());
                prop_assert_eq!(list.len(), model.len());
                prop_assert_eq!(list.get(which.into()), {
                    let at = if which < 0 { i64::from(which) + model.len() as i64 } else { which.into() };
                    usize::try_from(at).ok().and_then(|at| model.get(at)).map(Vec::as_slice)
                });
                prop_assert_eq!(list.node_bytes, list.nodes.iter().map(Pack::bytes).sum::<usize>());
            }
            prop_assert!(list.iter_from(0).eq(model.iter()));
            prop_assert!(list.iter_from(model.len() * 2 / 3).eq(model.iter().skip(model.len() * 2 / 3)));
            prop_assert!(list.iter_back().eq(model.iter().rev()));
            let keep = model.len() / 4..model.len() / 2 + 1;
            list.keep(keep.clone());
            prop_assert!(list.iter_from(0).eq(model.iter().take(keep.end).skip(keep.start)));
        }
    }
}
