//! Bodies of `POST /mpub`: one message per line, or, with `binary=true`, the batch layout of MPUB without its
//! outer length.
//!
//! The caller has the whole body and has already rejected one over `max-body-size`
//! ([`MpubFault::BodyTooBig`]).

use super::batch::{BatchStop, BatchWalk};
use super::{Limits, Messages, Missing, Refusal};

/// The reason a body is rejected. Always answered with status 413, as nsqd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MpubFault {
    /// The body is over `max-body-size`.
    BodyTooBig,
    /// A line is over `max-msg-size`.
    MsgTooBig,
    /// The count of a binary body is missing or out of range.
    BadBody,
    /// A message of a binary body is empty, too big or cut off.
    BadMessage,
}

impl MpubFault {
    /// The `message` of the answer.
    pub fn name(self) -> &'static str {
        match self {
            MpubFault::BodyTooBig => "BODY_TOO_BIG",
            MpubFault::MsgTooBig => "MSG_TOO_BIG",
            MpubFault::BadBody => "BAD_BODY",
            MpubFault::BadMessage => "BAD_MESSAGE",
        }
    }
}

/// The messages of a text body: its lines without the line feeds, empty ones omitted. May be none.
pub fn text<'a>(
    body: &'a [u8],
    limits: &Limits,
) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, MpubFault> {
    if body.len() as u64 > limits.body_bytes_max {
        return Err(MpubFault::BodyTooBig);
    }
    let lines = || body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    if lines().any(|line| line.len() as u64 > limits.message_bytes_max) {
        return Err(MpubFault::MsgTooBig);
    }
    Ok(lines())
}

/// The messages of a binary body, at least one. Bytes after the last one are ignored, as nsqd does.
pub fn binary<'a>(body: &'a [u8], limits: &Limits) -> Result<Messages<'a>, MpubFault> {
    if body.len() as u64 > limits.body_bytes_max {
        return Err(MpubFault::BodyTooBig);
    }
    match BatchWalk::default().advance(body, limits.message_bytes_max, limits.body_bytes_max) {
        Ok((messages, _)) => Ok(messages),
        Err(BatchStop::NeedMore(_, Missing::Count) | BatchStop::Bad(Refusal::CountInvalid(_))) => {
            Err(MpubFault::BadBody)
        }
        Err(_) => Err(MpubFault::BadMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body and its messages.
    type Case<'a> = (&'a [u8], Result<&'a [&'a [u8]], MpubFault>);

    fn limits(message: u64, body: u64) -> Limits {
        Limits { message_bytes_max: message, body_bytes_max: body, ..Limits::default() }
    }

    #[test]
    fn text_lines() {
        let cases: [Case<'_>; 8] = [
            (b"", Ok(&[])),
            (b"\n\n", Ok(&[])),
            (b"a\nb", Ok(&[b"a", b"b"])),
            (b"\na\n\nb\r\n", Ok(&[b"a", b"b\r"])),
            (b"xxxxxxxx\nyyyyyyyy", Ok(&[b"xxxxxxxx", b"yyyyyyyy"])),
            (b"a\nxxxxxxxxx", Err(MpubFault::MsgTooBig)),
            (b"x\nx\nx\nx\nx\nx\nx\nx\nx\nx\n", Ok(&[b"x" as &[u8]; 10])),
            (b"x\nx\nx\nx\nx\nx\nx\nx\nx\nx\nx", Err(MpubFault::BodyTooBig)),
        ];
        for (body, expected) in cases {
            let got = text(body, &limits(8, 20)).map(Iterator::collect::<Vec<_>>);
            assert_eq!(got, expected.map(<[_]>::to_vec), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn binary_bodies() {
        let cases: [Case<'_>; 12] = [
            (b"\0\0\0\x02\0\0\0\x03a\nb\0\0\0\x01z", Ok(&[b"a\nb", b"z"])),
            (b"\0\0\0\x01\0\0\0\x01zrest", Ok(&[b"z"])),
            (b"", Err(MpubFault::BadBody)),
            (b"\0\0", Err(MpubFault::BadBody)),
            (b"\0\0\0\0", Err(MpubFault::BadBody)),
            (b"\xff\xff\xff\xff", Err(MpubFault::BadBody)),
            (b"\0\x10\0\0", Err(MpubFault::BadBody)),
            (b"\0\0\0\x01", Err(MpubFault::BadMessage)),
            (b"\0\0\0\x01\0\0\0\0", Err(MpubFault::BadMessage)),
            (b"\0\0\0\x01\xff\xff\xff\xfc", Err(MpubFault::BadMessage)),
            (b"\0\0\0\x01\0\0\0\x09xxxxxxxxx", Err(MpubFault::BadMessage)),
            (b"\0\0\0\x01\0\0\0\x04abc", Err(MpubFault::BadMessage)),
        ];
        for (body, expected) in cases {
            let got = binary(body, &limits(8, 24)).map(Iterator::collect::<Vec<_>>);
            assert_eq!(got, expected.map(<[_]>::to_vec), "{}", body.escape_ascii());
        }
        assert_eq!(binary(&[0; 25], &limits(8, 24)), Err(MpubFault::BodyTooBig));
    }
}
