//! External programs that the queue depends on: nsqlookupds, which get a request, and authorization servers,
//! which only get a connection.

use config::checked::Target;
use config::endpoint;

use super::exchange::{ask_all, exchange};
use super::finding::Finding;
use super::patient::Patient;

/// A program to ask.
enum Asked {
    /// An nsqlookupd, by its address.
    Lookup(String),
    /// An authorization server, by its URL.
    Authority(String),
}

/// One finding per program.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let Some(queue) = &patient.config.queue else { return vec![Finding::skipped("there is no queue")] };
    let lookups = queue.lookupd_tcp_addresses.iter().cloned().map(Asked::Lookup);
    let authorities = queue.auth_http_addresses.iter().map(|url| Asked::Authority(url.reveal().to_owned()));
    let asked: Vec<Asked> = lookups.chain(authorities).collect();
    if asked.is_empty() {
        return vec![Finding::skipped("none are named")];
    }
    ask_all(asked, examine)
        .unwrap_or_else(|error| vec![Finding::error(error, "see the check of descriptors")])
}

async fn examine(asked: Asked) -> Finding {
    match asked {
        Asked::Lookup(address) => of_lookup(&address).await,
        Asked::Authority(url) => of_authority(&url).await,
    }
}

async fn of_lookup(address: &str) -> Finding {
    let remedy = "start it, or correct nsqlookupd_tcp_addresses of [queue]: consumers that ask it do not find this node";
    let Some(target) = target(address) else {
        return Finding::error(format!("{address} is not HOST:PORT"), remedy);
    };
    match exchange(&target, None, b"  V1PING\n", |text| text.len() >= 6).await {
        Ok(answer) if answer.text.ends_with("OK") => Finding::fine(format!("nsqlookupd {address} answers")),
        Ok(answer) => {
            Finding::error(format!("{address} is not an nsqlookupd: it answers {:?}", answer.text), remedy)
        }
        Err(error) => Finding::error(format!("nsqlookupd {address} does not answer: {error}"), remedy),
    }
}

async fn of_authority(address: &str) -> Finding {
    let remedy = "start it, or correct auth_http_addresses of [queue]: clients get E_AUTH_FAILED";
    let authority = authority_of(address);
    let default_port = if address.starts_with("https://") { 443 } else { 80 };
    let target =
        target(authority).unwrap_or_else(|| Target::Tcp { host: authority.to_owned(), port: default_port });
    // Connecting is enough: a request would need the secret of a client.
    match exchange(&target, None, b"", |_| true).await {
        Ok(_) => Finding::fine(format!("authorization server {authority} takes connections")),
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
