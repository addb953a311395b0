//! Check that every configured host name has an address.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};

use config::checked::{Config, Target};
use config::{Fault, SecretUrl};

use super::words::Words;

/// A fault for each name without an address.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let mut known: HashMap<String, Option<String>> = HashMap::new();
    let mut faults = Vec::new();
    for (option, host) in hosts(config, words) {
        let why = known.entry(host.clone()).or_insert_with(|| unknown(&host));
        if let Some(why) = why {
            let text = format!("{option}: {host} has no address: {why}");
            faults.push(Fault::error(None, text, "correct the name, or see /etc/resolv.conf and /etc/hosts"));
        }
    }
    faults
}

/// Every host and the setting that names it.
fn hosts(config: &Config, words: Words) -> Vec<(String, String)> {
    let servers = config.pools.iter().flat_map(|pool| {
        let option = words.option(&format!("[pool.{}] servers", pool.name), &format!("pool '{}'", pool.name));
        pool.servers.iter().filter_map(move |server| match &server.target {
            Target::Tcp { host, .. } => Some((option.clone(), host.clone())),
            Target::Unix(_) | Target::Local | Target::Master => None,
        })
    });
    let sentinels = config.pools.iter().flat_map(|pool| {
        let option = format!("[pool.{}] sentinels", pool.name);
        pool.discovery.sentinels.addresses.iter().map(move |(host, _)| (option.clone(), host.clone()))
    });
    let queue = config.queue.iter().flat_map(|queue| {
        let lookups = queue.lookupd_tcp_addresses.iter();
        let lookups =
            lookups.map(|at| (words.option("[queue] nsqlookupd_tcp_addresses", "nsqlookupd"), at.as_str()));
        let auths = queue.auth_http_addresses.iter().map(SecretUrl::reveal);
        let auths = auths.map(|at| (words.option("[queue] auth_http_addresses", "authorization server"), at));
        let statsd = queue.statsd.iter();
        let statsd =
            statsd.map(|statsd| (words.option("[queue] statsd_address", "statsd"), statsd.address.as_str()));
        lookups.chain(auths).chain(statsd).map(|(option, address)| (option, host_of(address).to_owned()))
    });
    let statsd = config.stats.iter().map(|stats| stats.statsd.address.as_str());
    let statsd = statsd
        .filter(|address| !address.is_empty())
        .map(|address| (words.option("[stats] statsd_address", "statsd"), host_of(address).to_owned()));
    servers.chain(sentinels).chain(queue).chain(statsd).collect()
}

/// The host of `HOST:PORT` or of a URL.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let at = authority.rsplit_once('@').map_or(authority, |(_, at)| at);
    match at.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((six, _)) => six,
        None => at.rsplit_once(':').map_or(at, |(host, _)| host),
    }
}

/// The reason a host has no address; `None` if it has one.
fn unknown(host: &str) -> Option<String> {
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    match (host, 0).to_socket_addrs() {
        Ok(mut found) => found.next().is_none().then(|| "the resolver knows no address".into()),
        Err(error) => {
            let text = error.to_string();
            Some(text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_addresses() {
        for (address, host) in [
            ("a:1", "a"),
            ("[::1]:1", "::1"),
            ("http://u:p@a.b:80/auth?x=c:1", "a.b"),
            ("https://[::1]/auth", "::1"),
            ("https://a", "a"),
            ("a", "a"),
            ("", ""),
        ] {
            assert_eq!(host_of(address), host, "{address}");
        }
    }

    #[test]
    fn literal_addresses_are_not_looked_up() {
        assert_eq!((unknown("127.0.0.1"), unknown("::1")), (None, None));
        assert!(unknown("no.such.invalid").is_some());
    }
}
