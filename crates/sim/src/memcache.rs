//! The simulator's own memcached parser: replies for clients, requests for backends. Strict, slow and
//! copying.

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// One line, without its end.
    Line(Vec<u8>),
    /// VALUE blocks: key, value; then END.
    Blocks(Vec<(Vec<u8>, Vec<u8>)>),
    /// `VA <length> <flags>` and its value.
    Va { value: Vec<u8>, flags: Vec<u8> },
}

impl Reply {
    pub(crate) fn line(text: &str) -> Reply {
        Reply::Line(text.as_bytes().to_vec())
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Line(line) => out.extend_from_slice(line),
            Reply::Blocks(blocks) => {
                for (key, value) in blocks {
                    let head = format!("VALUE {} 0 {}\r\n", String::from_utf8_lossy(key), value.len());
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(value);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"END");
            }
            Reply::Va { value, flags } => {
                out.extend_from_slice(format!("VA {} ", value.len()).as_bytes());
                out.extend_from_slice(flags);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Reply at the front of `bytes` and its length; None if it is incomplete.
pub(crate) fn parse_reply(bytes: &[u8]) -> Result<Option<(Reply, usize)>, String> {
    let mut at = 0;
    let mut blocks = Vec::new();
    loop {
        let Some(line) = line(bytes, &mut at)? else { return Ok(None) };
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        match words[..] {
            [b"VALUE", key, b"0", n] | [b"VALUE", key, b"0", n, _] => {
                let Some(value) = block(bytes, &mut at, n)? else { return Ok(None) };
                blocks.push((key.to_vec(), value));
            }
            [b"END"] => return Ok(Some((Reply::Blocks(blocks), at))),
            _ if !blocks.is_empty() => return Err(format!("'{}' among VALUE blocks", line.escape_ascii())),
            [b"VA", n, ref flags @ ..] => {
                let Some(value) = block(bytes, &mut at, n)? else { return Ok(None) };
                return Ok(Some((Reply::Va { value, flags: flags.join(&b' ') }, at)));
            }
            _ => return Ok(Some((Reply::Line(line.to_vec()), at))),
        }
    }
}

/// A request as a backend reads it: its words, and its data block if it has one.
pub(crate) type Request = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// Request at the front of `bytes` and its length; None if it is incomplete.
pub(crate) fn parse_request(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let mut at = 0;
    let Some(line) = line(bytes, &mut at)? else { return Ok(None) };
    let words: Vec<Vec<u8>> = line.split(|b| *b == b' ').map(<[u8]>::to_vec).collect();
    let wrong = || Err(format!("no request: '{}'", crate::resp::show(bytes)));
    let count = match &words[0][..] {
        b"get" | b"gets" => 2..=usize::MAX,
        b"delete" | b"ms" | b"mg" => 2..=12,
        b"set" | b"add" => 5..=5,
        b"flush_all" | b"version" => 1..=1,
        _ => return wrong(),
    };
    let odd = |word: &Vec<u8>| word.is_empty() || word.iter().any(|b| !b.is_ascii_graphic());
    if !count.contains(&words.len()) || words.iter().any(odd) {
        return wrong();
    }
    let length = match &words[0][..] {
        b"set" | b"add" => &words[4],
        b"ms" => &words[2],
        _ => return Ok(Some(((words, None), at))),
    };
    let Some(data) = block(bytes, &mut at, &length.clone())? else { return Ok(None) };
    Ok(Some(((words, Some(data)), at)))
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, String> {
    let rest = &bytes[*at..];
    let Some(end) = rest.iter().position(|b| *b == b'\n') else { return Ok(None) };
    let Some(line) = rest[..end].strip_suffix(b"\r") else {
        return Err(format!("a bare line feed in '{}'", crate::resp::show(rest)));
    };
    *at += end + 1;
    Ok(Some(line))
}

fn block(bytes: &[u8], at: &mut usize, length: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let n: Option<usize> = std::str::from_utf8(length).ok().and_then(|n| n.parse().ok());
    let Some(n) = n else { return Err(format!("'{}' is no length", length.escape_ascii())) };
    let Some(whole) = bytes.get(*at..*at + n + 2) else { return Ok(None) };
    if !whole.ends_with(b"\r\n") {
        return Err(format!("no CRLF behind the data in '{}'", crate::resp::show(bytes)));
    }
    *at += n + 2;
    Ok(Some(whole[..n].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_nothing() {
        let replies = [
            Reply::line("STORED"),
            Reply::Blocks(vec![(b"k".to_vec(), b"a\r\nb".to_vec()), (b"l".to_vec(), b"".to_vec())]),
            Reply::Blocks(vec![]),
            Reply::Va { value: b"xyz".to_vec(), flags: b"kfoo O12".to_vec() },
        ];
        for reply in replies {
            let mut bytes = Vec::new();
            reply.write(&mut bytes);
            for cut in 0..bytes.len() {
                assert_eq!(parse_reply(&bytes[..cut]), Ok(None), "{cut}");
            }
            bytes.extend_from_slice(b"END");
            assert_eq!(parse_reply(&bytes), Ok(Some((reply, bytes.len() - 3))));
        }
        assert!(parse_reply(b"VALUE k 0 1\r\nabc\r\nEND\r\n").is_err());
        assert!(parse_reply(b"VALUE k 0 1\r\na\r\nSTORED\r\n").is_err());
        for bad in ["get \r\n", "set k 0 0\r\n", "set k 0 0 1\r\nxyz\r\n", "frob\r\n", "get k\n"] {
            assert!(parse_request(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse_request(b"ms k 2 q\r\nab\r\n").is_ok_and(|r| r.is_some()));
    }
}
