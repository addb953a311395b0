//! Requests as bytes, with keys chosen at random.
//!
//! Keys look like those of redis-benchmark (`key:` and 12 digits), so that one filling of the servers serves
//! both.

use crate::options::{Operation, Options, Protocol};

/// Makes requests of one kind.
pub struct Requests {
    protocol: Protocol,
    operation: Operation,
    keys: u64,
    keys_per_request: usize,
    value: Vec<u8>,
    state: u64,
}

impl Requests {
    /// As the options say.
    pub fn new(options: &Options) -> Requests {
        Requests {
            protocol: options.protocol,
            operation: options.operation,
            keys: options.keys.max(1),
            keys_per_request: options.keys_per_request.max(1),
            value: vec![b'x'; options.value_bytes],
            state: options.seed | 1,
        }
    }

    /// Appends one request.
    pub fn append(&mut self, bytes: &mut Vec<u8>) {
        let count = if self.operation == Operation::Mget { self.keys_per_request } else { 1 };
        let keys: Vec<String> =
            (0..count).map(|_| format!("key:{:012}", self.random() % self.keys)).collect();
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

    /// xorshift64*: enough to choose keys, and the same on every machine.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
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
    use clap::Parser;

    use super::*;

    fn one(arguments: &[&str]) -> String {
        let fixed = ["loadgen", "--target", "127.0.0.1:1", "--keys", "1", "--value-bytes", "3"];
        let options = Options::parse_from(fixed.iter().chain(arguments));
        let mut bytes = Vec::new();
        Requests::new(&options).append(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn requests() {
        let key = "key:000000000000";
        for (arguments, expected) in [
            (["redis", "get"], format!("*2\r\n$3\r\nGET\r\n$16\r\n{key}\r\n")),
            (["redis", "set"], format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$3\r\nxxx\r\n")),
            (["redis", "mget"], format!("*3\r\n$4\r\nMGET\r\n$16\r\n{key}\r\n$16\r\n{key}\r\n")),
            (["memcache", "get"], format!("get {key}\r\n")),
            (["memcache", "set"], format!("set {key} 0 0 3\r\nxxx\r\n")),
            (["memcache", "mget"], format!("get {key} {key}\r\n")),
        ] {
            let [protocol, operation] = arguments;
            let got = one(&["--protocol", protocol, "--operation", operation, "--keys-per-request", "2"]);
            assert_eq!(got, expected);
        }
    }
}
