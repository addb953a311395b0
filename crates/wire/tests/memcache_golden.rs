//! The requests of the conversations recorded from nutcracker 0.5.0 and memcached 1.6.18: every request that
//! nutcracker forwarded is well-formed here, every server answer is a reply to it, and every request on which
//! nutcracker hangs up is either an error line here or a command it did not know.

use std::path::{Path, PathBuf};

use nuthatch_wire::memcache::{COMMANDS, Limits, ReplyScanner, RequestScanner, Scan};
use serde_json::Value;

fn golden() -> Option<Vec<Value>> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("../shared/golden/nutcracker_memcache.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Bytes of a recorded string: one character is one byte, `⟦rep:N:HEX⟧` is a repetition. None if it has other
/// tokens.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{27e6}') {
        out.extend(before.chars().map(|c| c as u8));
        let (token, after) = after.split_once('\u{27e7}')?;
        let (count, hex) = token.strip_prefix("rep:")?.split_once(':')?;
        let unit: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        out.extend(unit.repeat(count.parse().unwrap()));
        rest = after;
    }
    out.extend(rest.chars().map(|c| c as u8));
    Some(out)
}

/// Scans a whole stream of requests; the bytes left over and the number of bad ones.
fn scan_all(stream: &[u8]) -> (usize, usize) {
    let (mut rest, mut good, mut bad) = (stream, 0, 0);
    loop {
        match RequestScanner::new().scan(rest, &Limits::default()) {
            Scan::Done(request) => {
                good += 1;
                rest = &rest[request.frame_len()..];
            }
            Scan::NeedMore { .. } => return (good, bad),
            Scan::Bad(fault) => {
                bad += 1;
                if fault.close || fault.skip as usize >= rest.len() {
                    return (good, bad);
                }
                rest = &rest[fault.skip as usize..];
            }
        }
    }
}

#[test]
fn what_the_servers_saw_is_well_formed_and_so_are_their_replies() {
    let Some(cases) = golden() else { return };
    let mut exchanges = 0;
    for case in &cases {
        let log = case["backend_log"].as_object().into_iter().flat_map(|log| log.values());
        for entry in log.filter_map(Value::as_array).flatten() {
            let Some(sent) = entry["req"].as_str().and_then(bytes) else { continue };
            let Some(answer) = entry["rep"].as_str().and_then(bytes) else { continue };
            let request = match RequestScanner::new().scan(&sent, &Limits::default()) {
                Scan::Done(request) => request,
                // nutcracker leaves number checks to the server; we answer with the same line
                Scan::Bad(fault) if fault.reply == answer && !fault.close => continue,
                other => panic!("{}: {:?}: {other:?}", case["id"], sent.escape_ascii().to_string()),
            };
            assert_eq!(request.frame_len(), sent.len());
            if answer.is_empty() {
                assert!(request.noreply(), "{entry}");
                continue;
            }
            let outcome = ReplyScanner::new().scan(
                &answer,
                request.expect(),
                request.asked().of(&sent),
                &Limits::default(),
            );
            assert!(
                matches!(&outcome, Scan::Done(reply) if reply.len == answer.len()),
                "{}: {:?} to {:?}: {outcome:?}",
                case["id"],
                answer.escape_ascii().to_string(),
                sent.escape_ascii().to_string()
            );
            exchanges += 1;
        }
    }
    assert!(exchanges > 100, "only {exchanges} exchanges were found");
}

/// True for commands unknown to nutcracker, words it does not expect, and negative numbers.
fn nutcracker_is_stricter(stream: &[u8]) -> bool {
    let line = stream.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let expected = match words.next().unwrap_or_default() {
        b"get" | b"gets" => usize::MAX,
        b"set" | b"add" | b"replace" | b"append" | b"prepend" => 4,
        b"cas" => 5,
        b"incr" | b"decr" | b"touch" => 2,
        b"delete" => 1,
        b"version" | b"quit" => 0,
        word => return COMMANDS.iter().any(|row| row.name.as_bytes() == word),
    };
    line.windows(2).any(|pair| pair == b" -") || words.count() > expected
}

#[test]
fn what_nutcracker_answered_is_well_formed_and_what_it_refused_is_refused_or_known() {
    let Some(cases) = golden() else { return };
    let (mut accepted, mut refused) = (0, 0);
    for case in &cases {
        let id = case["id"].as_str().unwrap();
        let stream: Vec<u8> = case["steps"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|step| step["conn"] == "a")
            .filter_map(|step| step["send"].as_str().and_then(bytes))
            .flatten()
            .collect();
        let (good, bad) = scan_all(&stream);
        if id.starts_with("nmem-bad-") && id.len() == "nmem-bad-00".len() {
            if !nutcracker_is_stricter(&stream) {
                assert!(bad > 0, "{id}: {:?}", stream.escape_ascii().to_string());
                refused += 1;
            }
        } else if !["nmem-bad-after-ok", "nmem-bad-other-client", "nmem-counter"].contains(&id)
            && !id.starts_with("nmem-key-len")
        {
            assert_eq!(bad, 0, "{id}");
            assert!(good > 0, "{id}");
            accepted += 1;
        }
    }
    assert!(refused > 20 && accepted > 20, "{refused} refused, {accepted} accepted");
}
