//! The embedded cache against a real memcached 1.6: random streams of text and meta commands, replies
//! compared.
//!
//! Each stream has its own server, so that cas uniques agree on both sides. Every command is followed by
//! `mn`, whose `MN` ends the reply. Without memcached the test is skipped with a message. `SEED=n` replays a
//! stream.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use nuthatch_local::Store;

use crate::support::{self, Dice, Server, printable};

const STREAMS: u64 = 15;
const COMMANDS: usize = 400;
const KEYS: &[&str] = &["a", "b", "c", "d", "e"];
/// Keys that only some commands use: see the differences listed in `nuthatch_local`.
const BASE64_KEYS: &[&str] = &["Zm9v", "YmFyIQ==", "not base64", "Zg"];
const VALUES: &[&str] = &["", "0", "1", "9", "10", "99", "100", "4294967295", "x", "hello", " 5", "5 ", "-1"];
const FLAGS: &[&str] = &["0", "0", "5", "4294967295", "4294967296", "+7", "007"];
const TIMES: &[&str] = &["0", "0", "0", "1000", "-1", "2592000", "2592001", "1000000000", "+100"];
/// Deltas that keep all numbers below half of 64 bits: above that memcached looks for a minus sign past the
/// end of the value.
const DELTAS: &[&str] = &["0", "1", "5", "90", "4294967296", "18446744073709551616", "-1", "x", "1x"];
const WRONG_NUMBERS: &[&str] = &["x", "-1", "1x", "99999999999999999999", "-", "0x1"];

/// Longest stall of the machine between memcached's answer and ours. All times in [`TIMES`] are longer.
const STALL_SECONDS: u64 = 60;

/// A command line and its data block.
struct Command {
    line: String,
    data: Option<String>,
}

#[test]
fn replies_as_memcached() {
    let directory = tempfile::tempdir().expect("a directory");
    for seed in support::seeds(STREAMS) {
        let socket = directory.path().join(format!("{seed}.sock"));
        let Some(mut server) = start(&socket) else { return };
        server.wait_for("server listening");
        let mut peer = UnixStream::connect(&socket).expect("memcached accepts");
        let mut store = Store::new(64 << 20);
        let mut dice = Dice::new(seed);
        for step in 0..COMMANDS {
            let Command { line, data } = command(&mut dice);
            let want = ask(&mut peer, &line, data.as_deref());
            let mut got = Vec::new();
            let data = data.unwrap_or_default();
            store.execute_memcache(line.as_bytes(), data.as_bytes(), now_s(), &mut got);
            assert!(
                same(&want, &got),
                "SEED={seed}, command {step}: {} {}\n memcached: {}\n local:     {}",
                printable(line.as_bytes()),
                printable(data.as_bytes()),
                printable(&want),
                printable(&got),
            );
        }
    }
}

fn start(socket: &Path) -> Option<Server> {
    let socket = socket.to_str().expect("a path in UTF-8");
    // Two v's print when it listens. The user matters only to root. Threads that walk over items lock them
    // now and then, and a locked number is replaced instead of overwritten in place, without its padding.
    let quiet = "no_lru_maintainer,no_lru_crawler";
    Server::start("memcached", &["-s", socket, "-u", "root", "-m", "256", "-vv", "-o", quiet], |command| {
        command.stderr(Stdio::piped());
    })
}

fn ask(peer: &mut UnixStream, line: &str, data: Option<&str>) -> Vec<u8> {
    let mut request = format!("{line}\r\n");
    if let Some(data) = data {
        request.push_str(data);
        request.push_str("\r\n");
    }
    request.push_str("mn\r\n");
    peer.write_all(request.as_bytes()).expect("memcached reads");
    let mut reply = Vec::new();
    while !reply.ends_with(b"MN\r\n") {
        let mut piece = vec![0; 65536];
        let length = peer.read(&mut piece).expect("a reply");
        assert_ne!(length, 0, "memcached hung up on {}", printable(line.as_bytes()));
        reply.extend_from_slice(&piece[..length]);
    }
    reply.truncate(reply.len() - 4);
    reply
}

