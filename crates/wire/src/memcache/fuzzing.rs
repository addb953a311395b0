//! Bodies of the fuzz targets and of the seeded tests that run the same checks without a fuzzer.

use super::{
    BadReply, BadRequest, Blocks, Expect, KEY_BYTES_MAX, Limits, Piece, Reply, ReplyKind, ReplyPassage,
    ReplyScanner, Request, RequestScanner, Scan,
};

/// Limits small enough that short inputs reach them.
const LIMITS: Limits =
    Limits { line_bytes_max: 300, get_line_bytes_max: 600, value_bytes_max: 500, stats_bytes_max: 400 };

const KINDS: [ReplyKind; 18] = [
    ReplyKind::Values,
    ReplyKind::ValuesCas,
    ReplyKind::Stored,
    ReplyKind::Number,
    ReplyKind::Touched,
    ReplyKind::Deleted,
    ReplyKind::Ok,
    ReplyKind::Version,
    ReplyKind::Stats,
    ReplyKind::Reset,
    ReplyKind::MetaGet,
    ReplyKind::MetaSet,
    ReplyKind::MetaDelete,
    ReplyKind::MetaArithmetic,
    ReplyKind::MetaNoop,
    ReplyKind::MetaDebug,
    ReplyKind::AnyText,
    ReplyKind::Never,
];

/// Scans `stream` as client input, whole and one byte at a time: both find the same requests, and every
/// request keeps the guarantees of [`Request`].
pub fn request(stream: &[u8]) {
    let mut rest = stream;
    loop {
        let whole = RequestScanner::new().scan(rest, &LIMITS);
        assert_eq!(
            bytewise_request(rest),
            whole,
            "one byte at a time: {:?}",
            rest.escape_ascii().to_string()
        );
        let skip = match whole {
            Scan::Done(request) => {
                check_request(&request, &rest[..request.frame_len()]);
                request.frame_len()
            }
            Scan::Bad(bad) => {
                assert!(bad.close != (bad.skip > 0), "{bad:?}");
                bad.skip as usize
            }
            Scan::NeedMore { want } => {
                assert!(want > rest.len());
                return;
            }
        };
        if skip == 0 || skip > rest.len() {
            return;
        }
        rest = &rest[skip..];
    }
}

/// The outcome of scanning `bytes` one byte at a time.
fn bytewise_request(bytes: &[u8]) -> Scan<Request, BadRequest> {
    let mut scanner = RequestScanner::new();
    let mut last = scanner.scan(&[], &LIMITS);
    for shown in 1..=bytes.len() {
        match last {
            Scan::NeedMore { want } => assert!(want >= shown),
            _ => return last,
        }
        last = scanner.scan(&bytes[..shown], &LIMITS);
    }
    last
}

fn check_request(request: &Request, frame: &[u8]) {
    assert_eq!(request.keys(frame).count(), request.key_count());
    for key in request.keys(frame) {
        let key = key.of(frame);
        assert!(!key.is_empty() && key.len() <= KEY_BYTES_MAX);
        assert!(!key.contains(&b' ') && !key.contains(&b'\n') && !key.contains(&0));
    }
    if request.key_count() > 0 {
        assert_eq!(request.keys(frame).next(), Some(request.key()));
        assert!(!request.routing_key(frame, &mut [0; KEY_BYTES_MAX]).is_empty());
    }
    if !request.data().is_empty() {
        assert_eq!(&frame[request.data().range().end..], b"\r\n");
    }
    assert!(request.meta_flags(frame).all(|(letter, _)| request.flags().has(letter)));
    let _ = (request.head(frame), request.arguments(frame).count(), request.line().of(frame));
    check_forward(request, frame);
}

