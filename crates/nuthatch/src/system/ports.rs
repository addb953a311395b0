//! Check that every address to listen on is free.

use std::io::ErrorKind;
use std::path::Path;

use config::Fault;
use config::checked::{Config, Listen};
use config::endpoint::show_listen;
use net::BindError;

use super::words::Words;
use super::{holder, paths};
use crate::start_error::Place;

/// A fault for each listener that could not be bound.
pub fn check(config: &Config, words: Words) -> Vec<Fault> {
    let faults = listeners(config).into_iter().filter_map(|(place, listen)| {
        let why = match listen {
            Listen::Tcp { host, port } => tcp(host, *port)?,
            Listen::Unix { path, .. } => unix(path)?,
        };
        let text = format!("{}: {}: {}", words.place(&place), show_listen(listen), why.0);
        Some(Fault::error(None, text, why.1))
    });
    faults.collect()
}

/// Every listener of a configuration.
fn listeners(config: &Config) -> Vec<(Place, &Listen)> {
    let pools = config
        .pools
        .iter()
        .flat_map(|pool| pool.listen.iter().map(|listen| (Place::Pool(pool.name.clone()), &listen.address)));
    let stats = config.stats.iter().map(|stats| (Place::Stats, &stats.listen));
    let admin = config.admin.iter().map(|admin| (Place::Admin, &admin.listen));
    let queue = config.queue.iter().flat_map(|queue| {
        let http = queue.http.iter().map(|listen| (Place::QueueHttp, listen));
        let https = queue.https.iter().map(|listen| (Place::QueueHttps, listen));
        std::iter::once((Place::QueueTcp, &queue.tcp)).chain(http).chain(https)
    });
    let lookup = config
        .lookup
        .iter()
        .flat_map(|lookup| [(Place::LookupTcp, &lookup.tcp), (Place::LookupHttp, &lookup.http)]);
    pools.chain(stats).chain(admin).chain(queue).chain(lookup).collect()
}

/// The fault of an address, and its remedy.
fn tcp(host: &str, port: u16) -> Option<(String, String)> {
    let error = net::can_bind(host, port).err()?;
    if let BindError::Name { error, .. } = &error {
        return Some((format!("{host} has no address: {error}"), "write an address of this machine".into()));
    }
    Some(match error.error().kind() {
        ErrorKind::AddrInUse => {
            let holder = holder::of_port(port);
            (format!("in use by {}", holder::shown(holder)), "stop it, or choose another port".into())
        }
        ErrorKind::PermissionDenied => (
            format!("port {port} is for privileged processes"),
            "choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE".into(),
        ),
        ErrorKind::AddrNotAvailable => {
            (format!("{host} is not an address of this machine"), "ip addr shows those there are".into())
        }
        _ => (error.to_string(), String::new()),
    })
}

fn unix(path: &Path) -> Option<(String, String)> {
    if let Err(error) = net::can_bind_unix(path) {
        return Some(match error.kind() {
            ErrorKind::AddrInUse => {
                let why = "in use by another process, or not a socket";
                (why.into(), "stop it, or choose another path".into())
            }
            _ => (error.to_string(), String::new()),
        });
    }
    paths::writable_directory(paths::above(path)).err().map(|why| (why, String::new()))
}
