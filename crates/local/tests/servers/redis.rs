//! The embedded cache against a real redis-server 7: random streams of commands, replies compared byte by
//! byte.
//!
//! The server listens on a unix socket in its own directory. Without a redis-server the test is skipped
//! with a message. `SEED=n` replays one stream; a failure prints its seed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{self, Dice, Server, printable};
use crate::traces::Ears;
use nuthatch_local::Store;
use wire::redis::Version;

const STREAMS: u64 = 150;
const COMMANDS: usize = 200;
const KEYS: &[&str] = &["a", "b", "c", "d", "e", "{t}1", ""];
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "10",
    "+1",
    " 1",
    "1 ",
    "007",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "3.14",
    "-0.5",
    "1e3",
    "0x10",
    "inf",
    "nan",
    "hello",
    "hello world",
    "\u{e9}\u{1f426}",
    "line\r\nbreak",
    "\0\u{1}",
    "12345678901234567890",
];
const FLOATS: &[&str] = &[
    "0.1",
    "-0.1",
    "3",
    "1e2",
    "1e-5",
    "1.5e300",
    "-1.5e300",
    "0x1.8p1",
    ".5",
    "5.",
    "1e4000",
    "inf",
    "-inf",
    "nan",
    "x",
    "",
    "1e",
    "0",
    "-0",
    "123456789.123456789",
    "1e17",
    "1e-17",
];
const OFFSETS: &[&str] =
    &["0", "1", "2", "5", "20", "-1", "-2", "-5", "-100", "100", "x", "9223372036854775807", ""];
const SECONDS: &[&str] =
    &["0", "-1", "x", "", "9223372036854775807", "9223372036854775", "-9223372036854775808", "1.5", "01"];
const SET_OPTIONS: &[&str] = &[
    "NX", "XX", "GET", "KEEPTTL", "EX", "PX", "EXAT", "PXAT", "PERSIST", "nx", "xx", "get", "Ex", "foo", "",
];
const EXPIRE_OPTIONS: &[&str] = &["NX", "XX", "GT", "LT", "nx", "gt", "foo", "\r\n", "a\r\nb"];

#[test]
fn replies_as_redis() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("redis.sock");
    let Some(mut server) = start(&socket) else { return };
    server.wait_for("ready to accept connections");
    for seed in support::seeds(STREAMS) {
        let version = if seed.is_multiple_of(2) { Version::Resp2 } else { Version::Resp3 };
        let mut peer = Peer::connect(&socket, version);
        let mut store = Store::new(64 << 20);
        let mut dice = Dice::new(seed);
        peer.ask(&[b"FLUSHALL".to_vec()]);
        let mut ears = Ears::open(&socket, &mut store);
        for step in 0..COMMANDS {
            let command = command(&mut dice);
            let want = peer.ask(&command);
            let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            let mut got = Vec::new();
            store.execute_redis(&args, now_ms(), version, &mut got);
            let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
            assert!(
                same(&name, &want, &got),
                "SEED={seed}, command {step}: {}\n redis: {}\n local: {}",
                command.iter().map(|arg| printable(arg)).collect::<Vec<_>>().join(" "),
                printable(&want),
                printable(&got),
            );
            let shown = command.iter().map(|arg| printable(arg)).collect::<Vec<_>>().join(" ");
            ears.compare(&mut store, &format!("SEED={seed}, command {step}: {shown}"));
        }
    }
}

/// Equal, except for the moment at which a remaining time was read.
fn same(name: &str, want: &[u8], got: &[u8]) -> bool {
    let slack = match name {
        "TTL" | "EXPIRETIME" => 2,
        "PTTL" | "PEXPIRETIME" => 2000,
        _ => 0,
    };
    let number = |reply: &[u8]| -> Option<i64> {
        std::str::from_utf8(reply).ok()?.strip_prefix(':')?.strip_suffix("\r\n")?.parse().ok()
    };
    match (number(want), number(got)) {
        (Some(want), Some(got)) if want > 0 && got > 0 => want.abs_diff(got) <= slack,
        _ => want == got,
    }
}

/// Starts a redis-server on a unix socket.
pub fn start(socket: &std::path::Path) -> Option<Server> {
    let socket = socket.to_str().expect("a path in UTF-8");
    let args = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"];
    Server::start("redis-server", &args, |command| {
        command.stdout(Stdio::piped());
    })
}

/// A command with arguments that often fit it and sometimes do not.
fn command(dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut words: Vec<String> = Vec::new();
    let name = *dice.pick(&[
        "GET",
        "SET",
        "SET",
        "SET",
        "SETNX",
        "SETEX",
        "PSETEX",
        "GETSET",
        "GETDEL",
        "GETEX",
        "APPEND",
        "STRLEN",
        "GETRANGE",
        "SUBSTR",
        "SETRANGE",
        "INCR",
        "DECR",
        "INCRBY",
        "DECRBY",
        "INCRBYFLOAT",
        "INCRBYFLOAT",
        "MGET",
        "MSET",
        "MSETNX",
        "DEL",
        "UNLINK",
        "EXISTS",
        "TOUCH",
        "TTL",
        "PTTL",
        "EXPIRE",
        "PEXPIRE",
        "EXPIREAT",
        "PEXPIREAT",
        "EXPIRETIME",
        "PEXPIRETIME",
        "PERSIST",
        "TYPE",
        "PING",
        "ECHO",
        "FLUSHALL",
    ]);
    words.push(if dice.one_in(4) { name.to_ascii_lowercase() } else { name.to_owned() });
    arguments(name, dice, &mut words);
    if words.len() > 1 && dice.one_in(25) {
        words.pop();
    }
    if dice.one_in(25) {
        words.push((*dice.pick(VALUES)).to_owned());
    }
    words.into_iter().map(String::into_bytes).collect()
}

