//! Invariants for arbitrary bytes: each function takes some and panics if one is broken.
//!
//! A scanner gives the same result for whole input and for single bytes; it always wants more than it has;
//! its results lie inside the frame and read back as sent. The fuzz targets and ordinary tests over a seeded
//! corpus call these.

use super::{
    Kind, Limits, Piece, Redirect, Reply, ReplyLimits, ReplyPassage, ReplyScan, ReplyScanner, Request,
    RequestScanner, Route, Scan, Version, cluster, command_reply, encode, encode_inline, replication,
    sentinel,
};

/// Limits that random bytes can reach.
fn small_limits() -> Limits {
    Limits {
        arguments_max: 64,
        bulk_bytes_max: 256,
        inline_bytes_max: 128,
        request_bytes_max: 1024,
        authenticated: true,
    }
}

fn small_reply_limits() -> ReplyLimits {
    ReplyLimits {
        elements_max: 64,
        bulk_bytes_max: 256,
        line_bytes_max: 128,
        depth_max: 8,
        reply_bytes_max: 1024,
    }
}

/// Checks the scanning and routing of requests: `bytes` hold one after the other, up to a bad or incomplete
/// one.
pub fn request(bytes: &[u8]) {
    for limits in [Limits::default(), Limits::unauthenticated(), small_limits()] {
        let mut rest = bytes;
        let mut scanner = RequestScanner::new();
        while let Some(len) = one_request(&mut scanner, rest, &limits) {
            assert!(0 < len && len <= rest.len().min(limits.request_bytes_max), "{len} of {}", rest.len());
            rest = &rest[len..];
        }
    }
}

/// Checks the scanning of replies, in the same way.
pub fn reply(bytes: &[u8]) {
    for limits in [ReplyLimits::default(), small_reply_limits()] {
        let mut rest = bytes;
        let mut scanner = ReplyScanner::new();
        while let Some(len) = one_reply(&mut scanner, rest, &limits) {
            assert!(0 < len && len <= rest.len().min(limits.reply_bytes_max), "{len} of {}", rest.len());
            rest = &rest[len..];
        }
    }
}

/// Checks what is read of a cluster's own words: redirects, and what a node says about its cluster. What is
/// read is within bounds.
pub fn cluster(bytes: &[u8]) {
    if let Some(Redirect::Moved(slot, place) | Redirect::Ask(slot, place)) = Redirect::of(bytes) {
        assert!(slot < 16_384 && place.port > 0 && place.host.len() <= 255);
    }
    let _ = cluster::info(bytes);
    let views = [cluster::slots(bytes), cluster::shards(bytes, false), cluster::shards(bytes, true)];
    for view in views.into_iter().flatten() {
        for range in &view.ranges {
            assert!(range.first <= range.last && range.last < 16_384 && !range.nodes.is_empty());
        }
        for node in view.ranges.into_iter().flat_map(|range| range.nodes).chain(view.idle) {
            assert!(node.port > 0 && node.id.len() + node.host.map_or(0, |host| host.len()) <= 510);
        }
    }
    assert!(sentinel::address(bytes).is_none_or(|(host, port)| port > 0 && (1..=255).contains(&host.len())));
    let _ = (sentinel::master(bytes), sentinel::is_master(bytes), sentinel::text(bytes));
    let _ = (replication::replication(bytes), replication::role(bytes), replication::is_unlinked(bytes));
    for node in sentinel::nodes(bytes).unwrap_or_default().nodes {
        assert!(node.port > 0 && (1..=255).contains(&node.host.len()) && node.id.len() <= 255);
    }
}

/// Scans one request, whole and with a reused scanner; returns its length, or `None` if there is none.
fn one_request(scanner: &mut RequestScanner, bytes: &[u8], limits: &Limits) -> Option<usize> {
    let whole = RequestScanner::new().scan(bytes, limits);
    let piecemeal = byte_by_byte(bytes, |part| match scanner.scan(part, limits) {
        Scan::NeedMore { want } => Err(want),
        found => Ok(found),
    });
    match whole {
        Scan::NeedMore { .. } => assert_eq!(piecemeal, None),
        _ => assert_eq!(piecemeal, Some(whole)),
    }
    match whole {
        Scan::Done(request) => {
            whole_request(&request, bytes, limits);
            Some(request.len())
        }
        Scan::Skip { len } => Some(len),
        Scan::Inline { len } => {
            let mut frame = Vec::new();
            match encode_inline(&bytes[..len], &mut frame) {
                Ok(words) => inline_request(&frame, words),
                Err(_) => assert_eq!(frame, b""),
            }
            Some(len)
        }
        Scan::NeedMore { .. } | Scan::Bad(_) => None,
    }
}

/// Gives `scan` ever more of `bytes` until it finds something; `Err` is how many it wants in total.
fn byte_by_byte<T>(bytes: &[u8], mut scan: impl FnMut(&[u8]) -> Result<T, usize>) -> Option<T> {
    let mut wanted = 0;
    for len in 0..=bytes.len() {
        match scan(&bytes[..len]) {
            Ok(found) => {
                assert!(wanted <= len, "found in {len} bytes what was to take {wanted}");
                return Some(found);
            }
            Err(want) => {
                assert!(want > len && want >= wanted, "{len} bytes, wants {want}, wanted {wanted}");
                wanted = want;
            }
        }
    }
    None
}

