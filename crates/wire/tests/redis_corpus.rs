//! The checks of `redis::fuzzing` over bytes that look like the protocol: generated from a seed, damaged,
//! cut, and captured from real clients. And round trips: output reads back.

use nuthatch_wire::redis::{
    Limits, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Scan, Version, encode, encode_inline,
    fuzzing,
};
use proptest::prelude::*;

/// A small generator of random numbers (splitmix64), so that a seed alone replays a case.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Words of a request that exercise each rule about keys.
    fn words(&mut self) -> Vec<&'static str> {
        const NAMES: &[&str] = &[
            "GET",
            "set",
            "MGET",
            "MSET",
            "DEL",
            "EVAL",
            "SORT",
            "GEORADIUS",
            "XREAD",
            "XREADGROUP",
            "MIGRATE",
            "ZUNION",
            "ZUNIONSTORE",
            "SINTERCARD",
            "LMPOP",
            "OBJECT",
            "BITOP",
            "COMMAND",
            "PING",
            "BLPOP",
            "XGROUP",
            "nosuch",
        ];
        const ARGUMENTS: &[&str] = &[
            "k",
            "",
            "a",
            "1",
            "2",
            "0",
            "-1",
            "01",
            "STORE",
            "BY",
            "GET",
            "LIMIT",
            "STREAMS",
            "BLOCK",
            "COUNT",
            "GROUP",
            "KEYS",
            "AUTH",
            "AUTH2",
            "ENCODING",
            "GETKEYS",
            "INFO",
            "DOCS",
            "MGET",
            "OBJECT",
            "a\r\nb",
            "$3\r\nabc\r\n",
        ];
        let mut words = vec![self.pick(NAMES)];
        (0..self.below(9)).for_each(|_| words.push(self.pick(ARGUMENTS)));
        words
    }

    fn requests(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..=self.below(3) {
            let words = self.words();
            match self.below(6) {
                0 => {
                    out.extend_from_slice(
                        self.pick(&["*0\r\n", "\r\n", "*-1\r\n", "\n", " \r\n"]).as_bytes(),
                    );
                }
                1 => {
                    out.extend(words.iter().flat_map(|word| format!("{word} ").into_bytes()).chain(*b"\r\n"));
                }
                _ => {
                    encode::array(&mut out, words.len());
                    for word in &words {
                        encode::bulk(&mut out, word.as_bytes());
                    }
                }
            }
        }
        out
    }

    fn reply(&mut self, depth: usize, out: &mut Vec<u8>) {
        const LEAVES: &[&str] = &[
            "+OK\r\n",
            "-ERR x y\r\n",
            ":1\r\n",
            ":-99999999999999999999\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "_\r\n",
            "#t\r\n",
            ",1.5\r\n",
            "(123\r\n",
            "$0\r\n\r\n",
            "$5\r\na\r\nbc\r\n",
            "!3\r\nERR\r\n",
            "=5\r\ntxt:a\r\n",
            "+\r\n",
        ];
        if depth == 0 || self.below(3) > 0 {
            return out.extend_from_slice(self.pick(LEAVES).as_bytes());
        }
        let count = self.below(4);
        let (kind, each) = [("*", 1), ("~", 1), (">", 1), ("%", 2), ("|", 2)][self.below(5)];
        out.extend_from_slice(format!("{kind}{count}\r\n").as_bytes());
        (0..count * each).for_each(|_| self.reply(depth - 1, out));
    }

    /// Changes, removes, repeats or adds a few bytes.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        const BYTES: &[u8] = b"\r\n*$+-:_#,(!=%~>|0123456789 \0\xff\"'\\x";
        for _ in 0..self.below(3) {
            let at = self.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            let byte = BYTES[self.below(BYTES.len())];
            match self.below(4) {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
    }
}

/// Runs `check`; prints the seed or case to replay if it panics.
fn replayable(what: &str, bytes: &[u8], check: fn(&[u8])) {
    if let Err(panic) = std::panic::catch_unwind(|| check(bytes)) {
        eprintln!("{what}: {}", bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn requests_of_many_seeds() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let mut bytes = random.requests();
        random.damage(&mut bytes);
        replayable(&format!("seed {seed}"), &bytes, fuzzing::request);
    }
}

#[test]
fn replies_of_many_seeds() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let mut bytes = Vec::new();
        (0..=random.below(3)).for_each(|_| random.reply(4, &mut bytes));
        random.damage(&mut bytes);
        replayable(&format!("seed {seed}"), &bytes, fuzzing::reply);
    }
}

