//! Random request lines to a real memcached, compared with the scanner: a well-formed request gets exactly
//! one reply that the reply scanner accepts (none where quiet mode hides it), and one that we refuse gets the
//! same error line from memcached. Skipped, visibly, where memcached is not installed.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use nuthatch_wire::memcache::{
    BadRequest, Cause, Limits, Reply, ReplyScanner, Request, RequestScanner, Scan, suppressed,
};

struct Memcached {
    child: Child,
    address: SocketAddr,
}

impl Memcached {
    /// Starts a memcached on a free port; none if it is not installed.
    fn start() -> Option<Memcached> {
        loop {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let port = address.port().to_string();
            let child = Command::new("memcached")
                .args(["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", &port])
                .stderr(Stdio::null())
                .spawn();
            let Ok(child) = child else {
                eprintln!("SKIPPED: memcached is not installed");
                return None;
            };
            let mut server = Memcached { child, address };
            while server.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(address).is_ok() {
                    return Some(server);
                }
                std::thread::yield_now();
            }
            // another process took the port in between
        }
    }

    /// Its complete output for `bytes` on a new connection.
    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small generator, so that a seed alone replays a case.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        random
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Mostly `usual`, sometimes something else.
    fn mostly(&mut self, usual: &str, other: &[&str]) -> String {
        if self.below(4) > 0 { usual.to_owned() } else { (*self.pick(other)).to_owned() }
    }
}

const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "007",
    "x",
    "1x",
    "4294967295",
    "18446744073709551615",
    "99999999999999999999",
    "-",
    "1.5",
    "",
];
const FLAGS: [&str; 44] = [
    "v", "q", "k", "c", "f", "s", "t", "h", "l", "u", "b", "I", "P", "L", "O", "O1", "O23456", "T0", "T30",
    "T-1", "Tx", "N0", "N30", "N", "R30", "Rx", "F0", "F5", "Fx", "C0", "C1", "Cx", "D1", "D", "J5", "Jx",
    "ME", "MA", "MI", "M-", "MZ", "M", "y", "5",
];

fn key(random: &mut Random) -> String {
    match random.below(24) {
        0 => "k".repeat(251),
        1 => "k".repeat(250),
        2 => "\u{1}\u{7f}".to_owned(),
        3 => "noreply".to_owned(),
        4 => "aw==".to_owned(),
        5..=9 => "n".to_owned(),
        10..=12 => "none".to_owned(),
        _ => "k".to_owned(),
    }
}

/// A nearly or fully well-formed request, with the data block that its byte count announces.
fn request(random: &mut Random) -> Vec<u8> {
    let name = *random.pick(&[
        "get",
        "gets",
        "gat",
        "gats",
        "set",
        "add",
        "replace",
        "append",
        "prepend",
        "cas",
        "incr",
        "decr",
        "touch",
        "delete",
        "flush_all",
        "verbosity",
        "version",
        "mg",
        "ms",
        "md",
        "ma",
        "mn",
        "me",
        "foo",
        "GET",
        "mz",
    ]);
    let mut words = vec![name.to_owned()];
    let mut data = None;
    match name {
        "get" | "gets" => (0..random.below(4)).for_each(|_| words.push(key(random))),
        "gat" | "gats" => {
            words.push(random.mostly("0", &NUMBERS));
            (0..random.below(4)).for_each(|_| words.push(key(random)));
        }
        "set" | "add" | "replace" | "append" | "prepend" | "cas" => {
            let value = *random.pick(&["", "5", "hello", "10", "\r\n"]);
            words.push(key(random));
            words.push(random.mostly("0", &NUMBERS));
            words.push(random.mostly("0", &NUMBERS));
            words.push(random.mostly(&value.len().to_string(), &["x", "-1", "2147483646", "noreply"]));
            if name == "cas" {
                words.push(random.mostly("1", &NUMBERS));
            }
            data = Some(value);
        }
        "incr" | "decr" | "touch" => {
            words.push(key(random));
            words.push(random.mostly("1", &NUMBERS));
        }
        "delete" => {
            words.push(key(random));
            words.push(random.mostly("", &["0", "1", "00", "junk"]));
        }
        "flush_all" | "verbosity" => words.push(random.mostly("0", &["", "x", "-1", "5 5", "5 5 5"])),
        "me" => {
            words.push(key(random));
            words.push(random.mostly("", &["b", "k", "q"]));
        }
        "mg" | "md" | "ma" => {
            words.push(key(random));
            (0..random.below(5)).for_each(|_| words.push((*random.pick(&FLAGS)).to_owned()));
        }
        "ms" => {
            let value = *random.pick(&["", "5", "hello"]);
            words.push(key(random));
            words.push(random.mostly(&value.len().to_string(), &["x", "-1", "2147483646", "S1"]));
            (0..random.below(5)).for_each(|_| words.push((*random.pick(&FLAGS)).to_owned()));
            data = Some(value);
        }
        _ => {}
    }
    words.push(random.mostly("", &["noreply", "junk", "noreply x"]));
    if random.below(20) == 0 {
        words.remove(random.below(words.len()));
    }
    let space = if random.below(20) == 0 { "  " } else { " " };
    let end = if random.below(10) == 0 { "\n" } else { "\r\n" };
    let mut bytes = format!("{}{end}", words.join(space).trim_end()).into_bytes();
    if let Some(value) = data {
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(random.mostly("\r\n", &["xx", "\n\n"]).as_bytes());
    }
    bytes
}

