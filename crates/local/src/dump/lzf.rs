//! Decompression of LZF, in which Redis writes long strings.
//!
//! ```text
//! 000lllll  l + 1 bytes follow
//! lllooooo  (l = 7: a byte that is added to l)  a byte: l + 2 bytes again, from o · 256 + that byte + 1 back
//! ```

/// Most bytes that one byte of input can stand for.
const RATIO_MAX: usize = 264;

/// The bytes that `packed` stands for, `len` of them; None if it does not.
pub(super) fn unpacked(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > packed.len().saturating_mul(RATIO_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = packed;
    while let Some((control, after)) = rest.split_first() {
        let high = usize::from(control >> 5);
        if high == 0 {
            let (run, after) = after.split_at_checked(usize::from(*control) + 1)?;
            out.extend_from_slice(run);
            rest = after;
        } else {
            let (more, after) = if high == 7 { after.split_first()? } else { (&0, after) };
            let (low, after) = after.split_first()?;
            let back = (usize::from(control & 0x1f) << 8 | usize::from(*low)) + 1;
            let from = out.len().checked_sub(back)?;
            for at in from..from + high + usize::from(*more) + 2 {
                // What was just written may be what is copied.
                let byte = *out.get(at)?;
                out.push(byte);
            }
            rest = after;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::unpacked;

    #[test]
    fn runs_and_copies() {
        let cases: [(&[u8], &str); 4] = [
            (b"\x02abc", "abc"),
            (b"\x00a\x20\x00", "aaaa"),
            (b"\x01ab\xe0\x01\x01", "abababababab"),
            (b"", ""),
        ];
        for (packed, expected) in cases {
            let found = unpacked(packed, expected.len());
            assert_eq!(found.as_deref(), Some(expected.as_bytes()), "{packed:?}");
        }
    }

    #[test]
    fn what_is_cut_or_of_another_length_is_refused() {
        let cases: [(&[u8], usize); 5] = [
            (b"\x02ab", 3),
            (b"\x00a\x20\x01", 4),
            (b"\x00a\x20\x00", 3),
            (b"\x00a\x20\x00", 5),
            (b"\x00a", usize::MAX),
        ];
        for (packed, len) in cases {
            assert_eq!(unpacked(packed, len), None, "{packed:?}");
        }
    }
}
