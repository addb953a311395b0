//! The arguments of an array request of which only the beginning is at hand, for logs.
//!
//! ```text
//! *3\r\n $3\r\nSET\r\n $5\r\nkey:1\r\n $9000\r\nxxxx…      SET of 3, key:1 of 5, xxxx of 9000
//! ```

use super::decimal::{Decimal, decimal};

/// Iterates over the arguments: the bytes of each that are at hand, and its whole length.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Beginning<'a> {
    /// The arguments of the request that begins with `bytes`. None if it is no array.
    pub fn of(bytes: &'a [u8]) -> Option<Beginning<'a>> {
        let [b'*', rest @ ..] = bytes else { return None };
        let Decimal::Done(count, len) = decimal(rest) else { return None };
        Some(Beginning { rest: rest.get(len..)?, left: usize::try_from(count).ok()? })
    }

    /// Number of arguments that are still to come, those that are not at hand included.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for Beginning<'a> {
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<(&'a [u8], usize)> {
        let [b'$', rest @ ..] = self.rest else { return None };
        let Decimal::Done(len, head) = decimal(rest) else { return None };
        let (left, len) = (self.left.checked_sub(1)?, usize::try_from(len).ok()?);
        let there = rest.get(head..)?;
        self.left = left;
        self.rest = there.get(len.saturating_add(2)..).unwrap_or_default();
        Some((&there[..len.min(there.len())], len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_at_hand() {
        let request = b"*3\r\n$3\r\nSET\r\n$5\r\nkey:1\r\n$4\r\nxxxx\r\n";
        let all: [(&[u8], usize); 3] = [(b"SET", 3), (b"key:1", 5), (b"xxxx", 4)];
        for end in 0..=request.len() {
            let found = Beginning::of(&request[..end]).into_iter().flatten();
            for ((bytes, len), (whole, whole_len)) in found.zip(all) {
                assert!(whole.starts_with(bytes) && len == whole_len, "{end}");
            }
        }
        let mut all_of_it = Beginning::of(request).expect("an array");
        assert_eq!((all_of_it.by_ref().collect::<Vec<_>>(), all_of_it.left()), (all.to_vec(), 0));
        let mut cut = Beginning::of(&request[..22]).expect("an array");
        assert_eq!((cut.by_ref().count(), cut.left()), (2, 1));
        for wrong in [&b"get k\r\n"[..], b"*", b"*-1\r\n", b"$3\r\nGET\r\n"] {
            assert!(Beginning::of(wrong).is_none(), "{wrong:?}");
        }
        assert_eq!(Beginning::of(b"*1\r\n$-1\r\n").expect("an array").count(), 0);
        let huge = format!("*2\r\n${}\r\nx", i64::MAX / 10);
        assert!(Beginning::of(huge.as_bytes()).expect("an array").count() <= 1);
    }
}
