//! The simulated network: connections with latency, limited windows, arbitrary segments, FIN and reset.
//!
//! ```text
//! write ─▶ bytes (at most `window`) ─ latency ─▶ arrived ─▶ read ─ latency ─▶ the writer has room again
//! ```
//! A link has two ends and a pipe toward each. Future events go to [`Network::due`] for the world's event
//! queue; the world passes them to [`Network::happen`] at their time.

use std::time::Duration;

use bytes::BytesMut;
use net::{ConnId, Instant};

use crate::rng::Rng;

/// Id of a link; never reused.
pub(crate) type LinkId = usize;

/// A side of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The shard under test.
    Proxy = 0,
    /// A client or a backend.
    Peer = 1,
}

impl End {
    pub(crate) fn other(self) -> End {
        match self {
            End::Proxy => End::Peer,
            End::Peer => End::Proxy,
        }
    }
}

/// The peer of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Client(usize),
    Backend(usize),
}

/// An event that reaches one end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Bytes(usize),
    Fin,
    Reset,
    /// The other end has read: a blocked writer may continue.
    Room,
}

/// The outcome of a read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes(Vec<u8>),
    /// Empty for now.
    Dry,
    /// The other end has sent FIN, and everything before it was read.
    End,
    Reset,
}

/// Latency, segments and windows of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Travel {
    /// Least and greatest latency, in microseconds.
    pub(crate) latency: (u64, u64),
    /// Most bytes that arrive together.
    pub(crate) segment_max: usize,
    /// Most bytes in transit or unread, toward the proxy and toward the peer.
    pub(crate) window: [usize; 2],
}

#[derive(Debug, Default)]
struct Pipe {
    bytes: BytesMut,
    arrived: usize,
    last: Instant,
    fin_sent: bool,
    fin_arrived: bool,
    blocked: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) shard: usize,
    pub(crate) conn: ConnId,
    pub(crate) who: Who,
    travel: Travel,
    pipes: [Pipe; 2],
    /// Ends that have closed the link and read no more.
    closed: [bool; 2],
    /// Ends that were notified of the reset.
    reset: [bool; 2],
}

/// All connections ever opened.
#[derive(Debug)]
pub(crate) struct Network {
    links: Vec<Link>,
    rng: Rng,
    pub(crate) now: Instant,
    /// Scheduled events: time, link, end.
    pub(crate) due: Vec<(Instant, LinkId, End, Happening)>,
}

impl Network {
    pub(crate) fn new(rng: Rng) -> Network {
        Network { links: Vec::new(), rng, now: Instant(0), due: Vec::new() }
    }

    pub(crate) fn open(&mut self, shard: usize, conn: ConnId, who: Who, travel: Travel) -> LinkId {
        let (pipes, flags) = (Default::default(), [false; 2]);
        self.links.push(Link { shard, conn, who, travel, pipes, closed: flags, reset: flags });
        self.links.len() - 1
    }

    pub(crate) fn link(&self, id: LinkId) -> &Link {
        &self.links[id]
    }

    pub(crate) fn link_mut(&mut self, id: LinkId) -> &mut Link {
        &mut self.links[id]
    }

    /// Latency of one direction, drawn anew.
    pub(crate) fn delay(&mut self, travel: Travel) -> Duration {
        Duration::from_micros(self.rng.between(travel.latency.0, travel.latency.1))
    }

    /// Schedules an event at `to`, never before earlier ones.
    fn post(&mut self, id: LinkId, to: End, what: Happening) {
        let travel = self.links[id].travel;
        let delay = self.delay(travel);
        let pipe = &mut self.links[id].pipes[to as usize];
        let mut at = self.now + delay;
        if what != Happening::Room {
            at = at.max(Instant(pipe.last.0 + 1));
            pipe.last = at;
        }
        self.due.push((at, id, to, what));
    }

    /// Writes as many bytes as there is room for.
    pub(crate) fn write(&mut self, id: LinkId, from: End, bytes: &[u8]) -> Result<usize, ()> {
        let to = from.other();
        let link = &mut self.links[id];
        if link.reset[from as usize] {
            return Err(());
        }
        let window = link.travel.window[to as usize];
        let (gone, segment_max) = (link.closed[to as usize], link.travel.segment_max);
        let pipe = &mut link.pipes[to as usize];
        assert!(!pipe.fin_sent, "a write after FIN");
        let taken = bytes.len().min(window.saturating_sub(pipe.bytes.len()));
        pipe.blocked = taken < bytes.len();
        if gone {
            // The peer is gone. The network reports it later.
            pipe.blocked = false;
            self.post(id, from, Happening::Reset);
            return Ok(bytes.len());
        }
        pipe.bytes.extend_from_slice(&bytes[..taken]);
        let mut left = taken;
        while left > 0 {
            let n = self.rng.between(1, segment_max as u64).min(left as u64) as usize;
            self.post(id, to, Happening::Bytes(n));
            left -= n;
        }
        Ok(taken)
    }