/// Bytes as the golden files write them: one character per byte, `⟦rep:N:HEX⟧` for repetitions; `None` for
/// other tokens.
fn golden_bytes(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, token)) = rest.split_once('\u{27e6}') {
        let (token, after) = token.split_once('\u{27e7}')?;
        let (count, hex) = token.strip_prefix("rep:")?.split_once(':')?;
        let unit: Option<Vec<u8>> =
            (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect();
        out.extend(latin1(before)?);
        out.extend(unit?.repeat(count.parse().ok()?));
        rest = after;
    }
    out.extend(latin1(rest)?);
    Some(out)
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// nutcracker forwards `$-2`.
const WRONG_LENGTH: &str = "nred-badreply-15";

#[test]
fn golden_conversations() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/golden/nutcracker_redis.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: no {path}");
        return;
    };
    let (mut requests, mut replies, mut sent_whole) = (0, 0, 0);
    for line in text.lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        for step in case["steps"].as_array().unwrap() {
            let bytes = |field: &str| step[field].as_str().and_then(golden_bytes).unwrap_or_default();
            let (send, expect) = (bytes("send"), bytes("expect"));
            replayable(id, &send, fuzzing::request);
            replayable(id, &expect, fuzzing::reply);
            sent_whole += usize::from(step["eof"].is_null() && scan_all(&send).is_some());
            if id != WRONG_LENGTH {
                replies += count_replies(id, &expect);
            }
        }
        // Bytes that reached a server through nutcracker are scanned, or refused with its own text.
        for log in case["backend_log"].as_object().into_iter().flat_map(|log| log.values()) {
            for entry in log.as_array().unwrap() {
                let bytes = |field: &str| entry[field].as_str().and_then(golden_bytes);
                let (Some(request), answer) = (bytes("req"), bytes("rep")) else { continue };
                match scan_all(&request) {
                    Some(count) => requests += count,
                    None => assert_eq!(protocol_error(&request), answer, "{id}: {}", request.escape_ascii()),
                }
            }
        }
    }
    assert!(requests > 200 && replies > 200 && sent_whole > 200, "{requests} {replies} {sent_whole}");
}

/// Number of consecutive requests in `bytes`, or `None` if there is anything else.
fn scan_all(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let mut count = 0;
    while !rest.is_empty() {
        let Scan::Done(request) = RequestScanner::new().scan(rest, &Limits::default()) else { return None };
        rest = &rest[request.len()..];
        count += 1;
    }
    Some(count)
}

/// The error for a malformed request.
fn protocol_error(bytes: &[u8]) -> Option<Vec<u8>> {
    let Scan::Bad(error) = RequestScanner::new().scan(bytes, &Limits::default()) else { return None };
    let mut out = Vec::new();
    error.write(&mut out);
    Some(out)
}

/// Checks that clients received only complete replies, and counts them.
fn count_replies(id: &str, bytes: &[u8]) -> usize {
    let mut rest = bytes;
    let mut count = 0;
    while !rest.is_empty() {
        let found = ReplyScanner::new().scan(rest, &ReplyLimits::default());
        let ReplyScan::Done(reply) = found else { panic!("{id}: {found:?} {}", rest.escape_ascii()) };
        rest = &rest[reply.len()..];
        count += 1;
    }
    count
}

proptest! {
    #[test]
    fn any_words_are_read_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20)) {
        let mut frame = Vec::new();
        encode::array(&mut frame, words.len());
        for word in &words { encode::bulk(&mut frame, word); }
        fuzzing::request(&frame);
        let Scan::Done(request) = RequestScanner::new().scan(&frame, &Limits::default()) else { panic!() };
        let read: Vec<_> = request.args(&frame).map(|argument| argument.bytes().to_vec()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn any_quoted_words_are_read_back(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..8)) {
        let quoted = |word: &Vec<u8>| {
            format!("\"{}\" ", word.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>())
        };
        let line: String = words.iter().map(quoted).collect();
        let mut frame = Vec::new();
        prop_assert_eq!(encode_inline(line.as_bytes(), &mut frame), Ok(words.len()));
        let Scan::Done(request) = RequestScanner::new().scan(&frame, &Limits::default()) else { panic!() };
        let read: Vec<_> = request.args(&frame).map(|argument| argument.bytes().to_vec()).collect();
        prop_assert_eq!(read, words);
    }

    #[test]
    fn any_bytes_as_a_request(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::request(&bytes);
    }

    #[test]
    fn any_bytes_as_a_reply(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::reply(&bytes);
    }

    #[test]
    fn any_integer_is_read_back(n in any::<i64>()) {
        let mut frame = Vec::new();
        encode::integer(&mut frame, n);
        let ReplyScan::Done(reply) = ReplyScanner::new().scan(&frame, &ReplyLimits::default()) else { panic!() };
        prop_assert_eq!((reply.len(), reply.integer()), (frame.len(), Some(n)));
    }

    #[test]
    fn any_values_are_read_back(values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..30)), 0..20), resp3 in any::<bool>()) {
        let version = if resp3 { Version::Resp3 } else { Version::Resp2 };
        let mut frame = Vec::new();
        encode::array(&mut frame, values.len());
        for value in &values {
            match value {
                Some(value) => encode::bulk(&mut frame, value),
                None => encode::null(&mut frame, version),
            }
        }
        fuzzing::reply(&frame);
        let ReplyScan::Done(reply) = ReplyScanner::new().scan(&frame, &ReplyLimits::default()) else { panic!() };
        let read: Vec<_> = reply
            .elements(&frame)
            .map(|(inner, element)| inner.body(element).to_vec())
            .collect();
        let expected: Vec<_> = values.into_iter().map(Option::unwrap_or_default).collect();
        prop_assert_eq!(read, expected);
    }
}
