//! External programs that the queue depends on: nsqlookupds, which get a request, and authorization servers,
//! which only get a connection.

use std::io::ErrorKind;

use config::checked::Target;
use config::endpoint;

use super::exchange::exchange;
use super::finding::Finding;
use super::patient::Patient;

/// One finding per program.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let Some(queue) = &patient.config.queue else { return vec![Finding::skipped("there is no queue")] };
    let lookups = queue.lookupd_tcp_addresses.iter().map(|address| of_lookup(address));
    let authorities = queue.auth_http_addresses.iter().map(|url| of_authority(url.reveal()));
    let found: Vec<Finding> = lookups.chain(authorities).collect();
    if found.is_empty() { vec![Finding::skipped("none are named")] } else { found }
}

fn of_lookup(address: &str) -> Finding {
    let remedy = "start it, or correct nsqlookupd_tcp_addresses of [queue]: consumers that ask it do not find this node";
    let Some(target) = target(address) else {
        return Finding::error(format!("{address} is not HOST:PORT"), remedy);
    };
    match exchange(&target, b"  V1PING\n", |text| text.len() >= 6) {
        Ok(answer) if answer.text.ends_with("OK") => Finding::fine(format!("nsqlookupd {address} answers")),
        Ok(answer) => {
            Finding::error(format!("{address} is not an nsqlookupd: it answers {:?}", answer.text), remedy)
        }
        Err(error) => Finding::error(format!("nsqlookupd {address} does not answer: {error}"), remedy),
    }
}

fn of_authority(address: &str) -> Finding {
    let remedy = "start it, or correct auth_http_addresses of [queue]: clients get E_AUTH_FAILED";
    let authority = authority_of(address);
    let default_port = if address.starts_with("https://") { 443 } else { 80 };
    let target =
        target(authority).unwrap_or_else(|| Target::Tcp { host: authority.to_owned(), port: default_port });
    // Connecting is enough: a request would need the secret of a client.
    match exchange(&target, b"", |_| true) {
        Ok(_) => Finding::fine(format!("authorization server {authority} takes connections")),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            Finding::error(format!("authorization server {authority} does not answer"), remedy)
        }
        Err(error) => {
            Finding::error(format!("authorization server {authority} does not answer: {error}"), remedy)
        }
    }
}

/// `HOST:PORT` of a URL or an address, without user and password.
fn authority_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, place)| place)
}

fn target(address: &str) -> Option<Target> {
    match endpoint::listen(address).ok()? {
        config::checked::Listen::Tcp { host, port } => Some(Target::Tcp { host, port }),
        config::checked::Listen::Unix { path, .. } => Some(Target::Unix(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_server_is_named_without_its_password() {
        for (address, authority) in [
            ("http://joe:sesame@127.0.0.1:1/auth?token=sesame", "127.0.0.1:1"),
            ("https://h/auth", "h"),
            ("h:1", "h:1"),
            ("http://h?x", "h"),
        ] {
            assert_eq!(authority_of(address), authority, "{address}");
        }
    }
}
