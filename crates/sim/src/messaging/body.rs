//! Bodies that say which message they are.
//!
//! ```text
//! <uid>xxxxx</uid>
//! ```

/// Names a publication's message; never used twice in a run.
pub(crate) type Uid = u64;

/// The body of a message, with `fill` bytes of filler.
pub(crate) fn body(uid: Uid, fill: usize) -> Vec<u8> {
    format!("<{uid}>{}</{uid}>", "x".repeat(fill)).into_bytes()
}

/// Whose body it is. The error says what is wrong with it.
pub(crate) fn uid_of(body: &[u8]) -> Result<Uid, String> {
    let wrong = || format!("'{}' is no body", body[..body.len().min(60)].escape_ascii());
    let text = std::str::from_utf8(body).map_err(|_| wrong())?;
    let (uid, rest) = text.strip_prefix('<').and_then(|t| t.split_once('>')).ok_or_else(wrong)?;
    let filler = rest.strip_suffix(&format!("</{uid}>")).ok_or_else(wrong)?;
    if filler.bytes().any(|byte| byte != b'x') {
        return Err(wrong());
    }
    uid.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_which_message_it_is() {
        assert_eq!(uid_of(&body(77, 5)), Ok(77));
        assert_eq!(uid_of(&body(0, 0)), Ok(0));
        for wrong in [&b"<7>xx</8>"[..], b"<7>xy</7>", b"<>", b"", b"<7>x</7", b"\xff"] {
            assert!(uid_of(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
