//! Sentinels of pools: each answers, names the pool's masters, and knows enough others for a failover.

use config::checked::{Target, Topology};
use wire::url::host_port;

use super::exchange::{PATIENCE, ask_all};
use super::finding::Finding;
use super::patient::Patient;
use crate::redis_client::{LOGIN_REFUSED, Login, RedisClient};
use crate::tls_files;

const CORRECT_LOGIN: &str = "correct sentinel_user and sentinel_password_file";

/// A Sentinel to ask, and the masters that it should know.
struct Asked {
    name: String,
    target: Target,
    login: Login,
    masters: Vec<String>,
}

/// One or more findings per Sentinel.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let pools = patient.config.pools.iter();
    let pools: Vec<_> = pools.filter(|pool| pool.discovery.topology == Topology::Sentinel).collect();
    if pools.is_empty() {
        return vec![Finding::skipped("no pool has any")];
    }
    let Ok(tls) = tls_files::load(&patient.config) else {
        return vec![Finding::skipped("not asked: TLS files cannot be used, see servers")];
    };
    let asked = pools.into_iter().flat_map(|pool| {
        let login = Login::of_sentinels(pool, tls.sentinels.get(&pool.name).cloned());
        pool.discovery.sentinels.addresses.iter().map(move |(host, port)| Asked {
            name: format!("[pool.{}] Sentinel {}", pool.name, host_port(host, port)),
            target: Target::Tcp { host: host.clone(), port: *port },
            login: login.clone(),
            masters: pool.servers.iter().map(|master| master.identity.clone()).collect(),
        })
    });
    match ask_all(asked.collect(), examine) {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => vec![Finding::error(error, "see the check of descriptors")],
    }
}

async fn examine(sentinel: Asked) -> Vec<Finding> {
    let Asked { name, masters, .. } = &sentinel;
    match ask(&sentinel).await {
        Ok(answers) => masters.iter().zip(answers).map(|(m, answer)| of_master(name, m, &answer)).collect(),
        Err(error) if error.starts_with(LOGIN_REFUSED) => {
            vec![Finding::error(format!("{name}: {error}"), CORRECT_LOGIN)]
        }
        Err(error) => {
            let text = format!("{name} does not answer: {error}");
            vec![Finding::error(text, "start it, or correct sentinels")]
        }
    }
}

/// The answers about each master, without their line ends.
async fn ask(sentinel: &Asked) -> Result<Vec<String>, String> {
    let mut client = RedisClient::connect(&sentinel.target, &sentinel.login, PATIENCE).await?;
    let mut answers = Vec::new();
    for master in &sentinel.masters {
        let answer = client.ask(&[&["SENTINEL", "CKQUORUM", master]], PATIENCE).await?.concat();
        answers.push(String::from_utf8_lossy(answer.trim_ascii_end()).into_owned());
    }
    Ok(answers)
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
        Finding::error(text, CORRECT_LOGIN)
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
