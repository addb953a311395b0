//! Work lists that hold each item at most once.
//!
//! An item carries a mark that says that it is in the list, so that adding it again costs only a check of the
//! mark. List and marks are kept consistent only in this file: code that takes items out clears their marks.

use std::collections::VecDeque;

/// Membership of an item in a work list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark(bool);

impl Mark {
    /// True while the item is in its list.
    #[inline]
    pub fn is_set(self) -> bool {
        self.0
    }

    /// Notes that the item was taken out of its list.
    #[inline]
    pub fn clear(&mut self) {
        self.0 = false;
    }
}

/// Keys of work items, in order of arrival.
#[derive(Debug)]
pub struct WorkList<K>(VecDeque<K>);

impl<K> Default for WorkList<K> {
    fn default() -> Self {
        WorkList(VecDeque::new())
    }
}

impl<K> WorkList<K> {
    /// Adds an item with this mark, unless it is already in the list.
    #[inline]
    pub fn add(&mut self, mark: &mut Mark, key: K) {
        if !std::mem::replace(&mut mark.0, true) {
            self.0.push_back(key);
        }
    }

    /// Puts back an item that was taken out and whose mark was not cleared.
    pub fn put_back(&mut self, key: K) {
        self.0.push_back(key);
    }

    /// Takes the first item out. The caller clears its mark.
    pub fn pop(&mut self) -> Option<K> {
        self.0.pop_front()
    }

    /// Takes all items out. The caller clears their marks.
    pub fn take(&mut self) -> VecDeque<K> {
        std::mem::take(&mut self.0)
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if the list is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_stands_in_a_list_once() {
        let (mut list, mut one, mut other) = (WorkList::default(), Mark::default(), Mark::default());
        for _ in 0..3 {
            list.add(&mut one, 1);
            list.add(&mut other, 2);
        }
        assert_eq!((list.len(), list.pop()), (2, Some(1)));
        list.add(&mut one, 1);
        assert_eq!(list.len(), 1, "its mark is still set");
        one.clear();
        list.add(&mut one, 1);
        list.put_back(3);
        assert!(one.is_set() && other.is_set());
        assert_eq!(list.take(), [2, 1, 3]);
        assert!(list.is_empty());
    }
}
