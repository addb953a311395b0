//! Random requests and replies: well-formed ones read back as generated, and mutated ones never break the
//! scanners' guarantees. proptest prints the seed of a failure; the seeded tests print theirs.

use nuthatch_wire::memcache::{
    Expect, Limits, ReplyKind, ReplyScanner, RequestScanner, Scan, Status, fuzzing,
};
use proptest::prelude::*;

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Any byte but NUL, LF, CR and the blank.
    let byte = prop_oneof![9 => 1..=9u8, 2 => 11..=12u8, 18 => 14..=31u8, 223 => 33..=255u8];
    prop::collection::vec(byte, 1..=250)
}

/// A frame, its keys, its data, and its `noreply` flag.
fn request() -> impl Strategy<Value = (Vec<u8>, Vec<Vec<u8>>, Vec<u8>, bool)> {
    let gets = (prop::sample::select(vec!["get", "gets", "gat 0"]), prop::collection::vec(key(), 1..20))
        .prop_map(|(name, keys)| {
            let mut frame = name.as_bytes().to_vec();
            for key in &keys {
                frame.push(b' ');
                frame.extend_from_slice(key);
            }
            frame.extend_from_slice(b"\r\n");
            (frame, keys, Vec::new(), false)
        });
    let names = prop::sample::select(vec!["set", "add", "replace", "append", "prepend", "cas"]);
    let data = prop::collection::vec(any::<u8>(), 0..600);
    let numbers = (any::<u32>(), any::<i32>(), any::<u64>());
    let sets =
        (names, key(), numbers, data, any::<bool>()).prop_map(|(name, key, numbers, data, noreply)| {
            let (flags, exptime, cas) = numbers;
            let mut frame = [name.as_bytes(), b" ", &key].concat();
            frame.extend_from_slice(format!(" {flags} {exptime} {}", data.len()).as_bytes());
            if name == "cas" {
                frame.extend_from_slice(format!(" {cas}").as_bytes());
            }
            frame.extend_from_slice(if noreply { b" noreply\r\n" } else { b"\r\n" });
            frame.extend_from_slice(&data);
            frame.extend_from_slice(b"\r\n");
            (frame, vec![key], data, noreply)
        });
    prop_oneof![gets, sets]
}

proptest! {
    #[test]
    fn requests_are_read_back((frame, keys, data, noreply) in request(), tail in any::<[u8; 4]>()) {
        let stream = [&frame[..], &tail].concat();
        let limits = Limits { line_bytes_max: 10_000, ..Limits::default() };
        let Scan::Done(request) = RequestScanner::new().scan(&stream, &limits) else {
            panic!("{:?}", frame.escape_ascii().to_string());
        };
        prop_assert_eq!(request.frame_len(), frame.len());
        let found: Vec<_> = request.keys(&stream).map(|key| key.of(&stream).to_vec()).collect();
        prop_assert_eq!(found, keys);
        prop_assert_eq!(request.data().of(&stream), data);
        prop_assert_eq!(request.noreply(), noreply);
    }

    #[test]
    fn replies_are_read_back(values in prop::collection::vec((key(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..300)), 0..10)) {
        let mut bytes = Vec::new();
        for (key, flags, data) in &values {
            bytes.extend_from_slice(b"VALUE ");
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(format!(" {flags} {}\r\n", data.len()).as_bytes());
            bytes.extend_from_slice(data);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"END\r\n");
        let expect = Expect { kind: ReplyKind::Values, keys: values.len() as u32 };
        let asked = values.iter().map(|(key, ..)| &key[..]).collect::<Vec<_>>().join(&b' ');
        let outcome = ReplyScanner::new().scan(&bytes, expect, &asked, &Limits::default());
        let Scan::Done(reply) = outcome else { panic!("{outcome:?}") };
        prop_assert_eq!((reply.len, reply.status, reply.blocks as usize), (bytes.len(), Status::End, values.len()));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzing::request(&bytes);
        fuzzing::reply(&bytes);
    }
}

/// A small generator, so that a seed alone replays a run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const WORDS: [&str; 57] = [
    "get",
    "gets",
    "gat",
    "gats",
    "set",
    "add",
    "cas",
    "incr",
    "decr",
    "touch",
    "delete",
    "flush_all",
    "stats",
    "version",
    "verbosity",
    "quit",
    "mg",
    "ms",
    "md",
    "ma",
    "mn",
    "me",
    "k",
    "key",
    "aw==",
    "0",
    "1",
    "2",
    "5",
    "-1",
    "499",
    "500",
    "501",
    "noreply",
    "q",
    "v",
    "b",
    "k",
    "O1",
    "T5",
    "N0",
    "C1",
    "ME",
    "MI",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "x\r\n",
    "ab\r\n",
    "VALUE",
    "END\r\n",
    "HD",
    "VA",
    "STORED\r\n",
    "SERVER_ERROR",
    "STAT",
];

/// Lines assembled from the protocol's own words, with a broken byte here and there.
fn nearly_well_formed(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(20) {
        bytes.extend_from_slice(random.pick(&WORDS).as_bytes());
        if random.below(8) > 0 && !bytes.ends_with(b"\n") {
            bytes.push(b' ');
        }
        if random.below(60) == 0 {
            bytes.push(random.below(256) as u8);
        }
    }
    bytes
}

#[test]
fn fuzz_bodies_with_the_protocols_own_words() {
    for seed in 1..=6000u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = nearly_well_formed(&mut random);
        let outcome = std::panic::catch_unwind(|| fuzzing::request(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: request {:?}", bytes.escape_ascii().to_string());
        let asked = [&b""[..], b"k", b"k key", b"aw== b O1"][random.below(4)];
        let head = [random.below(17) as u8, random.below(4) as u8, asked.len() as u8];
        bytes.splice(0..0, [&head, asked].concat());
        let outcome = std::panic::catch_unwind(|| fuzzing::reply(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: reply {:?}", bytes.escape_ascii().to_string());
    }
}
