//! Sources of messages: addresses of nsqds, or of lookupds that know them, never both.

use std::io;
use std::time::Duration;

use client::ConsumerBuilder;
use config::go_flags::{Exit, FlagSpec, GoValues};
use config::nsqd::machine::error_text;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::command_line::{refuse, texts};

pub(crate) const NSQD_TCP: FlagSpec =
    texts("nsqd-tcp-address", "nsqd TCP address (may be given multiple times)");
pub(crate) const NSQD_HTTP: FlagSpec =
    texts("nsqd-http-address", "nsqd HTTP address (may be given multiple times)");
pub(crate) const LOOKUPD_HTTP: FlagSpec =
    texts("lookupd-http-address", "lookupd HTTP address (may be given multiple times)");

/// Addresses as given: only one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sources {
    Nsqd(Vec<String>),
    Lookupd(Vec<String>),
}

impl Sources {
    /// The addresses of a command line. `nsqd_flag` names the flag for nsqds; `full_stop` ends the error
    /// about missing addresses (one tool has a full stop there).
    ///
    /// # Errors
    ///
    /// No addresses, or both kinds.
    pub(crate) fn of(values: &GoValues, nsqd_flag: &str, full_stop: &str) -> Result<Sources, Exit> {
        let nsqds = values.texts(nsqd_flag);
        let lookupds = values.texts(LOOKUPD_HTTP.name);
        match (nsqds.is_empty(), lookupds.is_empty()) {
            (true, true) => refuse(format!("--{nsqd_flag} or --{} required{full_stop}", LOOKUPD_HTTP.name)),
            (false, false) => refuse(format!("use --{nsqd_flag} or --{} not both", LOOKUPD_HTTP.name)),
            (false, true) => Ok(Sources::Nsqd(nsqds.to_vec())),
            (true, false) => Ok(Sources::Lookupd(lookupds.to_vec())),
        }
    }

    /// Checks that at least one address is reachable, as a tool started by hand should. Unreachable ones are
    /// retried later if another answers; lookups always are.
    ///
    /// # Errors
    ///
    /// The error of the first address, if none is reachable.
    pub(crate) async fn reach(&self, patience: Duration) -> Result<(), Exit> {
        let Sources::Nsqd(nsqds) = self else { return Ok(()) };
        let mut first = None;
        for nsqd in nsqds {
            match timeout(patience, dial(nsqd)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    first.get_or_insert(format!("dial tcp {nsqd}: connect: {}", error_text(&error)));
                }
                Err(_) => {
                    first.get_or_insert(format!("dial tcp {nsqd}: i/o timeout"));
                }
            }
        }
        first.map_or(Ok(()), refuse)
    }

    /// Passes the addresses to a consumer.
    pub(crate) fn add_to(&self, builder: ConsumerBuilder) -> ConsumerBuilder {
        match self {
            Sources::Nsqd(nsqds) => nsqds.iter().fold(builder, |builder, nsqd| builder.nsqd(nsqd)),
            Sources::Lookupd(lookupds) => lookupds.iter().fold(builder, |builder, l| builder.lookupd(l)),
        }
    }
}

async fn dial(address: &str) -> io::Result<()> {
    if address.contains('/') {
        UnixStream::connect(address).await.map(drop)
    } else {
        TcpStream::connect(address).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_at_any_address_is_the_end() {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (server, dead) = (free(), free().local_addr().unwrap().to_string());
        let server = server.local_addr().map(|at| (at.to_string(), server)).unwrap();
        let reach = |list: &[&str]| {
            let sources = Sources::Nsqd(list.iter().map(|address| (*address).to_owned()).collect());
            crate::block_on(async move { Ok(sources.reach(Duration::from_secs(5)).await) })
        };
        assert_eq!(reach(&[&dead, &server.0]), Ok(()));
        let refused = Exit::Plain(format!("dial tcp {dead}: connect: connection refused"));
        assert_eq!(reach(&[&dead, "127.0.0.1:1"]), Err(refused));
        let lookups = Sources::Lookupd(vec![dead]);
        assert_eq!(crate::block_on(async move { Ok(lookups.reach(Duration::ZERO).await) }), Ok(()));
    }
}
