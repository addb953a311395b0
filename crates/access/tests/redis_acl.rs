//! Verdicts compared with redis-server's own access control: the same users, thousands of random requests,
//! `ACL DRYRUN`. Skipped with a message without a redis-server 7.0.
//!
//! `NUTHATCH_SEED=n` replays a run; a failure prints its seed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuthatch_access::{Book, PasswordSpec, User, UserSpec, Verdict};
use wire::redis::command::{all, categories};
use wire::redis::{Command, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Scan, encode};

const USERS: usize = 200;
const REQUESTS_EACH: usize = 60;

#[test]
fn verdicts_are_those_of_redis() {
    let Some(mut server) = Server::start() else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare verdicts with");
    };
    let seed = std::env::var("NUTHATCH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed =
        seed.unwrap_or_else(|| Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id()));
    let mut random = Random(seed);
    let mut counts = [0; 3];
    let mut quick = 0;
    for number in 0..USERS {
        let spec = random_user(&mut random);
        let user = build(&spec);
        let mut rules = words("ACL SETUSER u reset on nopass");
        rules.extend(spec.commands.iter().cloned());
        rules.extend(
            spec.keys.iter().map(|key| if key.starts_with('%') { key.clone() } else { format!("~{key}") }),
        );
        rules.extend(spec.channels.iter().map(|channel| format!("&{channel}")));
        let case = format!("NUTHATCH_SEED={seed} user {number}: {}", rules.join(" "));
        assert_eq!(server.ask(&rules), "OK", "{case}");
        for _ in 0..REQUESTS_EACH {
            let request = random_request(&mut random);
            let mut question = words("ACL DRYRUN u");
            question.extend(request.iter().cloned());
            let theirs = server.ask(&question);
            if theirs.starts_with("ERR") {
                continue;
            }
            let (command, ours) = verdict(&user, &request);
            if command.name == "pfmerge" && request.len() == 2 {
                continue; // Redis 7.0 finds no key in it, and lets it pass.
            }
            let expected = match theirs.as_str() {
                "OK" => Verdict::Allowed,
                text if text.ends_with("command") => Verdict::Command,
                text if text.ends_with("key") => Verdict::Key,
                text if text.ends_with("channel") => Verdict::Channel,
                other => panic!("{case}: {request:?}: {other}"),
            };
            counts[usize::from(expected != Verdict::Allowed)] += 1;
            let is_script = command.name.starts_with("eval") || command.name.starts_with("fcall");
            if is_script && user.scripts_withheld() && ours == Verdict::Command {
                counts[2] += 1;
                continue;
            }
            if command.name.starts_with("sort") && matches!(ours, Verdict::SortBy | Verdict::SortGet) {
                continue; // Redis asks this when it runs the command; see below.
            }
            assert_eq!(ours, expected, "{case}: {request:?}: {theirs}");
            let at_once = request.get(1).is_some_and(|key| user.permits_at_once(command, key.as_bytes()));
            assert!(!at_once || ours.is_allowed(), "{case}: {request:?}");
            quick += u32::from(at_once);
        }
    }
    println!("allowed {}, denied {}, scripts withheld {}", counts[0], counts[1], counts[2]);
    assert!(counts[0] > 1000 && counts[1] > 1000, "{counts:?}: too few to say something");
    assert!(quick > 100, "{quick} at once: too few to say something");
}

/// Requests that Redis judges only when they are run, or whose error texts are compared.
const RUN: &[(&str, &str)] = &[
    ("GET a1", ""),
    ("GET b", "NOPERM this user has no permissions to access one of the keys used as arguments"),
    ("SET r1 x", "NOPERM this user has no permissions to access one of the keys used as arguments"),
    ("SET w1 x", ""),
    ("SET w1 x GET", "NOPERM this user has no permissions to access one of the keys used as arguments"),
    ("GET r1", ""),
    ("STRLEN w1", ""),
    ("MGET a1 b a2", "NOPERM this user has no permissions to access one of the keys used as arguments"),
    ("DEL a1", "NOPERM this user has no permissions to run the 'del' command"),
    ("CONFIG SET maxmemory 1", "NOPERM this user has no permissions to run the 'config|set' command"),
    ("CONFIG GET maxmemory", ""),
    ("SELECT 0", ""),
    ("SELECT 1", "NOPERM this user has no permissions to run the 'select' command"),
    ("PUBLISH x m", "NOPERM this user has no permissions to access one of the channels used as arguments"),
    ("PUBLISH news.1 m", ""),
    ("SORT a1 BY w*", "ERR BY option of SORT denied due to insufficient ACL permissions."),
    ("SORT a1 BY nosort", ""),
    ("SORT a1 LIMIT 0 1 GET #", "ERR GET option of SORT denied due to insufficient ACL permissions."),
    ("SORT_RO a1 GET #", "ERR GET option of SORT denied due to insufficient ACL permissions."),
    ("SORT a1 BY nosort GET x", "ERR GET option of SORT denied due to insufficient ACL permissions."),
    ("SORT a1 DESC ALPHA STORE w1", ""),
    ("SORT a1 STORE r1", "NOPERM this user has no permissions to access one of the keys used as arguments"),
];

