//! `WAIT`: the number of replicas that have what a client wrote, in a pool of one server.
//!
//! A server counts for a connection, and clients share connections. So it is asked how far its replicas are,
//! on a private connection:
//!
//! ```text
//! WAIT 1 100 ▸ once the client's earlier requests are answered
//! ROLE       ▸ the server's offset: everything that the client wrote is before it
//!            ▸ enough replicas are there: their number is the reply
//! WAIT 1000000 1, ROLE ▸ the replicas' offsets, for which the server has asked them ▸ likewise
//!            ▸ the time is over: the number of those that are there
//!            ▸ again, with a longer inner wait
//! ```
//! The inner `WAIT` cannot succeed: it only makes the server ask its replicas, which tell their offsets once
//! a second otherwise. A server looks for the end of such a wait when something comes, or ten times a second:
//! a PING follows on the connection that clients share. `WAIT` in a transaction does not wait, as in Redis.

use std::time::Duration;

use net::{ConnId, Instant, Io};
use wire::redis::replication::{Role, role};
use wire::redis::{Args, BlockTime, encode, integer};

use crate::alarm::Alarm;
use crate::client::stateful::Counting;
use crate::client::{Client, Reply, Seq, Wait};
use crate::fail::Failure;
use crate::keys::LaneKey;
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::command::command;
use crate::server::kept::Keep;
use crate::server::pending::{Owner, Pending};

const NO_COUNT: &[u8] = b"-ERR value is not an integer or out of range\r\n";
const NO_TIME: &[u8] = b"-ERR timeout is not an integer or out of range\r\n";
const NEGATIVE: &[u8] = b"-ERR timeout is negative\r\n";
const NO_MASTER: &[u8] = b"-ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
    configured to be writable (which is not the default) writes to replicas are just local and are not propagated.\r\n";

/// More than 500 years, which a clock in microseconds still counts.
const TIME_MAX_MS: u64 = u64::MAX >> 20;
/// The first inner wait, and the longest, in milliseconds. Each is twice as long as the one before it.
const INNER: (u64, u64) = (1, 32);
/// Time after which a server that nothing wakes ends an inner wait, with room.
const SLOW: Duration = Duration::from_millis(300);

/// Arguments of `WAIT`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    replicas: i64,
    /// None: until they are there.
    time: Option<Duration>,
}

impl Wanted {
    /// Reads the arguments, the name first; the error as Redis 7.
    pub(super) fn of(mut args: Args<'_>) -> Result<Wanted, &'static [u8]> {
        args.next();
        let mut number = || args.next().and_then(|argument| integer(argument.bytes()));
        let replicas = number().ok_or(NO_COUNT)?;
        let millis = number().ok_or(NO_TIME)?;
        let millis = u64::try_from(millis).map_err(|_| NEGATIVE)?;
        let time = (millis > 0).then(|| Duration::from_millis(millis.min(TIME_MAX_MS)));
        Ok(Wanted { replicas, time })
    }
}

impl Proxy {
    /// Asks a server for its client, who waits.
    pub(super) fn begin_counting<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        lane: LaneKey,
        wanted: Wanted,
    ) {
        let at = io.now();
        let state = client.session.stateful();
        state.blocked = true;
        let counting = Counting {
            wanted: wanted.replicas,
            until: wanted.time.map(|time| at + time),
            offset: None,
            count: 0,
            inner_ms: INNER.0,
            at,
        };
        state.counting = Some(Box::new(counting));
        self.set_block_time(lane, Some(BlockTime::AtMost(SLOW)));
        if self.forward_private(io, client, lane, &command(&[b"ROLE"])) {
            client.session.paused = Some(Wait::Block);
        }
    }

    /// True for a client that waits for replicas.
    pub(super) fn is_counting(&mut self, id: ConnId) -> bool {
        self.counting_of(id).is_some()
    }

    fn counting_of(&mut self, id: ConnId) -> Option<&mut Counting> {
        self.client_mut(id)?.session.state.as_mut()?.counting.as_deref_mut()
    }

