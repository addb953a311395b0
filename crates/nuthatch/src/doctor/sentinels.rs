//! Sentinels of pools: each answers, names the pool's masters, and knows enough others for a failover.

use config::checked::{Pool, Target, Topology};
use wire::redis::encode;

use super::exchange::exchange;
use super::finding::Finding;
use super::patient::Patient;

/// One or more findings per Sentinel.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let pools = patient.config.pools.iter().filter(|pool| pool.discovery.topology == Topology::Sentinel);
    let found: Vec<Finding> = pools
        .flat_map(|pool| {
            pool.discovery.sentinels.addresses.iter().flat_map(|(host, port)| examine(pool, host, *port))
        })
        .collect();
    if found.is_empty() { vec![Finding::skipped("no pool has any")] } else { found }
}

fn examine(pool: &Pool, host: &str, port: u16) -> Vec<Finding> {
    let name = format!("[pool.{}] Sentinel {host}:{port}", pool.name);
    if pool.discovery.sentinels.tls.is_some() {
        return vec![Finding::skipped(format!("{name} speaks TLS, which is not asked here"))];
    }
    let login = usize::from(pool.discovery.sentinels.password.is_some());
    let target = Target::Tcp { host: host.to_owned(), port };
    let wanted = login + pool.servers.len();
    let answer = match exchange(&target, &requests(pool), |text| text.matches("\r\n").count() >= wanted) {
        Ok(answer) => answer,
        Err(error) => {
            let text = format!("{name} does not answer: {error}");
            return vec![Finding::error(text, "start it, or correct sentinels")];
        }
    };
    let answers = answer.text.lines().skip(login).zip(&pool.servers);
    answers.map(|(answer, master)| of_master(&name, &master.identity, answer)).collect()
}

fn requests(pool: &Pool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |words: &[&str]| {
        encode::array(&mut bytes, words.len());
        words.iter().for_each(|word| encode::bulk(&mut bytes, word.as_bytes()));
    };
    let sentinels = &pool.discovery.sentinels;
    match (&sentinels.user, &sentinels.password) {
        (Some(user), Some(password)) => add(&["AUTH", user, password.reveal()]),
        (None, Some(password)) => add(&["AUTH", password.reveal()]),
        (_, None) => {}
    }
    for master in &pool.servers {
        add(&["SENTINEL", "CKQUORUM", &master.identity]);
    }
    bytes
}

fn of_master(name: &str, master: &str, answer: &str) -> Finding {
    let text = format!("{name}, master {master}: {}", answer.trim_start_matches(['+', '-']));
    if answer.starts_with('+') {
        Finding::fine(text)
    } else if answer.starts_with("-NOQUORUM") {
        Finding::warning(text, "start the other Sentinels: until then there is no failover")
    } else if answer.contains("No such master") {
        Finding::error(text, "correct masters: `sentinel masters` lists the names")
    } else {
        Finding::error(text, "correct sentinel_user and sentinel_password_file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn answers() {
        for (answer, level) in [
            ("+OK 3 usable Sentinels. Quorum and failover authorization can be reached", Level::Fine),
            (
                "-NOQUORUM 1 usable Sentinels. Not enough available Sentinels to reach the majority",
                Level::Warning,
            ),
            ("-ERR No such master with that name", Level::Error),
            ("-NOAUTH Authentication required.", Level::Error),
        ] {
            assert_eq!(of_master("s", "m", answer).level, level, "{answer}");
        }
    }
}
