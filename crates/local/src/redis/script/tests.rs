//! Limits of scripts, and what they may not leave behind. That replies are Redis' is shown beside a real one
//! (`tests/servers/scripts.rs`).

use crate::Store;
use crate::lua::{Name, budget};
use crate::scripts::{SCRIPTS_MAX, SOURCE_BYTES_MAX};
use wire::redis::Version;

fn ask(store: &mut Store, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut out = Vec::new();
    assert_eq!(store.execute_redis(&words, 1_000, Version::Resp2, &mut out), None);
    String::from_utf8_lossy(&out).into_owned()
}

fn eval(store: &mut Store, script: &str) -> String {
    ask(store, &["EVAL", script, "0"])
}

#[test]
fn no_script_runs_without_end() {
    let mut store = Store::new(1 << 20);
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "while true do xpcall(function() while true do end end, function() end) end",
        "local function f() return f() end f()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do redis.call('PING') end",
        "while true do redis.pcall('PING') end",
        "return string.rep('a', 100) .. string.find(string.rep('a', 300), string.rep('a-', 100) .. 'b')",
        "return string.gsub(string.rep('a', 300), string.rep('a-', 100) .. 'b', 'x')",
        "for w in string.gmatch(string.rep('a', 300), string.rep('a*', 100) .. 'b') do end",
        "while true do string.rep('', 1e15) end",
        "while true do string.rep('x', 1e7) end",
        "while true do loadstring('return 1') end",
        "while true do table.concat({1, 2, 3}) end",
        "while true do cjson.decode('[1]') cmsgpack.pack(1) struct.pack('i', 1) bit.tobit(1) end",
        "return string.gsub('aaaa', 'a', function() while true do end end)",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "loadstring('while true do end')()",
    ] {
        assert_eq!(eval(&mut store, script), format!("-{}\r\n", budget::OVER), "{script}");
        assert_eq!(eval(&mut store, "return 1"), ":1\r\n", "after {script}");
    }
}

#[test]
fn what_a_stopped_script_wrote_stays() {
    let mut store = Store::new(1 << 20);
    let reply = eval(&mut store, "redis.call('SET', 'k', 'v') while true do end");
    assert_eq!(reply, format!("-{}\r\n", budget::OVER));
    assert_eq!(ask(&mut store, &["GET", "k"]), "$1\r\nv\r\n");
}

#[test]
fn memory_has_a_limit_and_is_given_back() {
    let mut store = Store::new(1 << 20);
    for script in [
        "local t = {} for i = 1, 1e7 do t[i] = i .. 'x' end",
        "local s = 'xxxxxxxxxxxxxxxx' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = string.rep('x', 1e6) .. i end",
        "local s = string.rep('x', 1e7) return s .. s .. s .. s .. s .. s .. s .. s",
    ] {
        let reply = eval(&mut store, script);
        let is_expected = reply.contains("not enough memory") || reply.contains(budget::OVER);
        assert!(is_expected, "{script}: {reply}");
        assert_eq!(eval(&mut store, "return #string.rep('x', 1e7)"), ":10000000\r\n", "after {script}");
    }
    for text in ["'xx', 1e9", "'xx', 9e15"] {
        let reply = eval(&mut store, &format!("return string.rep({text})"));
        assert!(reply.contains("not enough memory"), "{reply}");
    }
    // Lengths that bytes only claim.
    let reply = eval(&mut store, "return cmsgpack.unpack('\\221\\255\\255\\255\\255')");
    assert!(reply.contains("Missing bytes in input"), "{reply}");
}

#[test]
fn nesting_has_a_limit() {
    let mut store = Store::new(1 << 20);
    for (script, error) in [
        ("local t = {} t.t = t return cjson.encode(t)", "Cannot serialise, excessive nesting (201)"),
        ("return cjson.decode(string.rep('[', 5000))", "Found too many nested data structures (201)"),
        ("return cmsgpack.unpack(string.rep('\\145', 5000))", "Bad data format in input"),
        ("local function f() return 1 + f() end return f()", "stack overflow"),
        ("return string.find(string.rep('a', 5000), string.rep('a?', 5000))", "pattern too complex"),
        ("return loadstring('return ' .. string.rep('(', 5000))()", "attempt to call a nil value"),
    ] {
        let reply = eval(&mut store, script);
        assert!(reply.contains(error), "{script}: {reply}");
    }
    let reply = eval(&mut store, "local t = {} t[1] = t return t");
    assert!(reply.ends_with("-ERR reached lua stack limit\r\n"), "{reply}");
}

