//! Keys written in base64 (meta flag `b`).
//!
//! The alphabet of RFC 4648 with padding. memcached skips over misplaced padding and stops at the first full group
//! that has any; we refuse such keys. Unused bits before the padding are ignored, as in memcached.

use crate::memcache::KEY_BYTES_MAX;

/// Decodes `encoded` to the front of `out` and returns the length; nothing if it is not base64 or is empty or too long.
pub(super) fn decode(encoded: &[u8], out: &mut [u8; KEY_BYTES_MAX]) -> Option<usize> {
    if encoded.is_empty() || !encoded.len().is_multiple_of(4) || encoded.len() > KEY_BYTES_MAX {
        return None;
    }
    let padding = encoded.iter().rev().take(2).take_while(|&&byte| byte == b'=').count();
    let mut len = 0;
    let mut bits = 0u32;
    for (index, &byte) in encoded[..encoded.len() - padding].iter().enumerate() {
        bits = bits << 6 | value(byte)?;
        if index % 4 != 0 {
            out[len] = (bits >> (6 - 2 * (index % 4))) as u8;
            len += 1;
        }
    }
    Some(len)
}

fn value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let cases: [(&[u8], Option<&[u8]>); 14] = [
            (b"aw==", Some(b"k")),
            (b"ax==", Some(b"k")),
            (b"a2U=", Some(b"ke")),
            (b"a2V5", Some(b"key")),
            (b"/+8A", Some(b"\xff\xef\x00")),
            (b"a2V5a2V5", Some(b"keykey")),
            (b"", None),
            (b"aw", None),
            (b"aw=", None),
            (b"a===", None),
            (b"====", None),
            (b"=aaa", None),
            (b"aw==a2V5", None),
            (b"a-_=", None),
        ];
        for (encoded, key) in cases {
            let mut out = [0; KEY_BYTES_MAX];
            assert_eq!(decode(encoded, &mut out).map(|len| &out[..len]), key, "{encoded:?}");
        }
        assert_eq!(decode(&[b'A'; 248], &mut [0; KEY_BYTES_MAX]), Some(186));
        assert_eq!(decode(&[b'A'; 252], &mut [0; KEY_BYTES_MAX]), None);
    }
}
