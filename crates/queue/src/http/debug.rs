//! `/debug/…`, where it applies here.
//!
//! The heap profile is readable by `go tool pprof` and splits memory by kind, as Linux reports it. CPU,
//! goroutine, blocking and thread profiles answer 501 with a text that says what to use.

use std::io::Write;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;

use ::http::answer::{HTML, TEXT, with_type};
use ::http::{Asked, HttpRefusal};

/// nsqd's answer to a forced garbage collection or a change of the block rate: it obeys, and then fails to
/// answer. Here there is no garbage to collect, and no blocking profile.
pub(super) const DONE_NOTHING: HttpRefusal =
    HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR");

const INDEX: &str = "<html>
<head>
<title>/debug/pprof/</title>
</head>
<body>
<p>Profiles of this process:</p>
<ul>
<li><a href='cmdline'>cmdline</a>: its command line</li>
<li><a href='heap'>heap</a>: its memory, for <code>go tool pprof</code></li>
</ul>
<p>For a CPU profile run <code>perf record -g -p PID</code>; for what it is waiting on, <code>/stats</code>.</p>
</body>
</html>
";

const NO_PROFILE: &str = "this profile is one of a Go runtime, which this daemon does not have\n\
    CPU: perf record -g -p PID, then perf report\n\
    memory: /debug/pprof/heap\n\
    connections, depths, latencies: /stats\n";

/// The page at `/debug/pprof/`.
pub(super) fn index() -> Response<Body> {
    with_type(StatusCode::OK, HTML, INDEX)
}

/// The command line, its words separated by zero bytes.
pub(super) fn command_line() -> Response<Body> {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    with_type(StatusCode::OK, TEXT, words.join("\0"))
}

/// The answer to pprof's first request: addresses can be looked up in the binary.
pub(super) fn symbol() -> Response<Body> {
    with_type(StatusCode::OK, TEXT, "num_symbols: 1\n")
}

/// The refusal of a profile, with what to use instead.
pub(super) fn no_profile() -> Response<Body> {
    with_type(StatusCode::NOT_IMPLEMENTED, TEXT, NO_PROFILE)
}

/// Checks the rate, with Go's error text, and does nothing else.
pub(super) fn set_block_rate(asked: &Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    let rate = query.text("rate").unwrap_or_default();
    if rate.parse::<i64>().is_ok() {
        return Err(DONE_NOTHING);
    }
    let text = format!("invalid block rate : strconv.Atoi: parsing {rate:?}: invalid syntax");
    Ok(with_type(StatusCode::BAD_REQUEST, TEXT, text))
}

/// Resident memory by kind, as a compressed profile.
pub(super) fn heap() -> Response<Body> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let profile = profile(&resident(&status));
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let packed = out.write_all(&profile).and_then(|()| out.finish()).unwrap_or_default();
    with_type(StatusCode::OK, "application/octet-stream", packed)
}

/// Kinds of resident memory and their bytes.
fn resident(status: &str) -> Vec<(&'static str, u64)> {
    const KINDS: [(&str, &str); 3] =
        [("RssAnon:", "heap and stacks"), ("RssFile:", "mapped files"), ("RssShmem:", "shared memory")];
    let bytes = |key| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    };
    KINDS.into_iter().filter_map(|(key, name)| Some((name, bytes(key)?))).collect()
}

/// A profile in pprof's protocol buffers: one sample of bytes per kind, each in a function of that name.
fn profile(kinds: &[(&str, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    // strings: 0 is empty, 1 and 2 name the value, the rest are the kinds
    let mut strings: Vec<&str> = vec!["", "inuse_space", "bytes"];
    nested(&mut out, 1, |value| {
        number(value, 1, 1);
        number(value, 2, 2);
    });
    for (n, (name, bytes)) in (1..).zip(kinds) {
        nested(&mut out, 2, |sample| {
            number(sample, 1, n);
            number(sample, 2, *bytes);
        });
        nested(&mut out, 4, |location| {
            number(location, 1, n);
            nested(location, 4, |line| number(line, 1, n));
        });
        nested(&mut out, 5, |function| {
            number(function, 1, n);
            number(function, 2, strings.len() as u64);
        });
        strings.push(name);
    }
    for text in strings {
        nested(&mut out, 6, |field| field.extend_from_slice(text.as_bytes()));
    }
    out
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn nested(out: &mut Vec<u8>, field: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    varint(out, field << 3 | 2);
    varint(out, inner.len() as u64);
    out.extend_from_slice(&inner);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_by_kind() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     300 kB\nRssFile:\t 2 kB\nRssShmem:\t0 kB\n";
        let kinds = resident(status);
        assert_eq!(kinds, [("heap and stacks", 307_200), ("mapped files", 2048), ("shared memory", 0)]);
        assert_eq!(resident("RssAnon:\tmuch\n"), []);
    }

    #[test]
    fn a_profile_with_one_sample() {
        let expected = b"\x0a\x04\x08\x01\x10\x02\
            \x12\x05\x08\x01\x10\xac\x02\
            \x22\x06\x08\x01\x22\x02\x08\x01\
            \x2a\x04\x08\x01\x10\x03\
            \x32\x00\x32\x0binuse_space\x32\x05bytes\x32\x01k";
        assert_eq!(profile(&[("k", 300)]), expected);
    }
}
