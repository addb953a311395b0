//! The reply to one request of a `SCAN`, with the client's cursor in place of the server's
//! ([`crate::request`] has the way in).

use wire::redis::{Elements, encode};

use crate::cursor;

/// Writes a server's reply with the client's next cursor. None if it is no reply to `SCAN`.
pub(crate) fn write_scanned(reply: &[u8], (at, count): (u16, u16), out: &mut Vec<u8>) -> Option<()> {
    let mut elements = Elements::of_array(reply)?;
    let (_, cursor) = elements.next()?;
    let (_, keys) = elements.next()?;
    let cursor = cursor::parse(text(cursor)?)?;
    let next = match cursor {
        0 if at + 1 == count => Some(0),
        0 => Some(u64::from(at) + 1),
        _ => cursor::join(cursor, at, count),
    };
    let Some(next) = next else {
        encode::error(out, b"ERR the cursor of the server is too large to be passed on");
        return Some(());
    };
    encode::array(out, 2);
    encode::bulk(out, next.to_string().as_bytes());
    out.extend_from_slice(keys);
    Some(())
}

/// The text of an encoded bulk string.
fn text(bulk: &[u8]) -> Option<&[u8]> {
    let start = memchr::memchr(b'\n', bulk)? + 1;
    bulk.get(start..)?.strip_suffix(b"\r\n")
}