    pub(crate) fn read(&mut self, id: LinkId, at: End, max: usize) -> Read {
        let link = &mut self.links[id];
        let pipe = &mut link.pipes[at as usize];
        if pipe.arrived == 0 {
            return match pipe.fin_arrived && pipe.bytes.is_empty() {
                _ if link.reset[at as usize] => Read::Reset,
                true => Read::End,
                false => Read::Dry,
            };
        }
        let n = pipe.arrived.min(max);
        pipe.arrived -= n;
        let bytes = pipe.bytes.split_to(n).to_vec();
        if std::mem::take(&mut pipe.blocked) {
            self.post(id, at.other(), Happening::Room);
        }
        Read::Bytes(bytes)
    }

    /// Bytes in transit to `at`, or unread there.
    pub(crate) fn under_way(&self, id: LinkId, at: End) -> usize {
        self.links[id].pipes[at as usize].bytes.len()
    }

    /// Makes bytes arrive at the proxy at once.
    pub(crate) fn inject(&mut self, id: LinkId, bytes: &[u8]) {
        let pipe = &mut self.links[id].pipes[End::Proxy as usize];
        pipe.bytes.extend_from_slice(bytes);
        pipe.arrived += bytes.len();
    }

    /// Sends FIN after everything written.
    pub(crate) fn shutdown(&mut self, id: LinkId, from: End) {
        let pipe = &mut self.links[id].pipes[from.other() as usize];
        if !pipe.fin_sent {
            pipe.fin_sent = true;
            self.post(id, from.other(), Happening::Fin);
        }
    }

    /// Closes the link as close(2) does: with unread input it becomes a reset.
    pub(crate) fn close(&mut self, id: LinkId, from: End) {
        let link = &mut self.links[id];
        if std::mem::replace(&mut link.closed[from as usize], true) || link.reset[from as usize] {
            return;
        }
        if link.pipes[from as usize].arrived > 0 {
            self.post(id, from.other(), Happening::Reset);
        } else {
            self.shutdown(id, from);
        }
    }

    /// Closes the link with a reset; bytes in transit may be lost.
    pub(crate) fn reset(&mut self, id: LinkId, from: End) {
        if !std::mem::replace(&mut self.links[id].closed[from as usize], true) {
            self.post(id, from.other(), Happening::Reset);
        }
    }

    /// Carries out an event. True if the owner of that end has to be notified.
    pub(crate) fn happen(&mut self, id: LinkId, at: End, what: Happening) -> bool {
        let lossy = self.rng.one_in(2);
        let link = &mut self.links[id];
        let closed = link.closed[at as usize];
        let pipe = &mut link.pipes[at as usize];
        match what {
            Happening::Bytes(_) if closed => {
                self.post(id, at.other(), Happening::Reset);
            }
            Happening::Bytes(n) => pipe.arrived = (pipe.arrived + n).min(pipe.bytes.len()),
            Happening::Fin => pipe.fin_arrived = true,
            Happening::Room => {}
            Happening::Reset => {
                link.reset[at as usize] = true;
                if lossy {
                    let arrived = std::mem::take(&mut pipe.arrived);
                    let _ = pipe.bytes.split_to(arrived);
                }
            }
        }
        !closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(window: usize) -> (Network, LinkId) {
        let mut n = Network::new(Rng::new(1));
        let travel = Travel { latency: (5, 50), segment_max: 3, window: [window; 2] };
        let id = n.open(0, ConnId { index: 0, generation: 0 }, Who::Client(0), travel);
        (n, id)
    }

    fn run(n: &mut Network) {
        while !n.due.is_empty() {
            n.due.sort_by_key(|d| d.0);
            let (at, id, end, what) = n.due.remove(0);
            n.now = at;
            n.happen(id, end, what);
        }
    }

    #[test]
    fn bytes_arrive_in_order_and_a_full_window_blocks() {
        let (mut n, id) = network(10);
        assert_eq!(n.write(id, End::Peer, b"hello, world"), Ok(10));
        assert_eq!(n.read(id, End::Proxy, 99), Read::Dry);
        run(&mut n);
        assert_eq!(n.read(id, End::Proxy, 5), Read::Bytes(b"hello".to_vec()));
        assert!(n.due.iter().any(|d| d.2 == End::Peer && d.3 == Happening::Room));
        assert_eq!(n.write(id, End::Peer, b"ld"), Ok(2));
        n.shutdown(id, End::Peer);
        run(&mut n);
        assert_eq!(n.read(id, End::Proxy, 99), Read::Bytes(b", world".to_vec()));
        assert_eq!(n.read(id, End::Proxy, 99), Read::End);
    }

    #[test]
    fn writing_to_one_who_has_left_ends_in_a_reset() {
        let (mut n, id) = network(10);
        n.close(id, End::Peer);
        assert_eq!(n.write(id, End::Proxy, b"anyone?"), Ok(7));
        run(&mut n);
        assert_eq!(n.read(id, End::Proxy, 9), Read::Reset);
        assert_eq!(n.write(id, End::Proxy, b"x"), Err(()));
    }
}
