//! Bodies that identify their message.
//!
//! ```text
//! <uid>xxxxx</uid>
//! ```

/// Id of a published message; never reused in a run.
pub(crate) type Uid = u64;

/// Body of a message: a function of `uid`, with up to `fill_max` bytes of filler.
pub(crate) fn body(uid: Uid, fill_max: usize) -> Vec<u8> {
    let fill = (uid.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % (fill_max + 1);
    format!("<{uid}>{}</{uid}>", "x".repeat(fill)).into_bytes()
}

/// Message that a body belongs to. The error describes the damage.
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

/// Complete bodies found in a file: the offset of their digits, and their message.
pub(crate) fn uids_in(content: &[u8]) -> Vec<(usize, Uid)> {
    let mut found = Vec::new();
    for at in (0..content.len()).filter(|at| content[*at] == b'<') {
        let digits = content[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&content[at + 1..at + 1 + digits]).unwrap_or_default();
        let Ok(uid) = text.parse::<Uid>() else { continue };
        let rest = content.get(at + 2 + digits..).unwrap_or_default();
        let filler = rest.iter().take_while(|byte| **byte == b'x').count();
        let end = format!("</{uid}>");
        let behind = &rest[filler..];
        if content.get(at + 1 + digits) == Some(&b'>') && behind.starts_with(end.as_bytes()) {
            found.push((at + 1, uid));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_found_in_a_file() {
        let file = [b"\x01<9".as_slice(), &body(12, 3), b"\0\0<", &body(7, 0), b"<8>x</9>"].concat();
        let found: Vec<Uid> = uids_in(&file).into_iter().map(|(_, uid)| uid).collect();
        assert_eq!(found, [12, 7]);
        assert!(uids_in(b"<12").is_empty() && uids_in(b"<").is_empty() && uids_in(b"<1>").is_empty());
        assert!(uids_in(&file).iter().all(|(at, _)| file[*at].is_ascii_digit()));
    }

    #[test]
    fn a_body_says_which_message_it_is() {
        assert_eq!(uid_of(&body(77, 5)), Ok(77));
        assert_eq!(uid_of(&body(0, 0)), Ok(0));
        for wrong in [&b"<7>xx</8>"[..], b"<7>xy</7>", b"<>", b"", b"<7>x</7", b"\xff"] {
            assert!(uid_of(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