/// Checks that an inline command, rewritten in `frame`, is a request of as many words.
fn inline_request(frame: &[u8], words: usize) {
    if words == 0 {
        return assert_eq!(frame, b"");
    }
    let limits = Limits { arguments_max: usize::MAX, ..Limits::default() };
    let Scan::Done(request) = RequestScanner::new().scan(frame, &limits) else {
        panic!("{}", frame.escape_ascii())
    };
    assert_eq!((request.len(), request.argument_count()), (frame.len(), words));
    whole_request(&request, frame, &limits);
}

/// Checks that every part of a request reads back as the request.
fn whole_request(request: &Request, frame: &[u8], limits: &Limits) {
    assert!(request.len() <= limits.request_bytes_max && request.argument_count() <= limits.arguments_max);
    let args: Vec<&[u8]> = request.args(frame).map(|argument| argument.bytes()).collect();
    assert_eq!(args.len(), request.argument_count());
    assert_eq!((Some(request.name(frame)), request.first(frame).map(|a| a.bytes())), {
        (args.first().copied(), args.get(1).copied())
    });
    let mut again = Vec::new();
    encode::array(&mut again, args.len());
    for argument in &args {
        encode::bulk(&mut again, argument);
    }
    assert_eq!(again, frame[..request.len()], "not written as it would be written");
    route(request, frame);
}

/// Checks that the route's keys are arguments, a refusal is an error line, and `COMMAND` has an answer.
fn route(request: &Request, frame: &[u8]) {
    let is_argument = |key: &super::Argument| {
        let found = request.args(frame).any(|argument| argument.range() == key.range());
        assert!(found, "no argument: {}", key.bytes().escape_ascii());
    };
    let mut out = Vec::new();
    match request.route(frame) {
        Ok((_, Route::One(key))) => is_argument(&key),
        Ok((_, Route::Same(keys))) => {
            assert_eq!(keys.count(), keys.count_left());
            assert!(keys.count_left() >= 2);
            keys.for_each(|key| is_argument(&key));
        }
        Ok((_, Route::Block(keys, _))) => keys.for_each(|key| is_argument(&key)),
        Ok((_, Route::Split(_, parts))) => {
            assert_eq!(parts.count(), parts.count_left());
            assert_eq!(1 + parts.count_left() * parts.arguments_each(), request.argument_count());
            parts.for_each(|part| is_argument(&part.key));
        }
        Ok((_, Route::Local(super::Local::Command))) => {
            command_reply(request.args(frame), Version::Resp2, &mut out);
            assert!(is_reply(&out));
            out.clear();
            command_reply(request.args(frame), Version::Resp3, &mut out);
        }
        Ok((_, Route::Local(_) | Route::Every(_) | Route::Any | Route::Scan | Route::Subscribe)) => return,
        Ok((_, Route::Only(refusal))) | Err(refusal) => refusal.write(&mut out),
    }
    assert!(out.is_empty() || is_reply(&out), "{}", out.escape_ascii());
}

fn is_reply(bytes: &[u8]) -> bool {
    let found = ReplyScanner::new().scan(bytes, &ReplyLimits::default());
    matches!(found, ReplyScan::Done(reply) if reply.len() == bytes.len())
}

/// Scans one reply, whole and with a reused scanner; returns its length, or `None` if there is none.
fn one_reply(scanner: &mut ReplyScanner, bytes: &[u8], limits: &ReplyLimits) -> Option<usize> {
    let whole = ReplyScanner::new().scan(bytes, limits);
    let piecemeal = byte_by_byte(bytes, |part| match scanner.scan(part, limits) {
        ReplyScan::NeedMore { want } => Err(want),
        found => Ok(found),
    });
    match whole {
        ReplyScan::NeedMore { .. } => assert_eq!(piecemeal, None),
        _ => assert_eq!(piecemeal, Some(whole)),
    }
    let passed = [bytes.len(), 1, 7].map(|step| passage(bytes, step.max(1), limits));
    assert!(passed.iter().all(|end| *end == passed[0]), "{passed:?}");
    let ReplyScan::Done(reply) = whole else { return None };
    if reply.kind() != Kind::Push {
        assert_eq!(passed[0], Some(reply.len()), "{}", bytes.escape_ascii());
    }
    whole_reply(&reply, bytes);
    Some(reply.len())
}

/// End of a reply scanned in one pass, `step` bytes at a time; `None` if incomplete or invalid.
fn passage(bytes: &[u8], step: usize, limits: &ReplyLimits) -> Option<usize> {
    let (mut passage, mut done, mut shown) = (ReplyPassage::new(), 0, 0);
    while shown < bytes.len() {
        shown = (shown + step).min(bytes.len());
        let part = &bytes[done..shown];
        match passage.advance(part, limits) {
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

/// Checks that the elements of a reply are adjacent and end with it.
fn whole_reply(reply: &Reply, frame: &[u8]) {
    assert!(reply.head() < reply.len());
    assert_eq!(reply.is_error(), reply.error_code(frame).is_some());
    let elements: Vec<_> = reply.elements(frame).collect();
    assert_eq!(elements.len(), reply.element_count().unwrap_or(0));
    let bytes: usize = elements.iter().map(|(_, element)| element.len()).sum();
    if reply.element_count().is_some() {
        assert_eq!(bytes, reply.body(frame).len());
    }
    for (inner, element) in elements {
        assert_eq!(inner.len(), element.len());
        whole_reply(&inner, element);
    }
}
