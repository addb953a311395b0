//! Incremental memory accounting: each holder reports what it held at its last report, and what it holds now.
//!
//! The sum is known at any time without a walk over all holders, which [`crate::memory`] needs before each
//! request.

/// Sum of what many hold, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally(usize);

/// Size of one of them when it was last counted, and its size now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    before: usize,
    now: usize,
}

impl Change {
    /// One that remembers what it told in `counted` holds `now` bytes.
    #[inline]
    pub(crate) fn note(counted: &mut usize, now: usize) -> Change {
        Change { before: std::mem::replace(counted, now), now }
    }

    /// One that told `counted` goes away with all that it holds.
    #[inline]
    pub(crate) fn gone(counted: usize) -> Change {
        Change { before: counted, now: 0 }
    }
}

impl Tally {
    #[inline]
    pub(crate) fn apply(&mut self, change: Change) {
        self.0 = self.0 + change.now - change.before;
    }

    #[inline]
    pub(crate) fn bytes(self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_as_it_was_last() {
        let (mut tally, mut one, mut other) = (Tally::default(), 0, 0);
        tally.apply(Change::note(&mut one, 100));
        tally.apply(Change::note(&mut other, 7));
        tally.apply(Change::note(&mut one, 30));
        assert_eq!((tally.bytes(), one, other), (37, 30, 7));
        tally.apply(Change::note(&mut one, 0));
        tally.apply(Change::gone(other));
        assert_eq!(tally.bytes(), 0);
    }
}
