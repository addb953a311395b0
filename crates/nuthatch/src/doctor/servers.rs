//! Checks of every server of every pool: reachability, version, match with the
//! pool's settings, and clock difference.
//!
//! Redis servers are asked by the client that the control thread uses, with TLS and the password.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use config::checked::{Pool, Protocol, Server, Target};

use super::exchange::{Answer, PATIENCE, ask_all, exchange};
use super::finding::Finding;
use super::patient::Patient;
use crate::redis_client::{LOGIN_REFUSED, Login, RedisClient};
use crate::tls_files;

const CORRECT_AUTH: &str = "correct auth of the pool, or password of the server";

/// Clock difference, in seconds, at which times to live are off.
const CLOCKS_APART: u64 = 2;

/// A server to ask.
struct Asked {
    /// Pool and server, as they are shown.
    name: String,
    pool: String,
    protocol: Protocol,
    target: Target,
    login: Login,
}

/// One or more findings per server.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let tls = match tls_files::load(&patient.config) {
        Ok(tls) => tls.pools,
        Err(faults) => {
            let remedy = "correct the file: nothing can be asked over TLS without it";
            return faults.iter().map(|fault| Finding::error(fault.to_string(), remedy)).collect();
        }
    };
    let pools = patient.config.pools.iter();
    let servers = pools.flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
    let asked: Vec<Asked> = servers
        .filter(|(_, server)| !matches!(server.target, Target::Local | Target::Master))
        .map(|(pool, server)| {
            let tls = tls.get(&pool.name).and_then(|tls| tls.servers.clone());
            asked(pool, server, Login::of_servers(pool, tls))
        })
        .collect();
    if asked.is_empty() {
        return vec![Finding::skipped("none but the embedded cache")];
    }
    match ask_all(asked, examine) {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => vec![Finding::error(error, "see the check of descriptors")],
    }
}

fn asked(pool: &Pool, server: &Server, login: Login) -> Asked {
    Asked {
        name: format!("[pool.{}] {}", pool.name, server.identity),
        pool: pool.name.clone(),
        protocol: pool.protocol,
        target: server.target.clone(),
        login: Login { password: server.password.clone().or(login.password), ..login },
    }
}

async fn examine(server: Asked) -> Vec<Finding> {
    let Asked { name, pool, protocol, .. } = &server;
    let answer = match protocol {
        Protocol::Redis => redis(&server).await,
        Protocol::Memcache => {
            let tls = server.login.tls.as_ref();
            exchange(&server.target, tls, b"stats\r\n", ends_stats).await
        }
    };
    match answer {
        Ok(answer) => of_answer(name, *protocol, &answer, now()),
        Err(error) if error.starts_with(LOGIN_REFUSED) => {
            vec![Finding::error(format!("{name}: {error}"), CORRECT_AUTH)]
        }
        Err(error) => {
            let remedy = format!("start it, or correct servers of [pool.{pool}]");
            vec![Finding::error(format!("{name} does not answer: {error}"), remedy)]
        }
    }
}

/// Answer of a Redis server about itself, errors included.
async fn redis(server: &Asked) -> Result<Answer, String> {
    let mut client = RedisClient::connect(&server.target, &server.login, PATIENCE).await?;
    let start = Instant::now();
    let answers = client.ask(&[&["INFO", "server"], &["INFO", "replication"]], PATIENCE).await?;
    let text = String::from_utf8_lossy(&answers.concat()).into_owned();
    Ok(Answer { text, took: start.elapsed() })
}

fn ends_stats(text: &str) -> bool {
    text.ends_with("END\r\n") || text.ends_with("ERROR\r\n")
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
        (Protocol::Redis, "NOAUTH" | "NOPERM") => CORRECT_AUTH,
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
                "$9\r\nredis_version:7.0.15\r\nserver_time_usec:1000999999\r\n\r\n$1\r\nrole:slave\r\n\r\n",
                vec![(Fine, "s: redis 7.0.15"), (Warning, "s is a replica")],
            ),
            (Protocol::Redis, "-NOAUTH a\r\n-NOAUTH a\r\n", vec![(Error, "s answers: NOAUTH a")]),
        ] {
            assert!(protocol == Protocol::Redis || ends_stats(text), "{text}");
            let answer = Answer { text: text.into(), took: Duration::from_millis(1) };
            let found = of_answer("s", protocol, &answer, 1000);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (finding, (level, text)) in found.iter().zip(expected) {
                assert!(finding.level == level && finding.text.starts_with(text), "{finding:?}");
            }
        }
        assert!(!ends_stats("STAT pid 1\r\n"));
    }
}