fn arguments(name: &str, dice: &mut Dice, words: &mut Vec<String>) {
    let key = |dice: &mut Dice| (*dice.pick(KEYS)).to_owned();
    let value = |dice: &mut Dice| (*dice.pick(VALUES)).to_owned();
    match name {
        "PING" => {}
        "FLUSHALL" => {
            words.extend(dice.one_in(2).then(|| (*dice.pick(&["ASYNC", "sync", "now"])).to_owned()));
        }
        "ECHO" => words.push(value(dice)),
        "SET" => {
            words.extend([key(dice), value(dice)]);
            options(dice, SET_OPTIONS, words);
        }
        "GETEX" => {
            words.push(key(dice));
            options(dice, SET_OPTIONS, words);
        }
        "SETNX" | "GETSET" | "APPEND" => words.extend([key(dice), value(dice)]),
        "SETEX" | "PSETEX" => words.extend([key(dice), time(dice, "EX"), value(dice)]),
        "GETRANGE" | "SUBSTR" => {
            words.extend([key(dice), (*dice.pick(OFFSETS)).to_owned(), (*dice.pick(OFFSETS)).to_owned()]);
        }
        "SETRANGE" => words.extend([key(dice), (*dice.pick(OFFSETS)).to_owned(), value(dice)]),
        "INCRBY" | "DECRBY" => words.extend([key(dice), value(dice)]),
        "INCRBYFLOAT" => words.extend([key(dice), (*dice.pick(FLOATS)).to_owned()]),
        "MSET" | "MSETNX" => {
            for _ in 0..=dice.below(3) {
                words.extend([key(dice), value(dice)]);
            }
        }
        "MGET" | "DEL" | "UNLINK" | "EXISTS" | "TOUCH" => {
            for _ in 0..=dice.below(3) {
                words.push(key(dice));
            }
        }
        "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" => {
            words.extend([key(dice), time(dice, name)]);
            for _ in 0..dice.below(3) {
                words.push((*dice.pick(EXPIRE_OPTIONS)).to_owned());
            }
        }
        _ => words.push(key(dice)),
    }
}

fn options(dice: &mut Dice, from: &[&str], words: &mut Vec<String>) {
    for _ in 0..dice.below(4) {
        let option = *dice.pick(from);
        words.push(option.to_owned());
        let timed = ["EX", "PX", "EXAT", "PXAT"].iter().any(|name| name.eq_ignore_ascii_case(option));
        if timed && !dice.one_in(10) {
            words.push(time(dice, option));
        }
    }
}

/// A time far in the future, long past, or invalid: a near one would depend on the moment.
fn time(dice: &mut Dice, option: &str) -> String {
    if dice.one_in(4) {
        return (*dice.pick(SECONDS)).to_owned();
    }
    let ahead = 100_000_000 + dice.below(1_000_000_000);
    let number = match option.to_ascii_uppercase().as_str() {
        "EXAT" | "EXPIREAT" if dice.one_in(4) => 1 + dice.below(1000),
        "EXAT" | "EXPIREAT" => now_ms() / 1000 + ahead / 1000,
        "PXAT" | "PEXPIREAT" => now_ms() + ahead,
        _ => ahead,
    };
    number.to_string()
}

/// Wall-clock time.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

pub struct Peer {
    stream: BufReader<UnixStream>,
}

impl Peer {
    /// Connects, in a version of the protocol.
    pub fn connect(socket: &std::path::Path, version: Version) -> Peer {
        let stream = UnixStream::connect(socket).expect("redis-server accepts");
        let mut peer = Peer { stream: BufReader::new(stream) };
        if version == Version::Resp3 {
            peer.ask(&[b"HELLO".to_vec(), b"3".to_vec()]);
        }
        peer
    }

    /// The reply to a command.
    pub fn ask(&mut self, command: &[Vec<u8>]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", command.len()).into_bytes();
        for arg in command {
            request.extend(format!("${}\r\n", arg.len()).into_bytes());
            request.extend(arg);
            request.extend(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("redis-server reads");
        let mut reply = Vec::new();
        self.reply(&mut reply);
        reply
    }

    /// The messages that a subscriber has got: channels and texts.
    pub fn messages(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.stream.get_mut().write_all(b"PING\r\n").expect("redis-server reads");
        let mut messages = Vec::new();
        loop {
            let mut reply = Vec::new();
            self.reply(&mut reply);
            if reply.starts_with(b"*2\r\n$4\r\npong\r\n") {
                return messages;
            }
            let mut args = wire::redis::Args::of(&reply).expect("an array of strings").skip(2);
            let [channel, message] =
                [args.next(), args.next()].map(|arg| arg.expect("a text").bytes().to_vec());
            messages.push((channel, message));
        }
    }

    fn reply(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        assert_ne!(self.stream.read_until(b'\n', reply).expect("a line"), 0, "redis-server closed");
        let line = String::from_utf8_lossy(&reply[start..]).into_owned();
        let length = || line[1..].trim_end().parse::<usize>().ok();
        match line.as_bytes()[0] {
            b'$' | b'=' => {
                if let Some(length) = length() {
                    let mut body = vec![0; length + 2];
                    self.stream.read_exact(&mut body).expect("a bulk");
                    reply.extend(body);
                }
            }
            b'*' | b'~' | b'>' => (0..length().unwrap_or(0)).for_each(|_| self.reply(reply)),
            b'%' => (0..2 * length().unwrap_or(0)).for_each(|_| self.reply(reply)),
            _ => {}
        }
    }
}
