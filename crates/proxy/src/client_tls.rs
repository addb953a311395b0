//! TLS of clients: admission by certificate, and notices of failures.
//!
//! The loop does the handshake. A client counts from its accept on, and no request is read before the
//! handshake is done.

use std::time::Duration;

use config::checked::Protocol;
use net::{ConnId, Fault, Input, Io, LayerInfo};
use wire::redis::glob_matches_case;

use crate::client::Client;
use crate::keys::PoolKey;
use crate::notice::Notice;
use crate::proxy::Proxy;

/// Interval between notices of failures, per pool and shard.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// First bytes of a TLS connection: a handshake, version 3.
const HELLO: [u8; 2] = [0x16, 0x03];
/// A fatal alert of TLS: `handshake_failure`.
const ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0, 2, 2, 40];

impl Proxy {
    /// True for the first bytes of TLS; no request of either protocol begins with them.
    #[inline]
    pub(crate) fn begins_tls(bytes: &[u8]) -> bool {
        bytes.starts_with(&HELLO)
    }

    /// Handles a client's completed handshake: its certificate must have a name that the pool accepts, and
    /// logs it in as the certificate's user.
    pub(crate) fn client_secured<I: Io>(&mut self, io: &mut I, id: ConnId, info: &LayerInfo) {
        let Some(mut client) = self.take_client(id) else { return };
        let pool = &self.pools[client.pool];
        pool.stats.tls_handshakes.inc();
        if info.resumed {
            pool.stats.tls_resumed.inc();
        }
        let wanted = pool.config.tls.as_ref().map_or(&[][..], |tls| tls.client_names.as_slice());
        let fits = |name: &String| wanted.iter().any(|it| glob_matches_case(it.as_bytes(), name.as_bytes()));
        if wanted.is_empty() || !info.client_certificate || info.names.iter().any(fits) {
            self.put_client(client);
            return self.certified(io, id, info);
        }
        let refusal: &[u8] = match pool.config.protocol {
            Protocol::Redis => b"-NOPERM the names of the client certificate are not allowed here\r\n",
            Protocol::Memcache => {
                b"CLIENT_ERROR the names of the client certificate are not allowed here\r\n"
            }
        };
        self.give(io, &mut client, refusal);
        client.session.leaving = true;
        let names: Vec<String> =
            info.names.iter().take(4).map(|name| name.escape_default().to_string()).collect();
        let reason = format!("has a certificate for {}, which client_names does not allow", names.join(", "));
        self.tls_failed(io, client.pool, reason);
        self.settle(io, client);
    }

    /// Handles a client whose connection or TLS has failed.
    pub(crate) fn client_failed<I: Io>(&mut self, io: &mut I, id: ConnId, fault: Fault) {
        let Some(mut client) = self.take_client(id) else { return };
        self.pools[client.pool].stats.client_err.inc();
        if let Fault::Layer(fault) = fault {
            self.tls_failed(io, client.pool, fault.to_string());
        }
        self.forget(&mut client);
    }

    /// Refuses and closes a client that begins with TLS at a listener without it.
    pub(crate) fn refuse_tls<I: Io>(&mut self, io: &mut I, client: &mut Client, input: &mut Input<'_>) {
        input.consume(input.bytes().len());
        let stats = &self.pools[client.pool].stats;
        stats.protocol_errors.inc();
        stats.client_err.inc();
        self.give(io, client, &ALERT);
        client.session.leaving = true;
        self.tls_failed(io, client.pool, "speaks TLS at a listener without it".into());
    }

    fn tls_failed<I: Io>(&mut self, io: &mut I, pool: PoolKey, reason: String) {
        let now = io.now();
        let pool = &mut self.pools[pool];
        pool.stats.tls_failures.inc();
        if pool.tls_told.is_none_or(|told| now.since(told) >= TELL_EVERY) {
            pool.tls_told = Some(now);
            (self.notify)(Notice::ClientTls { pool: pool.config.name.clone(), reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use net::{App, Fault, LayerFault, LayerInfo};

    use super::*;
    use crate::testing::World;

    const POOL: &str = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:2\"]\n";

    #[test]
    fn a_client_that_speaks_tls_to_a_plain_listener_gets_an_alert() {
        let mut world = World::new(POOL);
        let client = world.ask(b"\x16\x03\x01\x02\x00\x01\x00");
        assert_eq!(world.io.sent(client), ALERT);
        assert_eq!(world.io.closed, [client]);
        assert_eq!(world.generation.pools[0].cells.shards[0].tls_failures.get(), 1);
    }

    #[test]
    fn failed_handshakes_are_counted() {
        let mut world = World::new(POOL);
        let client = world.accept(0);
        world.proxy.failed(&mut world.io, client, Fault::Layer(LayerFault::PlainText));
        let client = world.accept(0);
        world.proxy.layered(&mut world.io, client, LayerInfo { resumed: true, ..LayerInfo::default() });
        let stats = &world.generation.pools[0].cells.shards[0];
        assert_eq!(
            (stats.tls_failures.get(), stats.tls_handshakes.get(), stats.tls_resumed.get()),
            (1, 1, 1)
        );
        assert!(world.io.closed.is_empty());
    }
}