const NOOP: &[u8] = b"MN\r\n";

/// Checks that a well-formed request gets its one reply unless quiet mode hides it, and always if it is
/// forwarded without `noreply` and `q`.
fn check_good(server: &Memcached, request: &Request, frame: &[u8]) -> Result<(), String> {
    let forwarded = request.forward(frame).concat();
    let asked = request.asked().of(&forwarded);
    let answer = server.ask(&[frame, b"mn\r\n"].concat());
    let reply = one_reply(&answer, request, asked);
    match reply {
        Some(reply) if suppressed(request, reply.status) => {
            return Err(format!("{:?} was sent", reply.status));
        }
        None if answer != NOOP || !(request.noreply() || request.quiet()) => {
            return Err(format!("not one reply: {}", answer.escape_ascii()));
        }
        _ => {}
    }
    let answer = server.ask(&[&forwarded[..], b"mn\r\n"].concat());
    match one_reply(&answer, request, asked) {
        Some(_) => Ok(()),
        None => Err(format!("forwarded, not one reply: {}", answer.escape_ascii())),
    }
}

/// The reply in `answer`, if one fits the request and is followed only by `MN`.
fn one_reply(answer: &[u8], request: &Request, asked: &[u8]) -> Option<Reply> {
    match ReplyScanner::new().scan(answer, request.expect(), asked, &Limits::default()) {
        Scan::Done(reply) if &answer[reply.len..] == NOOP => Some(reply),
        _ => None,
    }
}

/// Checks that a refused request gets our line from memcached too. memcached then continues with the next
/// line; where we swallow a data block or close, it may have run the data as a command.
fn check_bad(server: &Memcached, bad: &BadRequest, frame: &[u8]) -> Result<(), String> {
    let answer = server.ask(&[frame, b"mn\r\n"].concat());
    let line = frame.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let rest = match answer.strip_prefix(bad.reply) {
        Some(rest) => rest,
        // a disconnected client gets the reason; memcached sends nothing and may run the data as a command
        None if bad.close && frame[..line].windows(7).any(|word| word == b"noreply") => return Ok(()),
        None => return Err(format!("{} expected, {}", bad.reply.escape_ascii(), answer.escape_ascii())),
    };
    let only_the_line = !bad.close && bad.skip as usize == line && frame.len() == line;
    if only_the_line && rest != NOOP {
        return Err(format!("after the error line: {}", rest.escape_ascii()));
    }
    Ok(())
}

#[test]
fn verdicts_are_those_of_memcached() {
    let Some(server) = Memcached::start() else { return };
    server.ask(b"set n 0 0 2\r\n10\r\nset k 0 0 5\r\nhello\r\n");
    let (mut good, mut refused) = (0, 0);
    for seed in 1..=6000 {
        let frame = request(&mut Random::new(seed));
        let outcome = match RequestScanner::new().scan(&frame, &Limits::default()) {
            Scan::Done(request) => {
                good += 1;
                // a line with a count smaller than the data leaves bytes over
                check_good(&server, &request, &frame[..request.frame_len()])
            }
            Scan::Bad(bad) => {
                refused += 1;
                assert_ne!(bad.cause, Cause::LineTooLong);
                check_bad(&server, &bad, &frame)
            }
            Scan::NeedMore { .. } => continue,
        };
        if let Err(why) = outcome {
            panic!("seed {seed}: {}: {why}", frame.escape_ascii());
        }
    }
    assert!(good > 1000 && refused > 1000, "{good} good, {refused} refused");
}
