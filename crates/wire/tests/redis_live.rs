//! The command table compared with a running redis-server 7.0: its `COMMAND`, its `COMMAND DOCS`, the keys it
//! finds, and its error texts. Skipped, visibly, where no redis-server of that version is installed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use nuthatch_wire::redis::command::{Side, Sides, all, flags};
use nuthatch_wire::redis::{
    Args, Command, Kind, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Scan, Version, command_reply,
    encode, encode_inline, lookup,
};

/// A redis-server for this test, on a unix socket in its own directory.
struct Server {
    process: Child,
    directory: PathBuf,
    stream: UnixStream,
}

impl Server {
    /// Starts it; `None` if no redis-server 7.0 is installed.
    fn start(name: &str) -> Option<Server> {
        let version = Process::new("redis-server").arg("--version").output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains(" v=7.0.") {
            return None;
        }
        let directory = std::env::temp_dir().join(format!("nuthatch-wire-{name}-{}", std::process::id()));
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

    fn ask(&mut self, words: &[&str]) -> Value {
        let mut out = Vec::new();
        encode::array(&mut out, words.len());
        for word in words {
            encode::bulk(&mut out, word.as_bytes());
        }
        self.ask_bytes(&out)
    }

    fn ask_bytes(&mut self, request: &[u8]) -> Value {
        self.stream.write_all(request).unwrap();
        let mut frame = Vec::new();
        let mut scanner = ReplyScanner::new();
        loop {
            match scanner.scan(&frame, &ReplyLimits::default()) {
                ReplyScan::Done(reply) => {
                    assert_eq!(reply.len(), frame.len());
                    return Value::of(&frame);
                }
                ReplyScan::Bad(error) => panic!("{error}"),
                ReplyScan::NeedMore { .. } => {
                    let mut piece = vec![0; 65536];
                    let n = self.stream.read(&mut piece).unwrap();
                    assert!(n > 0, "redis-server closed the connection");
                    frame.extend_from_slice(&piece[..n]);
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

/// A parsed reply.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Integer(i64),
    Null,
    List(Vec<Value>),
}

impl Value {
    fn of(frame: &[u8]) -> Value {
        let ReplyScan::Done(reply) = ReplyScanner::new().scan(frame, &ReplyLimits::default()) else {
            panic!()
        };
        match reply.kind() {
            Kind::Integer => Value::Integer(reply.integer().unwrap()),
            Kind::Null => Value::Null,
            Kind::Array => {
                Value::List(reply.elements(frame).map(|(_, element)| Value::of(element)).collect())
            }
            _ => Value::Text(String::from_utf8_lossy(reply.body(frame)).into_owned()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    fn list(&self) -> &[Value] {
        match self {
            Value::List(values) => values,
            other => panic!("no list: {other:?}"),
        }
    }

    /// The value under `name` in a flattened map.
    fn field(&self, name: &str) -> Option<&Value> {
        self.list().chunks(2).find(|pair| pair[0].text() == name).map(|pair| &pair[1])
    }
}

/// Rows that deliberately differ from Redis 7.0: later commands, and the later arity of two.
const LATER: &[&str] = &["client|setinfo", "client|no-touch"];
const WIDER: &[&str] = &["zrank", "zrevrank"];

fn is_later(command: &Command) -> bool {
    command.since > "7.1" || LATER.contains(&command.name)
}

#[test]
fn the_table_is_what_redis_says() {
    let Some(mut server) = Server::start("table") else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare the table of commands with");
    };
    let theirs = server.ask(&["COMMAND"]);
    let docs = server.ask(&["COMMAND", "DOCS"]);
    for row in theirs.list() {
        let name = row.list()[0].text();
        let ours = lookup(name.as_bytes()).unwrap_or_else(|| panic!("{name} is missing"));
        compare(ours, row, docs.field(name).unwrap());
    }
    let known: Vec<_> = theirs.list().iter().map(|row| row.list()[0].text()).collect();
    let extra = all().iter().filter(|command| !known.contains(&command.name) && !is_later(command));
    assert_eq!(extra.map(|command| command.name).collect::<Vec<_>>(), [""; 0]);
}

fn compare(ours: &Command, row: &Value, docs: &Value) {
    let name = ours.name;
    let row = row.list();
    let arity = if WIDER.contains(&name) { Value::Integer(3) } else { Value::Integer(ours.arity.into()) };
    assert_eq!(row[1], arity, "{name}");
    let mut theirs: Vec<_> = row[2].list().iter().map(Value::text).collect();
    let mut names: Vec<_> =
        flags::NAMES.iter().filter(|(flag, _)| ours.flags & flag != 0).map(|(_, name)| *name).collect();
    theirs.sort_unstable();
    names.sort_unstable();
    assert_eq!(theirs, names, "{name}");
    let (first, last, step) = ours.keys.first_last_step();
    assert_eq!(row[3..6], [Value::Integer(first), Value::Integer(last), Value::Integer(step)], "{name}");
    let categories = ours.categories().map(|name| format!("@{name}")).collect::<Vec<_>>();
    assert_eq!(row[6].list().iter().map(Value::text).collect::<Vec<_>>(), categories, "{name}");
    compare_sides(ours, row[8].list());
    assert_eq!(docs.field("group").unwrap().text(), ours.group, "{name}");
    assert_eq!(docs.field("since").unwrap().text(), ours.since, "{name}");
    if ours.subcommands.is_empty() {
        return;
    }
    for sub in row[9].list() {
        let full = sub.list()[0].text();
        let own = full.split_once('|').unwrap().1;
        let ours = ours.subcommand(own.as_bytes()).unwrap_or_else(|| panic!("{full} is missing"));
        compare(ours, sub, docs.field("subcommands").unwrap().field(full).unwrap());
    }
    let later = ours.subcommands.iter().filter(|sub| is_later(sub)).count();
    assert_eq!(ours.subcommands.len(), row[9].list().len() + later, "{name}");
}

/// Compares the use of keys. Of SORT's three places the second belongs to BY and GET, which name no keys of
/// the request.
fn compare_sides(ours: &Command, specs: &[Value]) {
    let name = ours.name;
    let flags = |spec: &Value| -> Vec<String> {
        spec.field("flags").unwrap().list().iter().map(|flag| flag.text().to_owned()).collect()
    };
    let mut theirs: Vec<Vec<String>> = specs.iter().map(flags).collect();
    if name.starts_with("sort") {
        theirs.remove(1);
    }
    let any = |flag: &str| theirs.iter().flatten().any(|known| known == flag);
    match ours.sides {
        Sides::Set => assert!(name == "set" && any("variable_flags")),
        Sides::Bitfield => assert!(name == "bitfield" && any("variable_flags")),
        Sides::Channels => assert!(any("not_key"), "{name}"),
        Sides::Lookups => assert!(name.starts_with("sort"), "{name}"),
        Sides::Fixed { .. } => assert!(!any("variable_flags") && !any("not_key"), "{name}"),
    }
    match ours.sides {
        Sides::Set | Sides::Bitfield | Sides::Channels => {}
        Sides::Lookups | Sides::Fixed { .. } => {
            let (first, rest) = ours.sides.of(Args::of(b"*0\r\n").unwrap());
            let side = |flags: &Vec<String>| {
                let has = |names: &[&str]| flags.iter().any(|flag| names.contains(&flag.as_str()));
                match (has(&["access"]), has(&["insert", "delete", "update"])) {
                    (false, false) => Side::NONE,
                    (true, false) => Side::READ,
                    (false, true) => Side::WRITE,
                    (true, true) => Side::BOTH,
                }
            };
            for (at, flags) in theirs.iter().enumerate() {
                assert_eq!(side(flags), if at == 0 { first } else { rest }, "{name}: key {at}");
            }
        }
    }
}

/// Requests for which `COMMAND GETKEYS` and we must find the same keys.
const REQUESTS: &[&str] = &[
    "GET k",
    "SET k v",
    "MGET a b c",
    "MSET a 1 b 2",
    "MSETNX a 1 b 2",
    "DEL a b",
    "RENAME a b",
    "COPY a b DB 1",
    "SMOVE a b m",
    "LMOVE a b LEFT RIGHT",
    "LCS a b",
    "BITOP AND d a b",
    "PFMERGE d a b",
    "PFCOUNT a b",
    "SINTER a b",
    "SINTERSTORE d a b",
    "SDIFFSTORE d a",
    "SINTERCARD 2 a b LIMIT 1",
    "ZUNION 2 a b WITHSCORES",
    "ZINTER 1 a",
    "ZDIFF 2 a b",
    "ZINTERCARD 2 a b",
    "ZUNIONSTORE d 2 a b",
    "ZINTERSTORE d 1 a",
    "ZDIFFSTORE d 1 a",
    "ZRANGESTORE d s 0 1",
    "GEOSEARCHSTORE d s FROMMEMBER m BYRADIUS 1 km",
    "LMPOP 2 a b LEFT",
    "ZMPOP 2 a b MIN",
    "EVAL s 2 a b c",
    "EVALSHA s 1 a",
    "EVAL_RO s 1 a",
    "EVALSHA_RO s 1 a",
    "FCALL f 2 a b",
    "FCALL_RO f 1 a",
    "SORT k",
    "SORT k BY x LIMIT 0 5 GET y STORE d",
    "SORT k STORE a STORE d",
    "SORT k GET store BY store",
    "SORT_RO k BY x",
    "GEORADIUS k 1 2 3 m",
    "GEORADIUS k 1 2 3 m STORE d",
    "GEORADIUS k 1 2 3 m COUNT 2 STOREDIST d",
    "GEORADIUSBYMEMBER k m 3 km STORE d",
    "GEORADIUSBYMEMBER k store 3 km",
    "GEORADIUS_RO k 1 2 3 m",
    "XREAD STREAMS a 0",
    "XREAD COUNT 1 STREAMS a b 0 0",
    "XREADGROUP GROUP g c STREAMS a >",
    "XREADGROUP GROUP g c NOACK COUNT 2 STREAMS a b > >",
    "XADD s * f v",
    "XGROUP CREATE s g $",
    "XINFO STREAM s",
    "XINFO CONSUMERS s g",
    "OBJECT ENCODING k",
    "MEMORY USAGE k",
    "MIGRATE h 1 k 0 100",
    "MIGRATE h 1 '' 0 100 KEYS a b",
    "MIGRATE h 1 '' 0 100 COPY AUTH p KEYS a",
    "BITFIELD k GET u8 0",
    "HSET h f v",
];

#[test]
fn keys_are_where_redis_finds_them() {
    let Some(mut server) = Server::start("keys") else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare keys with");
    };
    for line in REQUESTS {
        let theirs = server.ask_bytes(&frame(&format!("COMMAND GETKEYS {line}")));
        let frame = frame(line);
        let Scan::Done(request) = RequestScanner::new().scan(&frame, &Default::default()) else {
            panic!("{line}")
        };
        let command = request.command().unwrap();
        let sub = request.first(&frame).and_then(|name| command.subcommand(name.bytes()));
        let keys = sub
            .unwrap_or(command)
            .keys
            .find(request.args(&frame))
            .unwrap_or_else(|e| panic!("{line}: {e:?}"));
        let ours = keys.map(|key| Value::Text(String::from_utf8_lossy(key.bytes()).into_owned())).collect();
        assert_eq!(theirs, Value::List(ours), "{line}");
    }
}

/// `COMMAND LIST` with a filter, and keys of requests without any.
#[test]
fn lists_are_filtered_as_redis_does() {
    let Some(mut server) = Server::start("lists") else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare COMMAND LIST with");
    };
    let names = |value: &Value| {
        let mut names: Vec<String> = value.list().iter().map(|name| name.text().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let ours = |line: &str| {
        let frame = frame(line);
        let mut out = Vec::new();
        command_reply(Args::of(&frame).unwrap(), Version::Resp2, &mut out);
        Value::of(&out)
    };
    // Commands refused here, and later ones, are in only one list.
    let (theirs, served) = (names(&server.ask(&["COMMAND", "LIST"])), names(&ours("COMMAND LIST")));
    for filter in [
        "PATTERN *",
        "PATTERN x*",
        "PATTERN *|*",
        "pattern [G-h]et*",
        "PATTERN nosuch",
        "ACLCAT read",
        "aclcat DANGEROUS",
        "ACLCAT keyspace",
        "ACLCAT scripting",
        "ACLCAT nosuch",
        "ACLCAT @read",
        "MODULE x",
    ] {
        let line = format!("COMMAND LIST FILTERBY {filter}");
        let mut expected = names(&server.ask_bytes(&frame(&line)));
        expected.retain(|name| served.contains(name));
        let mut got = names(&ours(&line));
        got.retain(|name| theirs.contains(name));
        assert_eq!(got, expected, "{line}");
    }
    for line in [
        "COMMAND LIST x",
        "COMMAND LIST FILTERBY PATTERN",
        "COMMAND LIST FILTERBY FOO x",
        "COMMAND LIST FOO PATTERN x",
        "COMMAND LIST FILTERBY PATTERN x y",
        "COMMAND GETKEYS EVAL s 0",
        "COMMAND GETKEYS EVAL s 0 a",
        "COMMAND GETKEYS EVAL s -1 a",
        "COMMAND GETKEYS EVALSHA s x a",
        "COMMAND GETKEYS FCALL f 0",
        "COMMAND GETKEYS ZUNION 0 k",
        "COMMAND GETKEYS PING x",
    ] {
        assert_eq!(ours(line), server.ask_bytes(&frame(line)), "{line}");
    }
}

/// Requests that Redis and we refuse with the same text.
const REFUSED: &[&str] = &[
    "GET",
    "GET a b",
    "SET k",
    "MSET a",
    "MSET a 1 b",
    "MSETNX a 1 b",
    "MGET",
    "OBJECT",
    "OBJECT ENCODING",
    "CLIENT SETNAME",
    "XGROUP",
    "ECHO",
    "XREAD STREAMS a",
    "EVAL s",
    "EVAL s x k",
    "EVAL s -1 k",
    "EVAL s 5 k",
    "EVAL s 01 k",
    "EVAL_RO s '' k",
    "ZUNION x k",
    "ZUNION 0 k",
    "ZUNION -1 k",
    "ZUNION 5 k",
    "ZINTERCARD 0 k",
    "ZDIFF 0 k",
    "ZINTER 2 k",
    "ZUNIONSTORE d 0 k",
    "ZINTERSTORE d 2 k",
    "ZDIFFSTORE d x k",
    "SINTERCARD x k",
    "SINTERCARD 0 k",
    "SINTERCARD 5 k",
    "LMPOP x k LEFT",
    "LMPOP 0 k LEFT",
    "LMPOP 5 k LEFT",
    "ZMPOP -1 k MIN",
    "ZMPOP 3 k MIN",
    "XREAD STREAMS a b c",
    "XREAD COUNT 1 STREAMS",
    "XREAD foo bar baz",
    "XREADGROUP GROUP g c STREAMS a b c",
    "MIGRATE h 1 k 0 100 KEYS a",
    "nosuch",
    "nosuch a 'b c' \"d\\r\\n\" '' e",
    "OBJECT nosuch k",
    "cluster|info",
    "HELP",
];

/// An unknown command long enough that its error is truncated.
fn long_and_unknown() -> Vec<String> {
    let long = |n| "x".repeat(n);
    let nul = "nosuch \"a\\x00b\" c".to_owned();
    let lengths = [100, 121, 122, 123, 124, 125, 126, 127, 128, 129, 500];
    let words = lengths.iter().map(|&n| format!("nosuch {} {} c d", long(n), long(n)));
    words.chain([long(127), long(128), long(200), nul, format!("nosuch{}", " a".repeat(200))]).collect()
}

#[test]
fn errors_are_in_the_words_of_redis() {
    let Some(mut server) = Server::start("errors") else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare errors with");
    };
    let long = long_and_unknown();
    for line in REFUSED.iter().copied().chain(long.iter().map(String::as_str)) {
        let frame = frame(line);
        let theirs = server.ask_bytes(&frame);
        let Scan::Done(request) = RequestScanner::new().scan(&frame, &Default::default()) else {
            panic!("{line}")
        };
        let mut ours = Vec::new();
        request.route(&frame).err().unwrap_or_else(|| panic!("{line} is routed")).write(&mut ours);
        assert_eq!(Value::of(&ours), theirs, "{line}");
    }
}

fn frame(line: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_inline(line.as_bytes(), &mut frame).unwrap();
    frame
}

/// Bytes that neither Redis nor we can frame, each followed by a line end so that Redis parses them.
const MALFORMED: &[&[u8]] = &[
    b"*x\r\n",
    b"*01\r\n",
    b"*+1\r\n",
    b"*\r\n",
    b"*-0\r\n",
    b"*4294967297\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n:1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$01\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$18446744073709551620\r\n",
];

#[test]
fn protocol_errors_are_in_the_words_of_redis() {
    let Some(server) = Server::start("protocol") else {
        return eprintln!("SKIPPED: no redis-server 7.0 to compare protocol errors with");
    };
    let socket = server.directory.join("redis.sock");
    let inline: &[&[u8]] = &[b"SET k \"a\r\n", b"SET k 'a'b\r\n"];
    for bytes in MALFORMED.iter().chain(inline) {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut theirs = Vec::new();
        stream.read_to_end(&mut theirs).unwrap();
        let mut ours = Vec::new();
        match RequestScanner::new().scan(bytes, &Default::default()) {
            Scan::Bad(error) => error.write(&mut ours),
            Scan::Inline { len } => {
                encode_inline(&bytes[..len], &mut Vec::new()).unwrap_err().write(&mut ours);
            }
            other => panic!("{other:?}"),
        }
        let shown = bytes[..bytes.len().min(80)].escape_ascii();
        assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{shown}");
    }
}
