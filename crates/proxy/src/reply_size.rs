//! Estimated reply size of a client or a server connection.

/// Moving average of recent reply sizes, to estimate the replies to waiting requests. Each reply counts a
/// sixteenth, the first one more if it is long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplySize {
    mean: u32,
    known: bool,
}

/// Size from which replies are long.
const BULKY: u32 = 64 * 1024;

impl Default for ReplySize {
    /// Before the first reply, replies are assumed to be rather long, so that no client sends many requests
    /// at once.
    fn default() -> Self {
        ReplySize { mean: 16 * 1024, known: false }
    }
}

impl ReplySize {
    /// Adds a reply of this length.
    #[inline]
    pub(crate) fn note(&mut self, len: usize) {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.mean = if self.known { self.mean - self.mean / 16 + len / 16 } else { self.mean.max(len) };
        self.known = true;
    }

    /// False before the first reply.
    #[inline]
    pub(crate) fn is_known(self) -> bool {
        self.known
    }

    /// True if replies are long, or may be because none has come yet.
    #[inline]
    pub(crate) fn is_bulky(self) -> bool {
        !self.known || self.mean >= BULKY
    }

    /// Expected bytes of this many replies.
    #[inline]
    pub(crate) fn of(self, count: usize) -> usize {
        count.saturating_mul(self.mean as usize)
    }

    /// Number of replies expected to fit into this many bytes.
    pub(crate) fn fit(self, bytes: usize) -> usize {
        bytes / (self.mean as usize).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_replies_follows_them() {
        let mut size = ReplySize::default();
        assert_eq!((size.of(64), size.fit(1 << 20), size.is_bulky()), (1 << 20, 64, true));
        (0..100).for_each(|_| size.note(100));
        assert!(size.of(1) < 160 && !size.is_bulky(), "{size:?}");
        (0..200).for_each(|_| size.note(60_000));
        assert!(size.of(10) > 590_000 && size.of(10) <= 600_000, "{size:?}");
        let mut size = ReplySize::default();
        size.note(900_000);
        assert!(size.of(1) == 900_000 && size.is_bulky(), "a first reply that is long counts wholly");
        (0..100).for_each(|_| size.note(usize::MAX));
        (0..500).for_each(|_| size.note(0));
        assert!(size.fit(1 << 20) >= 1 << 16, "{size:?}");
    }
}
