//! Checks of every server of every pool: reachability, version, match with the
//! pool's settings, and clock difference.
//!
//! Servers are queried concurrently, a limited number at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use config::checked::{Pool, Protocol, Server, Target};

use super::exchange::{Answer, exchange};
use super::finding::Finding;
use super::patient::Patient;

/// Most servers queried at the same time.
const AT_A_TIME: usize = 16;
/// Clock difference, in seconds, at which times to live are off.
const CLOCKS_APART: u64 = 2;

/// One or more findings per server.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let servers: Vec<(&Pool, &Server)> = patient
        .config
        .pools
        .iter()
        .flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)))
        .filter(|(_, server)| !matches!(server.target, Target::Local | Target::Master))
        .collect();
    if servers.is_empty() {
        return vec![Finding::skipped("none but the embedded cache")];
    }
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(servers.len()) {
            scope.spawn(|| {
                while let Some((at, (pool, server))) = take(&next, &servers) {
                    let findings = examine(pool, server);
                    if let Ok(mut found) = found.lock() {
                        found.push((at, findings));
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap_or_default();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().flat_map(|(_, findings)| findings).collect()
}

fn take<T: Copy>(next: &AtomicUsize, all: &[T]) -> Option<(usize, T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    all.get(at).map(|one| (at, *one))
}

fn examine(pool: &Pool, server: &Server) -> Vec<Finding> {
    let name = format!("[pool.{}] {}", pool.name, server.identity);
    if pool.server_tls.is_some() {
        return vec![of_connection(&name, pool, server)];
    }
    let request = request(pool, server);
    match exchange(&server.target, &request, |text| is_whole(pool.protocol, text)) {
        Err(error) => {
            let remedy = format!("start it, or correct servers of [pool.{}]", pool.name);
            vec![Finding::error(format!("{name} does not answer: {error}"), remedy)]
        }
        Ok(answer) => of_answer(&name, pool.protocol, &answer, now()),
    }
}

/// Finding for a server behind TLS, which the doctor does not speak: it only connects.
fn of_connection(name: &str, pool: &Pool, server: &Server) -> Finding {
    match exchange(&server.target, b"", |_| true) {
        Ok(_) => Finding::fine(format!("{name} takes connections; it was not asked over TLS")),
        Err(error) => {
            let remedy = format!("start it, or correct servers of [pool.{}]", pool.name);
            Finding::error(format!("{name} does not answer: {error}"), remedy)
        }
    }
}

/// The requests, in one write. The answer to the last one marks the end of all.
fn request(pool: &Pool, server: &Server) -> Vec<u8> {
    match pool.protocol {
        Protocol::Memcache => b"stats\r\n".to_vec(),
        Protocol::Redis => {
            let mut bytes = Vec::new();
            if let Some(password) = server.password.as_ref().or(pool.auth.as_ref()) {
                let password = password.reveal().as_bytes();
                bytes.extend(format!("*2\r\n$4\r\nAUTH\r\n${}\r\n", password.len()).bytes());
                bytes.extend(password);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n");
            bytes
        }
    }
}

fn is_whole(protocol: Protocol, text: &str) -> bool {
    match protocol {
        Protocol::Memcache => text.ends_with("END\r\n") || text.ends_with("ERROR\r\n"),
        // A server that refuses the password refuses ECHO too, in the last of three or four lines.
        Protocol::Redis => {
            text.ends_with("$3\r\nend\r\n")
                || (text.ends_with("\r\n") && text.lines().filter(|line| line.starts_with('-')).count() >= 3)
        }
    }
}

fn of_answer(name: &str, protocol: Protocol, answer: &Answer, now: u64) -> Vec<Finding> {
    let text = &answer.text;
    let (version, clock) = match protocol {
        Protocol::Memcache => (value(text, "STAT version "), value(text, "STAT time ")),
        Protocol::Redis => (value(text, "redis_version:"), value(text, "server_time_usec:")),
    };
    let Some(version) = version else { return vec![refused(name, protocol, text)] };
    let program = if protocol == Protocol::Redis { "redis" } else { "memcached" };
    let took = format!("{:.1} ms", answer.took.as_secs_f64() * 1000.0);
    let mut findings = vec![Finding::fine(format!("{name}: {program} {version}, {took}"))];
    if value(text, "role:").is_some_and(|role| role == "slave") {
        findings.push(Finding::warning(
            format!("{name} is a replica: it refuses writes"),
            "name its master in servers, or REPLICAOF NO ONE if it has taken over",
        ));
    }
    let clock = clock.and_then(|clock| clock.parse::<u64>().ok());
    let clock = if protocol == Protocol::Redis { clock.map(|micros| micros / 1_000_000) } else { clock };
    if let Some(apart) = clock.map(|clock| clock.abs_diff(now)).filter(|apart| *apart >= CLOCKS_APART) {
        findings.push(Finding::warning(
            format!("{name}: its clock and this machine's are {apart} s apart: EXPIREAT and absolute exptimes are off by so much"),
            "run chrony or systemd-timesyncd on both",
        ));
    }
    findings
}

/// Finding for an answer without a version.
fn refused(name: &str, protocol: Protocol, text: &str) -> Finding {
    let first = text.lines().find(|line| line.starts_with('-')).or(text.lines().next()).unwrap_or_default();
    let first = first.trim_start_matches('-');
    let word = first.split(' ').next().unwrap_or_default();
    let remedy = match (protocol, word) {
        (Protocol::Redis, "NOAUTH" | "WRONGPASS" | "NOPERM") => {
            "correct auth of the pool, or password of the server"
        }
        (Protocol::Redis, "ERR") if first.contains("password") => {
            "correct auth of the pool, or password of the server"
        }
        _ => "is it a server of the pool's protocol?",
    };
    Finding::error(format!("{name} answers: {first}"), remedy)
}

/// The rest of the line that starts with `name`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::finding::Level::{Error, Fine, Warning};
    use super::*;

    #[test]
    fn answers_of_servers() {
        for (protocol, text, expected) in [
            (
                Protocol::Memcache,
                "STAT version 1.6.18\r\nSTAT time 1000\r\nEND\r\n",
                vec![(Fine, "s: memcached 1.6.18")],
            ),
            (
                Protocol::Memcache,
                "STAT version 1.6.18\r\nSTAT time 1009\r\nEND\r\n",
                vec![(Fine, "s: memcached"), (Warning, "s: its clock and this machine's are 9 s apart")],
            ),
            (Protocol::Memcache, "ERROR\r\n", vec![(Error, "s answers: ERROR")]),
            (
                Protocol::Redis,
                "+OK\r\n$9\r\nredis_version:7.0.15\r\nserver_time_usec:1000999999\r\n\r\n$1\r\nrole:slave\r\n\r\n$3\r\nend\r\n",
                vec![(Fine, "s: redis 7.0.15"), (Warning, "s is a replica")],
            ),
            (
                Protocol::Redis,
                "-WRONGPASS no\r\n-NOAUTH a\r\n-NOAUTH a\r\n-NOAUTH a\r\n",
                vec![(Error, "s answers: WRONGPASS no")],
            ),
        ] {
            assert!(is_whole(protocol, text), "{text}");
            let answer = Answer { text: text.into(), took: Duration::from_millis(1) };
            let found = of_answer("s", protocol, &answer, 1000);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (finding, (level, text)) in found.iter().zip(expected) {
                assert!(finding.level == level && finding.text.starts_with(text), "{finding:?}");
            }
        }
        assert!(!is_whole(Protocol::Redis, "+OK\r\n") && !is_whole(Protocol::Memcache, "STAT pid 1\r\n"));
    }
}
