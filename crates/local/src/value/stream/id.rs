//! The id of an entry of a stream.

use std::fmt;

/// Milliseconds, and a number among the entries of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Id {
    pub(crate) ms: u64,
    pub(crate) seq: u64,
}

impl Id {
    /// The least, which no entry has.
    pub(crate) const MIN: Id = Id { ms: 0, seq: 0 };
    /// The greatest.
    pub(crate) const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    /// The one after it.
    pub(crate) fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => Some(Id { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one before it.
    pub(crate) fn previous(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => Some(Id { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn neighbours() {
        let id = |ms, seq| Id { ms, seq };
        let pairs = [(id(0, 0), id(0, 1)), (id(7, u64::MAX), id(8, 0)), (id(u64::MAX, 4), id(u64::MAX, 5))];
        for (before, after) in pairs {
            assert_eq!((before.next(), after.previous()), (Some(after), Some(before)));
        }
        assert_eq!((Id::MIN.previous(), Id::MAX.next()), (None, None));
    }
}