/// Equal, except for times that depend on the moment.
fn same(want: &[u8], got: &[u8]) -> bool {
    let words = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes).split([' ', '\r']).map(str::to_owned).collect()
    };
    let (want, got) = (words(want), words(got));
    want.len() == got.len() && want.iter().zip(&got).all(|(want, got)| want == got || same_time(want, got))
}

fn same_time(want: &str, got: &str) -> bool {
    ["t", "l", "exp=", "la="].iter().any(|name| {
        let number = |word: &str| word.strip_prefix(name)?.parse::<i64>().ok();
        match (number(want), number(got)) {
            // The remaining time of an item that has just expired wraps around in memcached.
            (Some(want), Some(0)) if want > i64::from(u32::MAX) - 1_000_000 => true,
            (Some(want), Some(got)) => want.abs_diff(got) <= STALL_SECONDS,
            _ => false,
        }
    })
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn command(dice: &mut Dice) -> Command {
    match dice.below(10) {
        0..3 => update(dice),
        3 => meta_set(dice),
        4 => malformed(dice),
        5..8 => meta(dice),
        _ => text(dice),
    }
}

fn key(dice: &mut Dice) -> String {
    if dice.one_in(60) {
        return "k".repeat(249 + dice.below(3) as usize);
    }
    (*dice.pick(KEYS)).to_owned()
}

fn noreply(dice: &mut Dice) -> &'static str {
    if dice.one_in(6) { " noreply" } else { "" }
}

fn update(dice: &mut Dice) -> Command {
    let name = *dice.pick(&["set", "set", "add", "replace", "append", "prepend", "cas"]);
    let (flags, time) = (*dice.pick(FLAGS), *dice.pick(TIMES));
    let mut value = (*dice.pick(VALUES)).to_owned();
    let mut length = value.len();
    if dice.one_in(60) {
        // Around the item limit: key of one byte, with and without flags.
        length = 1_048_508 + dice.below(12) as usize;
        value = "x".repeat(length);
    } else if dice.one_in(40) {
        length += 1;
        value.push_str("yz");
    }
    let cas = if name == "cas" { format!(" {}", dice.below(60)) } else { String::new() };
    let key = (*dice.pick(KEYS)).to_owned();
    let line = format!("{name} {key} {flags} {time} {length}{cas}{}", noreply(dice));
    // Not with a block of another length than announced: the rest would be parsed as commands, and cutting
    // it is up to the caller.
    let fits = length == value.len();
    if fits { Command { line, data: Some(value) } } else { text(dice) }
}

fn text(dice: &mut Dice) -> Command {
    let key = |dice: &mut Dice| key(dice);
    let line = match dice.below(12) {
        0..3 => format!("{} {} {}", dice.pick(&["get", "gets"]), key(dice), key(dice)),
        3 => format!("get  {}  ", (0..30).map(|_| key(dice)).collect::<Vec<_>>().join(" ")),
        4 | 5 => format!("{} {} {} {}", dice.pick(&["gat", "gats"]), dice.pick(TIMES), key(dice), key(dice)),
        6 | 7 => {
            format!("{} {} {}{}", dice.pick(&["incr", "decr"]), key(dice), dice.pick(DELTAS), noreply(dice))
        }
        8 => format!("touch {} {}{}", key(dice), dice.pick(TIMES), noreply(dice)),
        9 => format!("delete {}{}{}", key(dice), dice.pick(&["", "", " 0", " 1"]), noreply(dice)),
        // No delays: in memcached they restore items dropped by an earlier flush.
        10 if dice.one_in(3) => format!("flush_all{}{}", dice.pick(&["", " 0", " -5", " x"]), noreply(dice)),
        _ => (*dice.pick(&["version", "verbosity 0", "verbosity x", "verbosity", "version x"])).to_owned(),
    };
    Command { line, data: None }
}