/// Checks that the forwarded form is the same request, without `noreply` or `q`.
fn check_forward(request: &Request, frame: &[u8]) {
    let sent = request.forward(frame).concat();
    let Scan::Done(again) = RequestScanner::new().scan(&sent, &LIMITS) else {
        panic!("forwarded is no request: {:?}", sent.escape_ascii().to_string());
    };
    assert_eq!(again.frame_len(), sent.len());
    assert!(!again.noreply() && !again.quiet() && again.is_verbatim());
    assert_eq!(again.command(), request.command());
    assert_eq!(again.key().of(&sent), request.key().of(frame));
    assert_eq!(again.data().of(&sent), request.data().of(frame));
    assert_eq!(again.key_count(), request.key_count());
    let asked = request.asked();
    assert_eq!(asked, again.asked());
    assert!(asked.is_empty() || asked.of(&sent).starts_with(again.key().of(&sent)));
    assert!(!asked.of(&sent).contains(&b'\n'));
    if request.is_verbatim() {
        assert_eq!(sent, frame);
    }
}

/// Scans `stream` as server output; the first byte selects the request, the second the number of keys, and
/// the third how many bytes of it are those keys.
pub fn reply(stream: &[u8]) {
    let [choice, keys, asked, bytes @ ..] = stream else { return };
    let expect = Expect { kind: KINDS[*choice as usize % KINDS.len()], keys: u32::from(*keys) };
    let (asked, bytes) = bytes.split_at((*asked as usize).min(bytes.len()));
    let whole = ReplyScanner::new().scan(bytes, expect, asked, &LIMITS);
    assert_eq!(
        bytewise_reply(bytes, expect, asked),
        whole,
        "one byte at a time: {:?}",
        bytes.escape_ascii().to_string()
    );
    let _ = Blocks::new(bytes).count();
    for step in [1, 7] {
        let end = if let Scan::Done(reply) = &whole { Some(reply.len) } else { None };
        assert_eq!(passage(bytes, step, expect, asked), end, "passed on: {}", bytes.escape_ascii());
    }
    match whole {
        Scan::Done(reply) => check_reply(&reply, expect, &bytes[..reply.len]),
        Scan::NeedMore { want } => assert!(want > bytes.len()),
        Scan::Bad(_) => {}
    }
}

/// End of a reply scanned in one pass, `step` bytes at a time; `None` if incomplete or invalid.
fn passage(bytes: &[u8], step: usize, expect: Expect, asked: &[u8]) -> Option<usize> {
    let (mut passage, mut done, mut shown) = (ReplyPassage::new(), 0, 0);
    while shown < bytes.len() {
        shown = (shown + step).min(bytes.len());
        let part = &bytes[done..shown];
        match passage.advance(part, expect, asked, &LIMITS) {
            Piece::Part(n) => {
                assert!(n <= part.len());
                done += n;
            }
            Piece::End(n) => {
                assert!(n <= part.len());
                return Some(done + n);
            }
            Piece::Bad(_) => return None,
        }
    }
    None
}

fn bytewise_reply(bytes: &[u8], expect: Expect, asked: &[u8]) -> Scan<Reply, BadReply> {
    let mut scanner = ReplyScanner::new();
    let mut last = scanner.scan(&[], expect, asked, &LIMITS);
    for shown in 1..=bytes.len() {
        if !matches!(last, Scan::NeedMore { .. }) {
            return last;
        }
        last = scanner.scan(&bytes[..shown], expect, asked, &LIMITS);
    }
    last
}

fn check_reply(reply: &Reply, expect: Expect, bytes: &[u8]) {
    assert!(bytes.ends_with(b"\r\n") && reply.last_line.end <= reply.len);
    let blocks: Vec<_> = Blocks::new(bytes).collect();
    if matches!(expect.kind, ReplyKind::Values | ReplyKind::ValuesCas | ReplyKind::AnyText) {
        assert_eq!(blocks.len(), reply.blocks as usize);
        let end = blocks.last().map_or(0, |block| block.whole.end);
        assert_eq!(end, reply.last_line.start);
    }
    let mut by_key = Blocks::new(bytes);
    for block in &blocks {
        assert_eq!(by_key.next_for(b"\n"), None);
        assert_eq!(by_key.next_for(&bytes[block.key.clone()]).as_ref(), Some(block));
    }
}
