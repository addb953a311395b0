//! Values that name their key, so that a reply can be checked on its own.
//!
//! ```text
//! key|uid|length|xxxxx      `uid` names the request that wrote it (0: original value), then `length` fillers
//! ```
//! Keys that begin with `p` exist from the start, on every backend; keys with `u` hold the number of one
//! request and never exist; all others exist once they were written.

/// Most filler bytes of a value.
pub(crate) const FILL_MAX: usize = 100_000;
static FILLER: [u8; FILL_MAX] = [b'x'; FILL_MAX];

/// Value of `key` written by request `uid` with `fill` bytes of filler.
pub(crate) fn value(key: &[u8], uid: u64, fill: usize) -> Vec<u8> {
    let mut out = key.to_vec();
    out.extend_from_slice(format!("|{uid}|{fill}|").as_bytes());
    out.extend_from_slice(&FILLER[..fill]);
    out
}

/// Original value of a `p` key.
pub(crate) fn original(key: &[u8], fill_max: usize) -> Option<Vec<u8>> {
    if key.first() != Some(&b'p') {
        return None;
    }
    let sum = key.iter().fold(7usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(*b)));
    Some(value(key, 0, sum.wrapping_mul(2_654_435_761) % (fill_max + 1)))
}

/// Checks a value against its key, and returns the request that wrote it.
pub(crate) fn written_by(key: &[u8], value: &[u8]) -> Result<u64, String> {
    let wrong = || format!("'{}' is no value of key '{}'", crate::resp::show(value), key.escape_ascii());
    let rest = value.strip_prefix(key).and_then(|r| r.strip_prefix(b"|")).ok_or_else(wrong)?;
    let mut parts = rest.splitn(3, |b| *b == b'|');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (uid, fill) = (number().ok_or_else(wrong)?, number().ok_or_else(wrong)?);
    let filler = parts.next().ok_or_else(wrong)?;
    if filler.len() as u64 != fill || *filler != FILLER[..filler.len()] {
        return Err(wrong());
    }
    Ok(uid)
}

/// Request number in a `u` key.
pub(crate) fn uid_of_key(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key.strip_prefix(b"u:")?).ok()?.parse().ok()
}

/// Name of a script, the same on all servers.
pub(crate) fn sha_of_script(script: &[u8]) -> Vec<u8> {
    [b"sha of ", script].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_one_key() {
        let v = value(b"c1:2", 77, 30);
        assert_eq!(written_by(b"c1:2", &v), Ok(77));
        assert!(written_by(b"c1:22", &v).is_err());
        assert!(written_by(b"c1:2", &v[..v.len() - 1]).is_err());
        assert_eq!(original(b"p:3", 100).map(|v| written_by(b"p:3", &v)), Some(Ok(0)));
        assert_eq!((original(b"c", 9), uid_of_key(b"u:45")), (None, Some(45)));
    }
}
