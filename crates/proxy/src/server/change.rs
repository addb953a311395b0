//! Changes to a server while it serves: new settings, and replacement by another server.

use std::sync::Arc;

use config::checked;
use net::tls::ClientConfig;
use net::{Address, Io};

use super::{address_of, socket_options};
use crate::generation::{ByHand, Out, ServerPlan};
use crate::hedge_budget::Hedging;
use crate::notice::Notice;
use crate::server::Server;
use crate::server::health::State;
use crate::server::notable::Notable;

/// State that a server passes on to its replacement.
#[derive(Debug)]
pub(crate) struct Heritage {
    address: Option<Address>,
    ejected: bool,
    failing: bool,
    refuses: bool,
}

impl Server {
    /// Applies new settings of its pool and its own. Those that its connections depend on are unchanged. The
    /// notice says that it is back in the ring.
    pub(crate) fn set_config<I: Io>(
        &mut self,
        io: &mut I,
        (config, tls): (&Arc<checked::Pool>, Option<&Arc<ClientConfig>>),
        (plan, server): (ServerPlan, &checked::Server),
    ) -> Option<Notice> {
        let before = std::mem::replace(&mut self.config, Arc::clone(config));
        if before.discovery.hedge_after != config.discovery.hedge_after {
            self.hedge_wait = Hedging::of(config).map(|hedging| hedging.wait());
        }
        self.weight = server.weight;
        self.standing = plan.standing;
        if self.address.is_some() {
            self.resend = self.resends();
        }
        self.notable = Notable::of(config);
        self.ring_name = config.ring_name(server);
        if self.address != address_of(server) && !self.is_local {
            self.take_address(address_of(server));
        }
        self.options = socket_options(config, server, tls);
        self.set_by_hand(io, plan.by_hand);
        if before.timeout != config.timeout {
            self.watch_deadlines(io);
        }
        self.look_after_ejection(io, &before)
    }

    /// Takes the address of the master that Sentinels have named in its place. The caller closes its
    /// connections, and probes it if it was ejected.
    fn take_address(&mut self, address: Option<Address>) {
        self.address = address;
        self.health.forget_attempts();
        self.resp3.reset();
        self.other_databases.reset();
        (self.failing, self.refuses) = (false, false);
    }

    /// Applies the new timeout to requests under way.
    fn watch_deadlines<I: Io>(&mut self, io: &mut I) {
        let Some(timeout) = self.config.timeout else { return };
        for lane in 0..self.conns.len() as u16 {
            let key = self.lane_key(lane);
            let conn = &mut self.conns[lane as usize];
            if let Some(oldest) = conn.line.get(conn.expired) {
                let at = oldest.at + timeout;
                conn.alarm_at(io, key, at);
            }
        }
    }

    /// Returns an ejected server if ejection was turned off; otherwise probes it after the new retry time.
    fn look_after_ejection<I: Io>(&mut self, io: &mut I, before: &checked::Pool) -> Option<Notice> {
        if self.health.state == State::Up {
            return None;
        }
        if !self.config.auto_eject_hosts {
            return Some(self.restore(io));
        }
        let waits = self.health.state == State::Ejected && self.probe_timer.is_some();
        if waits && before.server_retry_timeout != self.config.server_retry_timeout {
            self.probe_at(io, Some(io.now() + self.config.server_retry_timeout));
        }
        None
    }

    /// Applies the operator's changes. Draining is left to the caller.
    fn set_by_hand<I: Io>(&mut self, io: &mut I, by_hand: ByHand) {
        let was_drained = self.by_hand.out == Some(Out::Drained);
        self.by_hand = by_hand;
        if was_drained && by_hand.out != Some(Out::Drained) {
            self.drain = None;
            if self.health.state != State::Up {
                self.probe_now(io);
            }
        }
    }

    /// State for the server that replaces this one.
    pub(crate) fn heritage(&self) -> Heritage {
        let Server { address, failing, refuses, .. } = self;
        let ejected = self.health.state != State::Up;
        Heritage { address: address.clone(), ejected, failing: *failing, refuses: *refuses }
    }

    /// Replaces a server of the same name, whose connections it cannot use. If that one was ejected, this one
    /// is as well, and is probed at once: it may be another machine, or reachable now.
    pub(crate) fn inherit<I: Io>(&mut self, io: &mut I, before: Heritage) {
        if before.ejected && self.config.auto_eject_hosts {
            self.probe_now(io);
        }
        if before.address == self.address {
            self.failing = before.failing;
            self.refuses = before.refuses;
        }
    }

    pub(crate) fn probe_now<I: Io>(&mut self, io: &mut I) {
        self.health.state = State::Ejected;
        self.stats.ejected.set(1);
        self.probe_at(io, Some(io.now()));
    }
}
