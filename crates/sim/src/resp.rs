//! The simulator's own RESP parser, since the oracle must not rely on the code under test.
//!
//! Strict and slow: a complete value or nothing, everything copied, both RESP2 and RESP3.

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `*-1`, to be written: it is read as [`Node::Null`].
    NullArray,
    Array(Vec<Node>),
    Map(Vec<Node>),
    Push(Vec<Node>),
}

/// Value at the front of `bytes` and its length; None if it is incomplete.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Node, usize)>, String> {
    let mut at = 0;
    match node(bytes, &mut at) {
        Ok(node) => Ok(Some((node, at))),
        Err(Stop::Short) => Ok(None),
        Err(Stop::Bad(why)) => Err(format!("{why} in {:?}", show(bytes))),
    }
}

/// Printable, shortened form of bytes for a fault's text.
pub(crate) fn show(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(600)];
    let more = if bytes.len() > cut.len() { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("{}{more}", cut.escape_ascii())
}

enum Stop {
    Short,
    Bad(&'static str),
}

fn node(bytes: &[u8], at: &mut usize) -> Result<Node, Stop> {
    let kind = *bytes.get(*at).ok_or(Stop::Short)?;
    *at += 1;
    Ok(match kind {
        b'+' => Node::Simple(line(bytes, at)?.to_vec()),
        b'-' => Node::Error(line(bytes, at)?.to_vec()),
        b':' => Node::Int(number(bytes, at)?),
        b'_' if line(bytes, at)?.is_empty() => Node::Null,
        b'$' => match number(bytes, at)? {
            -1 => Node::Null,
            n => Node::Bulk(bulk(bytes, at, n)?),
        },
        b'*' => match number(bytes, at)? {
            -1 => Node::Null,
            n => Node::Array(nodes(bytes, at, n)?),
        },
        b'%' => {
            let n = number(bytes, at)?;
            Node::Map(nodes(bytes, at, n * 2)?)
        }
        b'>' => {
            let n = number(bytes, at)?;
            Node::Push(nodes(bytes, at, n)?)
        }
        _ => return Err(Stop::Bad("unknown type")),
    })
}

fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a [u8], Stop> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|w| w == b"\r\n").ok_or(Stop::Short)?;
    if rest[..end].contains(&b'\n') {
        return Err(Stop::Bad("a bare line feed"));
    }
    *at += end + 2;
    Ok(&rest[..end])
}

fn number(bytes: &[u8], at: &mut usize) -> Result<i64, Stop> {
    let text = std::str::from_utf8(line(bytes, at)?).map_err(|_| Stop::Bad("no number"))?;
    text.parse().map_err(|_| Stop::Bad("no number"))
}

fn bulk(bytes: &[u8], at: &mut usize, n: i64) -> Result<Vec<u8>, Stop> {
    let n = usize::try_from(n).map_err(|_| Stop::Bad("negative length"))?;
    let whole = bytes.get(*at..*at + n + 2).ok_or(Stop::Short)?;
    if !whole.ends_with(b"\r\n") {
        return Err(Stop::Bad("no CRLF behind a bulk"));
    }
    *at += n + 2;
    Ok(whole[..n].to_vec())
}

fn nodes(bytes: &[u8], at: &mut usize, n: i64) -> Result<Vec<Node>, Stop> {
    let n = usize::try_from(n).map_err(|_| Stop::Bad("negative count"))?;
    (0..n).map(|_| node(bytes, at)).collect()
}

/// Writes a value as RESP2, or as RESP3 where that differs.
pub(crate) fn write(node: &Node, resp3: bool, out: &mut Vec<u8>) {
    let head =
        |out: &mut Vec<u8>, kind: char, n: i64| out.extend_from_slice(format!("{kind}{n}\r\n").as_bytes());
    match node {
        Node::Simple(text) => out.extend_from_slice(&[b"+", &text[..], b"\r\n"].concat()),
        Node::Error(text) => out.extend_from_slice(&[b"-", &text[..], b"\r\n"].concat()),
        Node::Int(n) => head(out, ':', *n),
        Node::Null | Node::NullArray if resp3 => out.extend_from_slice(b"_\r\n"),
        Node::Null => out.extend_from_slice(b"$-1\r\n"),
        Node::NullArray => out.extend_from_slice(b"*-1\r\n"),
        Node::Bulk(bytes) => {
            head(out, '$', bytes.len() as i64);
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Node::Array(nodes) | Node::Map(nodes) | Node::Push(nodes) => {
            match node {
                Node::Map(_) if resp3 => head(out, '%', nodes.len() as i64 / 2),
                Node::Push(_) => head(out, '>', nodes.len() as i64),
                _ => head(out, '*', nodes.len() as i64),
            }
            for n in nodes {
                write(n, resp3, out);
            }
        }
    }
}

/// A request: an array of bulk strings.
pub(crate) fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&Node::Array(args.iter().map(|a| Node::Bulk(a.to_vec())).collect()), false, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_or_nothing() {
        let value = Node::Array(vec![
            Node::Bulk(b"a\r\nb".to_vec()),
            Node::Null,
            Node::Array(vec![Node::Int(-5), Node::Simple(b"OK".to_vec()), Node::Error(b"ERR x".to_vec())]),
        ]);
        for resp3 in [false, true] {
            let mut bytes = Vec::new();
            write(&value, resp3, &mut bytes);
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Ok(None), "{cut}");
            }
            bytes.extend_from_slice(b"+next");
            assert_eq!(parse(&bytes), Ok(Some((value.clone(), bytes.len() - 5))));
        }
        for bad in ["?x\r\n", ":1x\r\n", "$1\r\nabc", "*-2\r\n", "+a\nb\r\n"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
