//! One nsqlookupd: connect, register everything, send changes, start over when the connection is lost.
//!
//! The task keeps the set registered on this connection; after any number of changes it sends the difference.
//! Pauses between attempts double and are jittered.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use telemetry::{info, warn};
use tokio::time::{Instant, interval_at, sleep};
use wire::nsq::lookup::{Node, request};

use super::link::{Link, LinkError};
use super::registrations::{Difference, Registrations};
use super::timing::Timing;

/// Requests in flight at once: their answers fit any socket's buffer.
const BATCH: usize = 256;

/// State of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// As configured.
    pub address: String,
    /// Its identity, if it is connected.
    pub node: Option<Node>,
    /// Connections made to it.
    pub connects: u64,
    /// The reason the last connection, or attempt at one, ended.
    pub last_error: Option<String>,
}

/// Public state of a peer.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    node: Option<Node>,
    connects: u64,
    last_error: Option<String>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The nsqlookupd's identity, while it is connected.
    pub(super) fn node(&self) -> Option<Node> {
        self.lock().node.clone()
    }

    pub(super) fn status(&self, address: &str) -> PeerStatus {
        let seen = self.lock();
        PeerStatus {
            address: address.to_owned(),
            node: seen.node.clone(),
            connects: seen.connects,
            last_error: seen.last_error.clone(),
        }
    }
}

/// The task of one peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: String,
    pub(super) node: Arc<Node>,
    pub(super) timing: Timing,
    pub(super) response_bytes_max: usize,
    pub(super) registrations: Arc<Registrations>,
    pub(super) state: Arc<State>,
}

impl Peer {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut pause = self.timing.retry_min;
        loop {
            let began = Instant::now();
            let error = self.connected().await;
            let was_connected = {
                let mut seen = self.state.lock();
                let first = seen.last_error.replace(error.to_string()).is_none();
                let was_connected = seen.node.take().is_some();
                if was_connected || first {
                    warn!(lookupd = %self.address, %error, "registration with lookupd failed");
                }
                was_connected
            };
            // a connection that held for a while was a success
            if was_connected && began.elapsed() > self.timing.retry_max {
                pause = self.timing.retry_min;
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(self.timing.retry_max);
        }
    }

    /// Runs one connection, from start to end.
    async fn connected(&self) -> LinkError {
        let timing = self.timing;
        let mut link =
            match Link::open(&self.address, &self.node, timing.answer, self.response_bytes_max).await {
                Ok(link) => link,
                Err(error) => return error,
            };
        {
            let mut seen = self.state.lock();
            seen.node = Some(link.them.clone());
            seen.connects += 1;
        }
        info!(lookupd = %self.address, version = %link.them.version, "registered");
        match self.keep_up(&mut link).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn keep_up(&self, link: &mut Link) -> Result<std::convert::Infallible, LinkError> {
        let mut changed = self.registrations.watch();
        let mut pings = interval_at(Instant::now() + self.timing.ping, self.timing.ping);
        let mut renewals = interval_at(Instant::now() + self.timing.renew, self.timing.renew);
        let mut known = BTreeSet::new();
        loop {
            changed.mark_unchanged();
            self.tell(link, &self.registrations.bring_up(&mut known)).await?;
            tokio::select! {
                // fails only when the sender is gone, which we hold
                _ = changed.changed() => {}
                _ = pings.tick() => {
                    let mut out = Vec::new();
                    request::write_ping(&mut out);
                    link.request(&out, 1).await?;
                }
                _ = renewals.tick() => known.clear(),
                error = link.broken() => return Err(error),
            }
        }
    }

    async fn tell(&self, link: &mut Link, difference: &Difference) -> Result<(), LinkError> {
        let mut out = Vec::new();
        for batch in difference.remove.chunks(BATCH) {
            out.clear();
            for (topic, channel) in batch {
                request::write_unregister(&mut out, topic, channel.as_deref());
            }
            link.request(&out, batch.len()).await?;
        }
        for batch in difference.add.chunks(BATCH) {
            out.clear();
            for (topic, channel) in batch {
                request::write_register(&mut out, topic, channel.as_deref());
            }
            link.request(&out, batch.len()).await?;
        }
        Ok(())
    }
}

/// Three quarters to five quarters of a pause, so that not all daemons come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() % 512;
    pause * (768 + random as u32) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_quarter() {
        let pause = Duration::from_secs(4);
        let some: Vec<_> = (0..200).map(|_| jittered(pause)).collect();
        assert!(some.iter().all(|pause| (Duration::from_secs(3)..=Duration::from_secs(5)).contains(pause)));
        assert!(some.iter().any(|pause| *pause != some[0]));
    }
}
