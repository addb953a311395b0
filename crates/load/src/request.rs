//! Requests as bytes, with keys chosen at random or in order.
//!
//! Keys look like those of redis-benchmark (`key:` and 12 digits), so that servers filled once serve both.

use crate::load::{Load, Operation, Protocol};

/// Generator of requests of one kind.
#[derive(Debug)]
pub struct Requests {
    protocol: Protocol,
    operation: Operation,
    keys: u64,
    keys_per_request: usize,
    value: Vec<u8>,
    choice: Choice,
}

/// Choice of the next key.
#[derive(Debug)]
enum Choice {
    /// Random, with this state.
    Random(u64),
    /// In order, next number.
    InOrder(u64),
}

impl Requests {
    /// Requests of a load.
    pub fn new(load: &Load) -> Requests {
        Requests {
            protocol: load.protocol,
            operation: load.operation,
            keys: load.keys.max(1),
            keys_per_request: load.keys_per_request.max(1),
            value: vec![b'x'; load.value_bytes],
            choice: load.seed.map_or(Choice::InOrder(0), |seed| Choice::Random(seed | 1)),
        }
    }

    /// Appends one request.
    pub fn append(&mut self, bytes: &mut Vec<u8>) {
        let count = if self.operation == Operation::Mget { self.keys_per_request } else { 1 };
        let keys: Vec<String> =
            (0..count).map(|_| format!("key:{:012}", self.choice.next() % self.keys)).collect();
        match (self.protocol, self.operation) {
            (Protocol::Redis, Operation::Set) => {
                redis(bytes, &[b"SET", keys[0].as_bytes(), &self.value]);
            }
            (Protocol::Redis, operation) => {
                let name: &[u8] = if operation == Operation::Get { b"GET" } else { b"MGET" };
                let words: Vec<&[u8]> =
                    std::iter::once(name).chain(keys.iter().map(String::as_bytes)).collect();
                redis(bytes, &words);
            }
            (Protocol::Memcache, Operation::Set) => {
                bytes.extend_from_slice(format!("set {} 0 0 {}\r\n", keys[0], self.value.len()).as_bytes());
                bytes.extend_from_slice(&self.value);
                bytes.extend_from_slice(b"\r\n");
            }
            (Protocol::Memcache, _) => {
                bytes.extend_from_slice(format!("get {}\r\n", keys.join(" ")).as_bytes());
            }
        }
    }
}

impl Choice {
    /// Next number; random ones come from xorshift64*, which is the same on every machine.
    fn next(&mut self) -> u64 {
        match self {
            Choice::InOrder(next) => {
                *next += 1;
                *next - 1
            }
            Choice::Random(state) => {
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
            }
        }
    }
}

fn redis(bytes: &mut Vec<u8>, words: &[&[u8]]) {
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(protocol: Protocol, operation: Operation, keys: u64, seed: Option<u64>) -> Load {
        Load {
            target: ([127, 0, 0, 1], 1).into(),
            protocol,
            operation,
            connections: 1,
            pipeline: 1,
            requests: 1,
            time: None,
            value_bytes: 3,
            keys,
            keys_per_request: 2,
            seed,
            burst: false,
        }
    }

    fn text(load: &Load, count: usize) -> String {
        let (mut requests, mut bytes) = (Requests::new(load), Vec::new());
        (0..count).for_each(|_| requests.append(&mut bytes));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn requests() {
        use Operation::{Get, Mget, Set};
        use Protocol::{Memcache, Redis};
        let key = "key:000000000000";
        for (protocol, operation, expected) in [
            (Redis, Get, format!("*2\r\n$3\r\nGET\r\n$16\r\n{key}\r\n")),
            (Redis, Set, format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$3\r\nxxx\r\n")),
            (Redis, Mget, format!("*3\r\n$4\r\nMGET\r\n$16\r\n{key}\r\n$16\r\n{key}\r\n")),
            (Memcache, Get, format!("get {key}\r\n")),
            (Memcache, Set, format!("set {key} 0 0 3\r\nxxx\r\n")),
            (Memcache, Mget, format!("get {key} {key}\r\n")),
        ] {
            assert_eq!(text(&load(protocol, operation, 1, Some(1)), 1), expected);
        }
    }

    #[test]
    fn keys_one_after_the_other_are_all_of_them() {
        let all = text(&load(Protocol::Memcache, Operation::Get, 3, None), 4);
        let keys: Vec<&str> = all.lines().map(|line| &line[line.len() - 1..]).collect();
        assert_eq!(keys, ["0", "1", "2", "0"]);
    }
}