/// Lines that memcached refuses before it looks for a data block.
fn malformed(dice: &mut Dice) -> Command {
    let wrong = *dice.pick(WRONG_NUMBERS);
    let name = *dice.pick(&["set", "add", "append", "cas"]);
    let line = match dice.below(12) {
        0 => format!("{name} a {wrong} 0 1"),
        1 => format!("set a 0 0 {wrong}"),
        2 => format!("cas a 0 0 1 {wrong}"),
        3 => format!("{name} a 0 0"),
        4 => "set a 0 0 1 2 3 4 noreply".to_owned(),
        5 => format!("ms a {wrong}"),
        6 => format!("{} a", dice.pick(&["touch", "incr", "gat", "gats", "ms"])),
        7 => format!("touch a {wrong}"),
        8 => format!("{} a b c d e", dice.pick(&["touch", "incr", "delete", "verbosity", "flush_all"])),
        9 => (*dice
            .pick(&["get", "mg", "md", "ma", "me", "set", "", " ", "x", "GET a", "get\ta", "m", "mx a"]))
        .to_owned(),
        10 => format!("mg a {}", "k ".repeat(1 + dice.below(2) as usize)),
        _ => format!("mg a{}", " s".repeat(18 + dice.below(8) as usize)),
    };
    Command { line, data: None }
}

fn meta(dice: &mut Dice) -> Command {
    let name = *dice.pick(&["mg", "mg", "mg", "md", "ma", "me"]);
    if matches!(name, "mg" | "md" | "me") && dice.one_in(8) {
        let key = *dice.pick(BASE64_KEYS);
        let flags = if name == "me" { "" } else { *dice.pick(&["", " k", " k v O1", " q"]) };
        return Command { line: format!("{name} {key} b{flags}"), data: None };
    }
    if name == "me" {
        return Command { line: format!("me {}", key(dice)), data: None };
    }
    let available: &[&str] = match name {
        "mg" => &[
            "b?",
            "N30",
            "N0",
            "N-1",
            "T1000",
            "T0",
            "R30",
            "R2000",
            "R0",
            "l",
            "O1",
            "k",
            "s",
            "t",
            "c",
            "f",
            "v",
            "h",
            "u",
            "q",
            "x",
            "Nx",
            "Oabcdefghijklmnopqrstuvwxyz12345",
            "Oabcdefghijklmnopqrstuvwxyz123456",
            "P",
            "L1",
        ],
        "md" => &["q", "C1", "C?", "C0", "Cx", "I", "T500", "T", "k", "O2", "x", "v"],
        _ => &[
            "N0", "N500", "J13", "Jx", "D5", "D0", "MI", "MD", "M+", "M-", "Mx", "MID", "t", "T500", "T0",
            "c", "v", "k", "O3", "q", "C1", "C?", "C0", "x",
        ],
    };
    let line = format!("{name} {}{}", key(dice), flags(dice, available));
    Command { line, data: None }
}

fn meta_set(dice: &mut Dice) -> Command {
    let value = (*dice.pick(VALUES)).to_owned();
    if dice.one_in(8) {
        let line = format!(
            "ms {} {} b{}",
            dice.pick(&["Zm9v", "YmFyIQ==", "Zg"]),
            value.len(),
            dice.pick(&["", " k", " T100 c"])
        );
        return Command { line, data: Some(value) };
    }
    let available = [
        "T100",
        "T0",
        "T-1",
        "Tx",
        "F5",
        "F0",
        "F-1",
        "Fx",
        "MS",
        "ME",
        "MA",
        "MP",
        "MR",
        "Mx",
        "M",
        "C1",
        "C?",
        "C?",
        "C0",
        "Cx",
        "I",
        "k",
        "c",
        "O4",
        "q",
        "x",
        "N0",
        "s",
        "t",
        "v",
        "Oabcdefghijklmnopqrstuvwxyz123456",
    ];
    let line = format!("ms {} {}{}", (*dice.pick(KEYS)), value.len(), flags(dice, &available));
    Command { line, data: Some(value) }
}

fn flags(dice: &mut Dice, available: &[&str]) -> String {
    let mut line = String::new();
    for _ in 0..dice.below(6) {
        let flag = *dice.pick(available);
        line.push(' ');
        match flag {
            "C?" => line.push_str(&format!("C{}", dice.below(120))),
            "b?" => line.push('k'),
            _ => line.push_str(flag),
        }
    }
    line
}
