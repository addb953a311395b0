//! A server of a pool on one shard: its address, its connections, its health.

use config::checked::{self, Target};
use net::{Address, Instant, SocketOptions, TimerId};

use crate::backoff::Backoff;
use crate::fail::Failure;
use crate::health::Health;
use crate::server_conn::ServerConn;

#[derive(Debug)]
pub(crate) struct Server {
    /// Where to connect; None for the embedded cache.
    pub(crate) address: Option<Address>,
    pub(crate) options: SocketOptions,
    /// What is sent first on a connection for RESP2, and how many replies it will get.
    pub(crate) password: Option<String>,
    /// `server_connections` for RESP2 and memcached, then as many for RESP3, then one for probes.
    pub(crate) conns: Vec<ServerConn>,
    pub(crate) health: Health,
    /// Attempts to speak RESP3 with it.
    pub(crate) resp3: Backoff,
    /// When an ejected server is probed, or the time of its probe is over. There is never more than one.
    pub(crate) probe_timer: Option<TimerId>,
    /// A failure was told and the server has not worked since.
    pub(crate) failing: bool,
    /// A refused handshake was told and none has been accepted since.
    pub(crate) refuses: bool,
}

impl Server {
    pub(crate) fn new(pool: &checked::Pool, server: &checked::Server, seed: u64) -> Server {
        let address = match &server.target {
            Target::Tcp { host, port } => Some(Address::Tcp { host: host.clone(), port: *port }),
            Target::Unix(path) => Some(Address::Unix(path.clone())),
            Target::Local => None,
        };
        let mut options = SocketOptions { keepalive: pool.keepalive, ..SocketOptions::default() };
        if let Some(timeout) = pool.timeout {
            options.connect_timeout = options.connect_timeout.min(timeout);
        }
        let lanes = 2 * pool.server_connections as usize + 1;
        Server {
            address,
            options,
            password: server.password.clone().or_else(|| pool.auth.clone()),
            conns: (0..lanes).map(|_| ServerConn::default()).collect(),
            health: Health::new(seed),
            resp3: Backoff::new(seed),
            probe_timer: None,
            failing: false,
            refuses: false,
        }
    }

    /// The connection for a client: always the same one for one client, so that it reads its own writes.
    #[inline]
    pub(crate) fn slot_for(&self, client: u32, resp3: bool) -> u16 {
        let each = (self.conns.len() / 2) as u32;
        let spread = if each == 1 { 0 } else { client % each };
        (spread + if resp3 { each } else { 0 }) as u16
    }

    /// May a connection be opened now, for this slot? If not, why the last attempt failed.
    pub(crate) fn may_connect(&self, slot: u16, now: Instant) -> Result<(), Failure> {
        self.health.may_connect(now)?;
        if self.speaks_resp3(slot) { self.resp3.may_try(now) } else { Ok(()) }
    }

    /// The connection for probes.
    pub(crate) fn probe_slot(&self) -> u16 {
        (self.conns.len() - 1) as u16
    }

    /// True for a slot whose connection speaks RESP3.
    pub(crate) fn speaks_resp3(&self, slot: u16) -> bool {
        slot as usize >= self.conns.len() / 2 && slot != self.probe_slot()
    }
}