    /// Takes a server's reply to `ROLE` for a client that waits for replicas.
    pub(super) fn replicas_told<I: Io>(
        &mut self,
        io: &mut I,
        lane: LaneKey,
        (id, seq): (ConnId, Seq),
        reply: &[u8],
    ) {
        let now = io.now();
        let Some(counting) = self.counting_of(id) else { return };
        let at = counting.at;
        let answer = match role(reply) {
            _ if reply.first() == Some(&b'-') => reply.to_vec(),
            None => Failure::Garbage.reply(config::checked::Protocol::Redis),
            Some(Role::Other) => NO_MASTER.to_vec(),
            Some(Role::Master { offset, replicas }) => {
                let offset = *counting.offset.get_or_insert(offset);
                let all = replicas.len() as i64;
                counting.count = replicas.into_iter().filter(|replica| *replica >= offset).count() as i64;
                // `WAIT 0 0` asks how many there are: they are asked once.
                let is_enough = match counting.wanted {
                    ..=0 => counting.inner_ms > INNER.0 || counting.count == all,
                    wanted => counting.count >= wanted,
                };
                if !is_enough && counting.until.is_none_or(|until| until > now) {
                    return self.ask_replicas(io, lane, id, seq);
                }
                let mut number = Vec::new();
                encode::integer(&mut number, counting.count);
                number
            }
        };
        self.end_counting(io, (id, seq), &answer, at);
    }

    fn end_counting<I: Io>(&mut self, io: &mut I, (id, seq): (ConnId, Seq), answer: &[u8], at: Instant) {
        self.reply(io, id, seq, Reply::Slice(answer), at);
        self.after_private(io, id);
    }

    /// Has a server ask its replicas, and asks it for the outcome.
    fn ask_replicas<I: Io>(&mut self, io: &mut I, lane: LaneKey, id: ConnId, seq: Seq) {
        let now = io.now();
        let Some(counting) = self.counting_of(id) else { return };
        let left = counting.until.map_or(INNER.1, |until| until.micros_since(now) / 1000);
        let inner = counting.inner_ms.min(left).max(1);
        counting.inner_ms = (2 * counting.inner_ms).min(INNER.1);
        let at = counting.at;
        let wait = command(&[&b"WAIT"[..], b"1000000", inner.to_string().as_bytes()]);
        let mut ask = |owner, request: &[u8]| {
            let pending = Pending::new(owner, now, request.len());
            self.enqueue(io, lane, Frame::Slice(request), pending, Keep::default())
        };
        let asked =
            ask(Owner::Unwanted, &wait).and_then(|()| ask(Owner::Private(id, seq), &command(&[b"ROLE"])));
        match asked {
            Ok(()) => self.nudge_at(io, id, now + Duration::from_millis(inner + 1)),
            Err(failure) => {
                let error = failure.reply(config::checked::Protocol::Redis);
                self.end_counting(io, (id, seq), &error, at);
            }
        }
    }

    fn nudge_at<I: Io>(&mut self, io: &mut I, id: ConnId, at: Instant) {
        if self.nudges.first().is_none_or(|(first, _)| at < *first) {
            io.set_timer(at, Alarm::Nudge.token());
        }
        self.nudges.insert((at, id));
    }

    /// Wakes the servers whose inner waits are over.
    pub(crate) fn nudge<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        while let Some((_, id)) = self.nudges.first().copied().filter(|(at, _)| *at <= now) {
            self.nudges.pop_first();
            let Some(client) = self.take_client(id) else { continue };
            let state = client.session.state.as_ref().filter(|state| state.counting.is_some());
            let private = state.and_then(|state| state.private);
            let lane = private.map(|private| self.servers[private.server].lane_of(&client));
            self.put_client(client);
            let Some(lane) = lane else { continue };
            if self.servers[lane.server].is_open(lane.number) {
                let ping = command(&[b"PING"]);
                let pending = Pending::new(Owner::Unwanted, now, ping.len());
                // If it cannot be sent, the server ends the wait a little later.
                let _ = self.enqueue(io, lane, Frame::Slice(&ping), pending, Keep::default());
            }
        }
        if let Some((at, _)) = self.nudges.first() {
            io.set_timer(*at, Alarm::Nudge.token());
        }
    }
}

#[cfg(test)]
mod tests;
