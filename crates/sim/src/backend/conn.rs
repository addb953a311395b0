//! A connection to a server: its input, its scheduled replies, and how it breaks off.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use config::checked::Protocol;
use net::Instant;

use super::redis::Session;
use super::{Backend, Mood, Watch, memcache, redis};
use crate::network::{End, LinkId, Network, Read};
use crate::tamper::Tamper;

/// Interval at which a blocked connection looks for an element.
const BLOCK_LOOK: Duration = Duration::from_millis(2);

/// Server end of a connection.
#[derive(Debug)]
pub(crate) struct BackendConn {
    pub(crate) backend: usize,
    pub(crate) link: LinkId,
    pub(crate) closed: bool,
    /// Time of its next wake-up.
    pub(crate) wake_at: Option<Instant>,
    input: BytesMut,
    /// Frames read so far.
    frames: u64,
    /// Scheduled replies: time, bytes, and whether the connection ends in the middle of them.
    replies: VecDeque<(Instant, Vec<u8>, bool)>,
    output: BytesMut,
    session: Session,
}

impl BackendConn {
    pub(crate) fn new(backend: usize, link: LinkId) -> BackendConn {
        BackendConn {
            backend,
            link,
            closed: false,
            wake_at: None,
            input: BytesMut::new(),
            frames: 0,
            replies: VecDeque::new(),
            output: BytesMut::new(),
            session: Session::default(),
        }
    }

    /// True if nothing is unread, owed or unsent.
    pub(crate) fn is_idle(&self) -> bool {
        let owes = !self.replies.is_empty() || self.session.blocked.is_some();
        self.input.is_empty() && !owes && self.output.is_empty()
    }

    pub(crate) fn close(&mut self, net: &mut Network, hard: bool) {
        if !std::mem::replace(&mut self.closed, true) {
            if hard { net.reset(self.link, End::Peer) } else { net.close(self.link, End::Peer) }
        }
    }

    /// Reads, works and writes. Returns the time of its next wake-up.
    pub(crate) fn wake(
        &mut self,
        net: &mut Network,
        backend: &mut Backend,
        watch: &mut Watch<'_>,
    ) -> Option<Instant> {
        if self.closed || matches!(backend.mood, Mood::Stall | Mood::Vanished) {
            return None;
        }
        if backend.mood == Mood::Refuse {
            self.close(net, backend.rng.one_in(2));
            return None;
        }
        loop {
            match net.read(self.link, End::Peer, 1 << 20) {
                Read::Bytes(mut bytes) => {
                    // After the handshake, whose answers nobody may be waiting for.
                    if self.frames > 3 && bytes.ends_with(b"\n") && watch.plan.strikes(Tamper::TearRequest) {
                        bytes.pop();
                    }
                    self.input.extend_from_slice(&bytes);
                }
                Read::Dry => break,
                Read::End | Read::Reset => {
                    self.close(net, false);
                    return None;
                }
            }
        }
        if let Err(why) = self.work(net.now, backend, watch) {
            watch.oracle.fault(format!("backend {} got a bad frame: {why}", watch.index));
        }
        let next = self.answer(net, backend);
        // Elements come over other connections: it looks again and again.
        let looks = self.session.blocked.is_some() && !self.closed;
        let look = looks.then(|| net.now + BLOCK_LOOK);
        [next, look].into_iter().flatten().min()
    }

    fn work(&mut self, now: Instant, backend: &mut Backend, watch: &mut Watch<'_>) -> Result<(), String> {
        let mut reply = Vec::new();
        if !redis::unblock(backend, &mut self.session, watch, now, &mut reply) {
            return Ok(());
        }
        if !reply.is_empty() {
            let after = self.replies.back().map_or(now, |r| r.0.max(now));
            self.replies.push_back((after + backend.service_time(), reply, false));
        }
        loop {
            let mut reply = Vec::new();
            if self.session.blocked.is_some() {
                return Ok(());
            }
            let used = match backend.protocol {
                Protocol::Redis => {
                    redis::work(&self.input, backend, &mut self.session, watch, (now, &mut reply))?
                }
                Protocol::Memcache => memcache::work(&self.input, backend, watch, &mut reply)?,
            };
            let Some(used) = used else { return Ok(()) };
            let _ = self.input.split_to(used);
            self.frames += 1;
            if self.session.blocked.is_some() {
                return Ok(());
            }
            let after = self.replies.back().map_or(now, |r| r.0.max(now));
            let dies = backend.mood == Mood::DieMidReply && backend.rng.one_in(6);
            if dies {
                reply.truncate(backend.rng.below(reply.len() as u64) as usize);
            }
            if backend.mood == Mood::Garbage && backend.rng.one_in(6) {
                reply = backend
                    .rng
                    .pick(&[
                        &b"?what\r\n"[..],
                        b"\0\0\0\r\n",
                        b"$x\r\nabc\r\n",
                        b"$-5\r\n",
                        b"VALUE k\r\n",
                        b"VALUE other 0 1\r\nx\r\nEND\r\n",
                    ])
                    .to_vec();
            }
            self.replies.push_back((after + backend.service_time(), reply, dies));
        }
    }

    fn answer(&mut self, net: &mut Network, backend: &mut Backend) -> Option<Instant> {
        let mut dies = false;
        while !dies && let Some((_, reply, last)) = self.replies.pop_front_if(|r| r.0 <= net.now) {
            self.output.extend_from_slice(&reply);
            dies = last;
        }
        if !self.output.is_empty() {
            match net.write(self.link, End::Peer, &self.output) {
                Ok(taken) => drop(self.output.split_to(taken)),
                Err(()) => dies = true,
            }
        }
        let idle = backend.mood == Mood::CloseIdle && self.is_idle() && backend.rng.one_in(3);
        if dies || idle {
            self.close(net, dies && backend.rng.one_in(2));
            return None;
        }
        self.replies.front().map(|r| r.0)
    }
}
