//! `SCAN` and its kin: cursors, patterns, counts.
//!
//! A cursor is a position, 0 at the beginning and at the end. What is there from the first call to the last
//! is returned at least once; what moves in between may be returned twice.

use wire::redis::{encode, glob_matches_case};

use super::call::Call;
use super::fault::Fault;
use super::integer::integer;
use crate::value::Collection;

/// Elements visited by one call unless it says otherwise.
const COUNT: usize = 10;
/// Most elements visited by one call.
const COUNT_MAX: usize = 1 << 20;

/// A scan's arguments.
pub(super) struct Scan<'a> {
    pub(super) cursor: u64,
    pub(super) count: usize,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// Parses the cursor, which is argument `at`, and the options behind it.
    pub(super) fn parse(args: &[&'a [u8]], at: usize) -> Result<Scan<'a>, Fault> {
        let cursor = args.get(at).copied().unwrap_or_default();
        let cursor = std::str::from_utf8(cursor).ok().and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or(Fault::CURSOR)?;
        let mut scan = Scan { cursor, count: COUNT, pattern: None, kind: None };
        let mut rest = args.iter().skip(at + 1);
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or(Fault::Syntax)?;
            match option.to_ascii_lowercase().as_slice() {
                b"count" => {
                    let count = integer(value)?;
                    if count < 1 {
                        return Err(Fault::Syntax);
                    }
                    scan.count = usize::try_from(count).unwrap_or(COUNT_MAX).min(COUNT_MAX);
                }
                b"match" => scan.pattern = Some(value),
                b"type" if at == 1 => scan.kind = Some(value),
                _ => return Err(Fault::Syntax),
            }
        }
        Ok(scan)
    }

    /// Parses a scan of the collection of argument 1; None, and the reply, if there is none. Its options are
    /// looked at only then, as by Redis.
    pub(super) fn begin<C: Collection>(call: &mut Call<'a>) -> Result<Option<Scan<'a>>, Fault> {
        Scan::parse(call.args.get(..3).unwrap_or_default(), 2)?;
        if call.collection::<C>(call.arg(1))?.is_none() {
            encode::array(call.out, 2);
            encode::bulk(call.out, b"0");
            call.empty()?;
            return Ok(None);
        }
        Scan::parse(call.args, 2).map(Some)
    }

    /// True if the pattern allows for this name.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_matches_case(pattern, name))
    }

    fn wants(&self, kind: &str) -> bool {
        self.kind.is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind.as_bytes()))
    }
}

/// Writes the reply: the next cursor and these many bulks, already encoded.
pub(super) fn reply(out: &mut Vec<u8>, next: u64, bulks: usize, encoded: &[u8]) {
    encode::array(out, 2);
    encode::bulk(out, next.to_string().as_bytes());
    encode::array(out, bulks);
    out.extend_from_slice(encoded);
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(super) fn scan(call: &mut Call<'_>) -> Result<(), Fault> {
    let scan = Scan::parse(call.args, 1)?;
    let (now_ms, mut found, mut bulks) = (call.now_ms, Vec::new(), 0);
    let next = call.store.scan(scan.cursor, scan.count, |entry| {
        let kind = entry.value().map_or("string", |value| value.type_name());
        if entry.is_live(now_ms) && scan.wants(kind) && scan.matches(entry.key()) {
            encode::bulk(&mut found, entry.key());
            bulks += 1;
        }
    });
    reply(call.out, next, bulks, &found);
    Ok(())
}

/// `KEYS pattern`
pub(super) fn keys(call: &mut Call<'_>) -> Result<(), Fault> {
    let (pattern, now_ms) = (call.arg(1), call.now_ms);
    let (mut found, mut bulks) = (Vec::new(), 0);
    call.store.scan(0, usize::MAX, |entry| {
        if entry.is_live(now_ms) && glob_matches_case(pattern, entry.key()) {
            encode::bulk(&mut found, entry.key());
            bulks += 1;
        }
    });
    encode::array(call.out, bulks);
    call.out.extend_from_slice(&found);
    Ok(())
}

/// `RANDOMKEY`
pub(super) fn randomkey(call: &mut Call<'_>) -> Result<(), Fault> {
    match call.store.random(call.now_ms) {
        Some(entry) => encode::bulk(call.out, entry.key()),
        None => encode::null(call.out, call.version),
    }
    Ok(())
}