#[test]
fn nothing_is_left_for_the_next_script() {
    let mut store = Store::new(1 << 20);
    for script in [
        "x = 1",
        "string.rep = nil",
        "string.format = function() end",
        "rawset(_G, 'x', 1)",
        "rawset(redis, 'call', 1)",
        "setmetatable(redis, nil)",
        "getmetatable('').__index = nil",
        "getmetatable(redis).__index = nil",
        "getmetatable(_G).__newindex = nil",
        "table.insert(redis, 1)",
        "KEYS = nil",
        "setfenv(1, {})",
        "getfenv(0).x = 1",
        "local f = redis.call redis.setresp(3) cjson.encode_max_depth(1)",
        "redis.call = print",
        "package.loaded.os.exit()",
        "require('os')",
        "debug.getregistry()",
        "newproxy(true)",
        "module('x')",
    ] {
        eval(&mut store, script);
        let check = "return {redis.call('PING'), string.rep('x', 2), rawget(_G, 'x') == nil, #KEYS, \
                     cjson.encode({{1}}), string.format('%d', 1), tostring(redis.call('GET', 'none'))}";
        let expected = "*7\r\n+PONG\r\n$2\r\nxx\r\n:1\r\n:0\r\n$5\r\n[[1]]\r\n$1\r\n1\r\n$5\r\nfalse\r\n";
        assert_eq!(eval(&mut store, check), expected, "after {script}");
    }
    for name in
        ["os", "io", "debug", "package", "require", "dofile", "loadfile", "print", "newproxy", "getfenv"]
    {
        let reply = eval(&mut store, &format!("return {name}"));
        assert!(reply.contains("nonexistent global variable"), "{reply}");
    }
    let reply = eval(&mut store, "return loadstring('\\27Lua')");
    assert_eq!(reply, "$-1\r\n", "no compiled code");
}

#[test]
fn a_function_that_outlives_its_run_is_refused() {
    let mut store = Store::new(1 << 20);
    // The coroutine library is shown read-only, so nothing can be kept in it; KEYS belongs to the run.
    assert_eq!(eval(&mut store, "KEYS.f = redis.call return 1"), ":1\r\n");
    assert_eq!(eval(&mut store, "return KEYS.f == nil"), ":1\r\n");
}

#[test]
fn scripts_are_kept_up_to_a_limit() {
    let mut store = Store::new(1 << 20);
    let first = ask(&mut store, &["SCRIPT", "LOAD", "return 'first'"])[5..45].to_owned();
    for n in 0..SCRIPTS_MAX {
        assert!(
            Name::parse(&ask(&mut store, &["SCRIPT", "LOAD", &format!("return {n}")]).as_bytes()[5..45])
                .is_some()
        );
        if n % 100 == 0 {
            assert_eq!(ask(&mut store, &["EVALSHA", &first, "0"]), "$5\r\nfirst\r\n", "used, so it stays");
        }
    }
    assert_eq!(ask(&mut store, &["EVALSHA", &first, "0"]), "$5\r\nfirst\r\n");
    let size =
        |store: &Store| store.scripts.as_ref().map(|scripts| scripts.size()).expect("there are scripts");
    assert_eq!(size(&store).0, SCRIPTS_MAX);
    let long = format!("return 1 --{}", "x".repeat(SOURCE_BYTES_MAX));
    assert!(eval(&mut store, &long).starts_with("-ERR a script has at most"));
    let half = format!("return 1 --{}", "x".repeat(SOURCE_BYTES_MAX / 2));
    for n in 0..4 {
        assert_eq!(eval(&mut store, &format!("{half}{n}")), ":1\r\n");
    }
    let (kept, source_bytes) = size(&store);
    assert!(source_bytes <= SOURCE_BYTES_MAX && kept <= 2);
    assert_eq!(ask(&mut store, &["SCRIPT", "FLUSH"]), "+OK\r\n");
    assert!(store.scripts.is_none());
}

#[test]
fn chance_and_time_come_from_outside() {
    let mut store = Store::new(1 << 20);
    let script = "return {tostring(math.random()), redis.call('TIME')}";
    let (first, second) = (eval(&mut store, script), eval(&mut store, script));
    assert_ne!(first, second);
    assert!(first.ends_with("*2\r\n$1\r\n1\r\n$1\r\n0\r\n"), "{first}");
}
