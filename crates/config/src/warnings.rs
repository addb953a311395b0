//! Warnings about legal but probably unintended configurations.
//!
//! A warning never refuses a file: fleets run on such ones. It names the native option that causes it, also
//! for a file of another kind.

use crate::checked::{
    Admin, ClientAuth, ClientCertificate, Listen, NEAR_FIRST, Pool, PoolListen, Queue, TlsVersion,
};
use crate::endpoint::show_listen;

/// A warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The native option that causes it.
    pub option: &'static str,
    /// The doubtful setting.
    pub text: String,
    /// Its remedy.
    pub help: String,
}

fn warning(option: &'static str, text: impl Into<String>, help: impl Into<String>) -> Warning {
    Warning { option, text: text.into(), help: help.into() }
}

/// Doubtful settings of a pool; `has_users` if a user names it.
pub fn of_pool(pool: &Pool, has_users: bool) -> Vec<Warning> {
    let mut found: Vec<Warning> = placement(pool);
    let required = |listen: &PoolListen| {
        listen.tls && pool.tls.as_ref().is_some_and(|tls| tls.client_auth == ClientCertificate::Required)
    };
    let public = pool.listen.iter().find(|listen| is_public(&listen.address) && !required(listen));
    if let Some(listen) = public.filter(|_| pool.auth.is_none() && !has_users) {
        let address = show_listen(&listen.address);
        let text = format!("{address} is open to everybody who can reach this machine");
        found.push(warning(
            "listen",
            text,
            "listen on 127.0.0.1 or a private address, or name users for the pool",
        ));
    }
    if pool.auth.is_some() && pool.tls.is_some() {
        let plain = pool.listen.iter().find(|listen| !listen.tls && is_public(&listen.address));
        if let Some(listen) = plain {
            let text = format!("passwords cross the network in clear at {}", show_listen(&listen.address));
            found.push(warning(
                "listen",
                text,
                "write it as a table with tls = true, or listen on 127.0.0.1",
            ));
        }
    }
    if pool.timeout.is_none() {
        let text = "without a timeout a stuck server holds its clients for ever";
        found.push(warning("timeout", text, "set timeout = \"400ms\" or what your clients can bear"));
    }
    if pool.auto_eject_hosts && pool.servers.len() == 1 {
        let text = "auto_eject_hosts with one server leaves none when it is ejected";
        found.push(warning("auto_eject_hosts", text, "remove it, or add servers"));
    }
    if pool.server_connections > 1 {
        let text = format!(
            "with server_connections = {} a client's requests to one server may overtake each other",
            pool.server_connections
        );
        found.push(warning(
            "server_connections",
            text,
            "leave it at 1 unless your clients never depend on order",
        ));
    }
    found
}

/// Warnings about the ring.
fn placement(pool: &Pool) -> Vec<Warning> {
    let nodes: Vec<ring::Node> = pool
        .servers
        .iter()
        .map(|server| ring::Node::new(server.identity.as_bytes(), server.weight))
        .collect();
    let warnings = ring::warnings(pool.distribution, pool.hash, &nodes);
    let blame = |found: &ring::Warning| match found {
        ring::Warning::HashTooNarrow { .. } => ("hash", "choose another hash, such as murmur"),
        ring::Warning::NoPoints { .. } => ("servers", "choose weights that are closer together"),
        ring::Warning::WeightsIgnored(_) => {
            ("distribution", "remove the weights, or choose another distribution")
        }
    };
    warnings
        .into_iter()
        .map(|found| {
            let (option, help) = blame(&found);
            warning(option, found.to_string(), help)
        })
        .collect()
}

/// Doubtful settings of the admin port; `asks_for_login` if a user has rights there.
pub fn of_admin(admin: &Admin, asks_for_login: bool) -> Vec<Warning> {
    if !is_public(&admin.listen) {
        return Vec::new();
    }
    let address = show_listen(&admin.listen);
    let (text, help) = match (asks_for_login, &admin.tls) {
        (false, _) => (
            format!("{address} shows names, keys and messages to everybody who can reach it"),
            "listen on 127.0.0.1, or give a user admin = \"view\" or \"operate\": then it asks for a login",
        ),
        (true, None) => (format!("passwords cross the network in clear at {address}"), "set tls"),
        (true, Some(_)) => return Vec::new(),
    };
    vec![warning("listen", text, help)]
}

/// Doubtful settings of the queue.
pub fn of_queue(queue: &Queue) -> Vec<Warning> {
    let mut found = Vec::new();
    let open = queue.auth_http_addresses.is_empty()
        && queue.tls.as_ref().is_none_or(|tls| tls.client_auth == ClientAuth::None);
    if open && is_public(&queue.tcp) {
        let text = format!("{} is open to everybody who can reach this machine", show_listen(&queue.tcp));
        found.push(warning(
            "tcp",
            text,
            "listen on 127.0.0.1 or a private address, or set auth_http_addresses",
        ));
    }
    if let Some(http) = queue.http.as_ref().filter(|http| is_public(http)) {
        let text = format!("{} lets everybody who can reach it publish and delete", show_listen(http));
        found.push(warning("http", text, "listen on 127.0.0.1 or a private address"));
    }
    if queue.msg_timeout.is_zero() {
        found.push(warning("msg_timeout", "every message times out at once", "set msg_timeout = \"1m\""));
    }
    if queue.msg_timeout > queue.max_msg_timeout {
        found.push(warning("msg_timeout", "msg_timeout is above max_msg_timeout", "raise max_msg_timeout"));
    }
    if queue.max_msg_size > queue.max_body_size {
        found.push(warning("max_msg_size", "max_msg_size is above max_body_size", "raise max_body_size"));
    }
    if queue.min_output_buffer_timeout > queue.max_output_buffer_timeout {
        let text = "min_output_buffer_timeout is above max_output_buffer_timeout";
        found.push(warning("min_output_buffer_timeout", text, "clients cannot ask for any; swap them"));
    }
    found.extend(addresses_without_port(queue));
    for name in queue.experiments.iter().filter(|name| *name != NEAR_FIRST) {
        let help = format!("the one there is is {NEAR_FIRST}");
        found.push(warning("enable_experiment", format!("there is no experiment {name}"), help));
    }
    if queue.tls.is_some() && queue.tls_min_version == TlsVersion::Tls11 {
        found.push(warning(
            "tls_min_version",
            "TLS 1.1 is never offered",
            "set tls_min_version = \"tls1.2\"",
        ));
    }
    found
}

/// Warnings for addresses to connect to that have no port.
fn addresses_without_port(queue: &Queue) -> impl Iterator<Item = Warning> {
    let lookups = queue.lookupd_tcp_addresses.iter().map(|address| ("nsqlookupd_tcp_addresses", address));
    let statsd = queue.statsd.iter().map(|statsd| ("statsd_address", &statsd.address));
    lookups
        .chain(statsd)
        .filter(|(_, address)| {
            let port = address.rsplit_once(':').map(|(_, port)| port);
            port.and_then(|port| port.parse::<u16>().ok()).is_none()
        })
        .map(|(option, address)| warning(option, format!("{address} has no port"), "write HOST:PORT"))
}

/// True for a wildcard address, which other machines can reach.
fn is_public(listen: &Listen) -> bool {
    matches!(listen, Listen::Tcp { host, .. } if matches!(host.as_str(), "0.0.0.0" | "::" | ""))
}