#[test]
fn refusals_are_in_the_words_of_redis() {
    let commands = "+get +set +strlen +mget +sort +sort_ro +config|get +select|0 +publish";
    let spec = UserSpec {
        commands: words(commands),
        keys: words("a* %R~r* %W~w*"),
        channels: words("news.*"),
        ..login()
    };
    let user = build(&spec);
    let mut server = Server::start();
    match &mut server {
        None => eprintln!("SKIPPED: no redis-server 7.0 to compare words with"),
        Some(server) => {
            let rules = format!("ACL SETUSER u reset on >x {commands} ~a* %R~r* %W~w* &news.*");
            assert_eq!(server.ask(&words(&rules)), "OK");
            assert_eq!(server.ask(&words("AUTH u x")), "OK");
        }
    }
    for (line, expected) in RUN {
        let request = words(line);
        let (command, ours) = verdict(&user, &request);
        assert_eq!(ours.redis_error(command), *expected, "{line}");
        if let Some(server) = &mut server {
            let theirs = server.ask(&request);
            let is_denied = theirs.starts_with("NOPERM") || theirs.contains("denied");
            assert_eq!(if is_denied { theirs.as_str() } else { "" }, *expected, "{line}");
        }
    }
}

/// A user who may read everything may sort by anything.
#[test]
fn sort_looks_up_what_may_be_read() {
    let with = |keys: &str| UserSpec { commands: words("+sort"), keys: words(keys), ..login() };
    for (keys, expected) in [("*", Verdict::Allowed), ("%R~*", Verdict::Allowed), ("k", Verdict::SortBy)] {
        assert_eq!(verdict(&build(&with(keys)), &words("SORT k BY w*")).1, expected, "{keys}");
    }
    let user = build(&with("k"));
    assert_eq!(verdict(&user, &words("SORT k FUTURE BY w*")).1, Verdict::SortBy, "behind an unknown option");
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn login() -> UserSpec {
    UserSpec { name: "u".into(), passwords: vec![PasswordSpec::plain(b"x").unwrap()], ..UserSpec::default() }
}

fn build(spec: &UserSpec) -> Arc<User> {
    let book = Book::build(std::slice::from_ref(spec)).unwrap_or_else(|faults| panic!("{faults:?}"));
    Arc::clone(book.user(b"u").unwrap())
}

/// The command's row and our verdict, from both the fast and the full path.
fn verdict(user: &User, words: &[String]) -> (&'static Command, Verdict) {
    let frame = frame(words);
    let Scan::Done(request) = RequestScanner::new().scan(&frame, &Default::default()) else {
        panic!("{words:?}")
    };
    let container = request.command().unwrap_or_else(|| panic!("{words:?}"));
    let sub = request.first(&frame).and_then(|name| container.subcommand(name.bytes()));
    let command = sub.unwrap_or(container);
    let quick = user.verdict(command, &request, &frame);
    assert_eq!(quick, user.verdict_in_full(command, request.args(&frame)), "{words:?}");
    (command, quick)
}

fn frame(words: &[String]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode::array(&mut frame, words.len());
    for word in words {
        encode::bulk(&mut frame, word.as_bytes());
    }
    frame
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % bound as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

fn random_user(random: &mut Random) -> UserSpec {
    const GLOBS: &[&str] = &["a*", "b*", "a?", "[ab]*", "[^a]*", "c", "x:*", "*1", r"a\*", "ab*c"];
    const SIDES: &[&str] = &["", "%R~", "%W~", "%RW~"];
    let commands = (0..random.below(7)).map(|_| random_rule(random)).collect();
    let mut keys: Vec<String> = (0..random.below(5))
        .map(|_| {
            let (side, glob) = (random.of(SIDES), random.of(GLOBS));
            format!("{side}{glob}")
        })
        .collect();
    match random.below(8) {
        0 => keys = words("*"),
        1 => keys.push("%R~*".to_owned()),
        _ => {}
    }
    let channels = match random.below(4) {
        0 => words("*"),
        1 => words("a* b?"),
        _ => Vec::new(),
    };
    UserSpec { commands, keys, channels, ..login() }
}

fn random_rule(random: &mut Random) -> String {
    let sign = random.of(&["+", "+", "-"]);
    match random.below(8) {
        0 => random.of(&["+@all", "-@all", "allcommands", "nocommands", "+@all", "+@all"]).to_owned(),
        1..=3 => format!("{sign}@{}", random.of(categories())),
        4 => {
            let plain: Vec<_> =
                known().into_iter().filter(|c| c.subcommands.is_empty() && !c.is_subcommand()).collect();
            format!("+{}|{}", plain[random.below(plain.len())].name, random.of(KEYS))
        }
        _ => format!("{sign}{}", random.of(&known()).name),
    }
}

/// Commands and subcommands that Redis 7.0 has.
fn known() -> Vec<&'static Command> {
    let rows = all().iter().flat_map(|c| std::iter::once(c).chain(c.subcommands));
    rows.filter(|c| c.since < "7.1" && !matches!(c.name, "client|setinfo" | "client|no-touch")).collect()
}

const KEYS: &[&str] = &["a", "a1", "ab", "abc", "b", "b1", "c", "x:1", "y", "a*", "0"];

/// Requests of each shape of keys; `k` becomes a random key.
const SHAPES: &[&str] = &[
    "SET k v",
    "SET k v GET",
    "SET k v EX 5 get",
    "MSET k 1 k 2",
    "MGET k k k",
    "DEL k k",
    "RENAME k k",
    "COPY k k",
    "SMOVE k k m",
    "LMOVE k k LEFT RIGHT",
    "BITOP AND k k k",
    "PFMERGE k k",
    "SINTERSTORE k k k",
    "SDIFFSTORE k k",
    "ZUNIONSTORE k 2 k k",
    "ZDIFFSTORE k 1 k",
    "ZRANGESTORE k k 0 1",
    "GEOSEARCHSTORE k k FROMMEMBER m BYRADIUS 1 km",
    "LMPOP 2 k k LEFT",
    "ZMPOP 1 k MIN",
    "EVAL s 2 k k c",
    "EVALSHA s 1 k",
    "EVAL_RO s 1 k",
    "FCALL f 1 k",
    "FCALL_RO f 1 k",
    "SORT k",
    "SORT k STORE k",
    "SORT_RO k",
    "GEORADIUS k 1 2 3 m",
    "GEORADIUS k 1 2 3 m STORE k",
    "GEORADIUSBYMEMBER k m 3 km STOREDIST k",
    "XREAD STREAMS k k 0 0",
    "XREADGROUP GROUP g c STREAMS k >",
    "XADD k * f v",
    "XGROUP CREATE k g $",
    "XINFO STREAM k",
    "OBJECT ENCODING k",
    "MEMORY USAGE k",
    "EXISTS k k",
    "BITFIELD k GET u8 0",
    "BITFIELD k GET u8 0 SET u8 0 1",
    "BITFIELD k OVERFLOW wrap GET u8 0",
    "BITFIELD k GET u8",
    "BITFIELD k",
    "MIGRATE h 1 k 0 100",
    "MIGRATE h 1 k 0 100 COPY KEYS k",
    "PUBLISH k m",
    "SPUBLISH k m",
    "SUBSCRIBE k k",
    "PSUBSCRIBE k",
    "SSUBSCRIBE k",
    "UNSUBSCRIBE k",
    "PUNSUBSCRIBE k",
    "WATCH k k",
    "SINTERCARD 2 k k",
    "ZINTERCARD 9 k",
    "EVAL s 0",
    "EVAL s x k",
    "BLPOP k k 0",
    "GETEX k",
    "SELECT k",
    "CONFIG GET k",
    "ACL WHOAMI",
    "CLUSTER SLOTS",
    "AUTH k",
    "PING",
];

fn random_request(random: &mut Random) -> Vec<String> {
    if random.below(2) == 0 {
        let shape = random.of(SHAPES);
        return shape.split(' ').map(|w| if w == "k" { random.of(KEYS) } else { w }.to_owned()).collect();
    }
    let command = random.of(&known());
    let mut request: Vec<String> = command.name.split('|').map(str::to_owned).collect();
    let wanted =
        usize::from(command.arity.unsigned_abs()) + if command.arity < 0 { random.below(3) } else { 0 };
    while request.len() < wanted {
        request.push(random.of(KEYS).to_owned());
    }
    request
}

/// A private redis-server, on a unix socket in its own directory.
struct Server {
    process: Child,
    directory: PathBuf,
    stream: UnixStream,
}

impl Server {
    /// Starts the server; `None` without a redis-server 7.0.
    fn start() -> Option<Server> {
        let version = Process::new("redis-server").arg("--version").output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains(" v=7.0.") {
            return None;
        }
        let name = format!("nuthatch-access-{}-{:?}", std::process::id(), std::thread::current().id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let socket = directory.join("redis.sock");
        let process = Process::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(&directory)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "redis-server does not listen: {error}"),
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Some(Server { process, directory, stream })
    }

    /// Sends a request and returns the text of the reply; empty for an array.
    fn ask(&mut self, words: &[String]) -> String {
        self.stream.write_all(&frame(words)).unwrap();
        let (mut bytes, mut scanner) = (Vec::new(), ReplyScanner::new());
        loop {
            match scanner.scan(&bytes, &ReplyLimits::default()) {
                ReplyScan::Done(reply) => return String::from_utf8_lossy(reply.body(&bytes)).into_owned(),
                ReplyScan::Bad(error) => panic!("{error}"),
                ReplyScan::NeedMore { .. } => {
                    let mut piece = vec![0; 65536];
                    let n = self.stream.read(&mut piece).unwrap();
                    assert!(n > 0, "redis-server closed the connection");
                    bytes.extend_from_slice(&piece[..n]);
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
