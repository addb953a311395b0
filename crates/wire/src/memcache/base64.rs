//! base64 of binary keys in meta commands (flag `b`): the alphabet of RFC 4648 with padding.
//!
//! [`decode`] is as lax as memcached: it skips characters outside the alphabet, and checks only the number of
//! the others. `decode_key` is for forwarded keys: memcached skips misplaced padding and stops at the first
//! full group that has any, so such keys are rejected. Unused bits before the padding are ignored, as in
//! memcached.

use crate::memcache::KEY_BYTES_MAX;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD: u8 = b'=';

/// Decodes `text`; None if it yields no bytes or is truncated.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let signs: Vec<u8> = text.iter().copied().filter(|&byte| byte == PAD || value(byte).is_some()).collect();
    if signs.is_empty() || !signs.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(signs.len() / 4 * 3);
    for block in signs.chunks_exact(4) {
        let word = block.iter().fold(0, |word, &sign| (word << 6) | value(sign).unwrap_or(0));
        let [_, a, b, c] = word.to_be_bytes();
        match block.iter().filter(|&&sign| sign == PAD).count() {
            0 => bytes.extend([a, b, c]),
            1 => bytes.extend([a, b]),
            2 => bytes.push(a),
            _ => return None,
        }
        if block.contains(&PAD) {
            break;
        }
    }
    Some(bytes)
}

/// Appends `bytes` in base64.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for block in bytes.chunks(3) {
        let word = block.iter().fold(0u32, |word, &byte| (word << 8) | u32::from(byte));
        let word = word << (8 * (3 - block.len()));
        for i in 0..4 {
            let index = (word >> (18 - 6 * i)) & 63;
            let sign = ALPHABET.get(index as usize).copied().unwrap_or(PAD);
            out.push(if i <= block.len() { sign } else { PAD });
        }
    }
}

/// Decodes `encoded` to the front of `out` and returns the length; none if it is malformed, empty or too
/// long.
pub(super) fn decode_key(encoded: &[u8], out: &mut [u8; KEY_BYTES_MAX]) -> Option<usize> {
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

fn value(sign: u8) -> Option<u32> {
    let value = match sign {
        b'A'..=b'Z' => sign - b'A',
        b'a'..=b'z' => sign - b'a' + 26,
        b'0'..=b'9' => sign - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("Zm9v", Some(b"foo")),
            ("Zm9vYg==", Some(b"foob")),
            ("Zm9vYmE=", Some(b"fooba")),
            ("Zm9v!", Some(b"foo")),
            ("Zg==Zg==", Some(b"f")),
            ("", None),
            ("!!", None),
            ("Zm9", None),
            ("Z===", None),
            ("====", None),
        ];
        for (text, want) in cases {
            assert_eq!(decode(text.as_bytes()).as_deref(), *want, "{text:?}");
        }
    }

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
            assert_eq!(decode_key(encoded, &mut out).map(|len| &out[..len]), key, "{encoded:?}");
        }
        assert_eq!(decode_key(&[b'A'; 248], &mut [0; KEY_BYTES_MAX]), Some(186));
        assert_eq!(decode_key(&[b'A'; 252], &mut [0; KEY_BYTES_MAX]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let mut text = Vec::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(decode(&text), Some(bytes));
        }
    }
}
