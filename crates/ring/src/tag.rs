//! Hash tags: the part of a key that decides where it lives.
//!
//! With `hash_tag: "{}"` the keys `{user:1}:name` and `{user:1}:cart` are hashed as `user:1`, so they are on
//! one server. As in nutcracker 0.5.0, only the first opening byte of a key is tried.

/// The part of `key` that is hashed under `tag` (opening and closing byte, which may be equal).
///
/// It lies between the first opening byte and the first closing byte after it; if either is missing or
/// nothing lies between, it is the whole key.
#[inline]
pub fn tagged(key: &[u8], tag: Option<[u8; 2]>) -> &[u8] {
    match tag {
        None => key,
        Some([open, close]) => enclosed(key, open, close).unwrap_or(key),
    }
}

fn enclosed(key: &[u8], open: u8, close: u8) -> Option<&[u8]> {
    let start = key.iter().position(|&byte| byte == open)? + 1;
    let rest = key.get(start..)?;
    let length = rest.iter().position(|&byte| byte == close)?;
    if length == 0 { None } else { rest.get(..length) }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn cases() {
        let cases: &[(&str, &str, &str)] = &[
            ("{}", "user:1", "user:1"),
            ("{}", "", ""),
            ("{}", "{abc}", "abc"),
            ("{}", "a{b}c", "b"),
            ("{}", "{}{abc}", "{}{abc}"),
            ("{}", "}{abc}", "abc"),
            ("{}", "{{abc}}", "{abc"),
            ("{}", "{abc}{zzz}", "abc"),
            ("{}", "{abc", "{abc"),
            ("{}", "abc}", "abc}"),
            ("{}", "abc{", "abc{"),
            ("$$", "a$b$c", "b"),
            ("$$", "$$b$", "$$b$"),
            ("$$", "a$b", "a$b"),
        ];
        for &(tag, key, want) in cases {
            let tag = tag.as_bytes().try_into().ok();
            assert_eq!(tagged(key.as_bytes(), tag), want.as_bytes(), "{tag:?} {key:?}");
            assert_eq!(tagged(key.as_bytes(), None), key.as_bytes());
        }
    }
}
