//! Servers that do what servers do: answer, mostly; and stall, answer late, answer garbage, break off in the middle of a
//! reply, refuse, close idle connections, answer with errors.

mod memcache;
mod redis;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::BytesMut;
use config::checked::Protocol;
use net::Instant;

use crate::network::{End, LinkId, Network, Read};
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::tamper::{Plan, Tamper};

/// How a server is disposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// Each reply takes up to this many microseconds.
    Late(u64),
    /// It reads nothing and answers nothing.
    Stall,
    /// The same, and attempts to connect get no answer.
    Vanished,
    /// Nobody listens; what was open is closed.
    Refuse,
    /// The name is not known.
    Unresolved,
    /// Every third request is answered with an error.
    Busy,
    /// Everything is answered with -LOADING, pings too.
    Loading,
    /// Some replies are nonsense.
    Garbage,
    /// Some replies break off, with FIN or reset.
    DieMidReply,
    /// Connections with nothing to do are closed.
    CloseIdle,
    /// The password or the database is not accepted.
    Unfriendly,
}

/// A server.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) pool: usize,
    pub(crate) protocol: Protocol,
    pub(crate) mood: Mood,
    pub(crate) rng: Rng,
    pub(crate) password: Option<String>,
    pub(crate) db: u32,
    fill_max: usize,
    store: HashMap<Vec<u8>, Vec<u8>>,
    deleted: HashMap<Vec<u8>, ()>,
}

/// A connection to it.
#[derive(Debug)]
pub(crate) struct BackendConn {
    pub(crate) backend: usize,
    pub(crate) link: LinkId,
    pub(crate) closed: bool,
    /// When it is woken next.
    pub(crate) wake_at: Option<Instant>,
    input: BytesMut,
    /// Frames read so far.
    frames: u64,
    /// Replies to come: when, what, and whether the connection ends in the midst of it.
    replies: VecDeque<(Instant, Vec<u8>, bool)>,
    output: BytesMut,
    session: Session,
}

/// What was said on a connection ahead of requests.
#[derive(Debug, Default)]
struct Session {
    password: bool,
    resp3: bool,
    db: u32,
    /// The server has refused something: what comes now is not its fault.
    refused: bool,
}

impl Backend {
    pub(crate) fn new(pool: usize, config: &config::checked::Pool, fill_max: usize, rng: Rng) -> Backend {
        Backend {
            pool,
            protocol: config.protocol,
            mood: Mood::Good,
            rng,
            password: config.auth.clone(),
            db: config.db,
            fill_max,
            store: HashMap::new(),
            deleted: HashMap::new(),
        }
    }

    pub(crate) fn draw_mood(&mut self) -> Mood {
        let late = self.rng.pick(&[3_000, 60_000, 700_000]);
        self.rng.pick(&[
            Mood::Good,
            Mood::Good,
            Mood::Late(late),
            Mood::Stall,
            Mood::Vanished,
            Mood::Refuse,
            Mood::Unresolved,
            Mood::Busy,
            Mood::Loading,
            Mood::Garbage,
            Mood::DieMidReply,
            Mood::CloseIdle,
            Mood::Unfriendly,
        ])
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let original =
            || crate::value::original(key, self.fill_max).filter(|_| !self.deleted.contains_key(key));
        self.store.get(key).cloned().or_else(original)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.deleted.remove(key);
        self.store.insert(key.to_vec(), value.to_vec());
    }

    /// True if it was there.
    fn delete(&mut self, key: &[u8]) -> bool {
        let there = self.get(key).is_some();
        self.store.remove(key);
        self.deleted.insert(key.to_vec(), ());
        there
    }

    fn is_busy(&mut self) -> bool {
        self.mood == Mood::Busy && self.rng.one_in(3)
    }

    /// How long the next reply takes.
    fn service_time(&mut self) -> Duration {
        let most = match self.mood {
            Mood::Late(most) => most,
            _ => 200,
        };
        Duration::from_micros(self.rng.between(1, most))
    }
}

/// What the oracle and the tamperer look at while a backend works.
pub(crate) struct Watch<'a> {
    pub(crate) index: usize,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) plan: &'a mut Plan,
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

    /// True if it owes nothing and knows of nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.replies.is_empty() && self.output.is_empty()
    }

    pub(crate) fn close(&mut self, net: &mut Network, hard: bool) {
        if !std::mem::replace(&mut self.closed, true) {
            if hard { net.reset(self.link, End::Peer) } else { net.close(self.link, End::Peer) }
        }
    }

    /// Reads, works, writes. Returns when it wants to be woken again.
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
                    // Behind the handshake, for which nobody may ever wait.
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
        self.answer(net, backend)
    }

    fn work(&mut self, now: Instant, backend: &mut Backend, watch: &mut Watch<'_>) -> Result<(), String> {
        loop {
            let mut reply = Vec::new();
            let used = match backend.protocol {
                Protocol::Redis => redis::work(&self.input, backend, &mut self.session, watch, &mut reply)?,
                Protocol::Memcache => memcache::work(&self.input, backend, watch, &mut reply)?,
            };
            let Some(used) = used else { return Ok(()) };
            let _ = self.input.split_to(used);
            self.frames += 1;
            let after = self.replies.back().map_or(now, |r| r.0.max(now));
            let dies = backend.mood == Mood::DieMidReply && backend.rng.one_in(6);
            if dies {
                reply.truncate(backend.rng.below(reply.len() as u64) as usize);
            }
            if backend.mood == Mood::Garbage && backend.rng.one_in(6) {
                reply = backend
                    .rng
                    .pick(&[&b"?what\r\n"[..], b"\0\0\0\r\n", b"$x\r\nabc\r\n", b"VALUE k\r\n"])
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
