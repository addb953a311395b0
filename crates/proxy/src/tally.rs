//! Incremental memory accounting: each holder reports what it held at its last report, and what it holds now.
//!
//! The sum is known at any time without a walk over all holders, which [`crate::memory`] needs before each
//! request.

/// Sum of the bytes of all holders.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally(usize);

/// A holder's size at its last report, and now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    before: usize,
    now: usize,
}

impl Change {
    /// Reports that a holder has `now` bytes; `counted` is its last report and is updated.
    #[inline]
    pub(crate) fn note(counted: &mut usize, now: usize) -> Change {
        Change { before: std::mem::replace(counted, now), now }
    }

    /// Reports that a holder which last reported `counted` is gone.
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
