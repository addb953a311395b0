//! One shard: its loop and its product, and a turn of both, in the order of the real loop in `net`.
//!
//! ```text
//! turn:  what is ready, in any order ▸ left-over reads ▸ timers ▸ mail ▸ turn_end ▸ write every dirty connection once
//! ```

use std::time::Duration;

use net::{App, ConnId, Fault, Instant, ListenerId, Peer};
use proxy::Proxy;

use crate::io::{Due, Loop, Passed, Stage, View};
use crate::network::{End, LinkId, Network, Read};

/// Most reads per connection and turn.
const READS_PER_TURN: usize = 4;

/// An event of the kernel for a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ready {
    Accept {
        listener: ListenerId,
        link: LinkId,
    },
    Connected(ConnId, LinkId),
    ConnectFailed(ConnId, Fault),
    Readable(ConnId),
    Writable(ConnId),
    /// One of the shard's letters, by number.
    Mail(usize),
    Stop,
}

/// An app that runs in a shard's loop.
pub(crate) trait Product: for<'a> App<View<'a>, Mail = <Self as Product>::Letter> {
    /// Mail type.
    type Letter: Send + 'static;

    /// Checks the rules after every call; adds violations to `faults`, as text.
    fn check(&self, looped: &Loop, faults: &mut Vec<String>);
}

impl Product for Proxy {
    type Letter = proxy::Mail;

    fn check(&self, looped: &Loop, faults: &mut Vec<String>) {
        for (backend, bytes) in &looped.sent {
            if !self.uses(&crate::scenario::address(*backend)) && !may_go_to_ejected(bytes) {
                let bytes = bytes.escape_ascii();
                faults.push(format!("server {backend} is ejected and was sent '{bytes}'"));
            }
        }
    }
}

pub(crate) struct Shard<P: Product> {
    pub(crate) looped: Loop,
    pub(crate) app: P,
    pub(crate) ready: Vec<Ready>,
    /// Mail from other threads; taken when delivered.
    pub(crate) letters: Vec<Option<P::Letter>>,
    /// Time of the next turn.
    pub(crate) turn_at: Option<Instant>,
    /// Violated rules, as text.
    pub(crate) faults: Vec<String>,
}

impl<P: Product> Shard<P> {
    pub(crate) fn new(looped: Loop, app: P) -> Shard<P> {
        let (ready, letters, faults) = (Vec::new(), Vec::new(), Vec::new());
        Shard { looped, app, ready, letters, turn_at: None, faults }
    }

    /// Notes an event of the kernel. Input and room are reported once a turn.
    pub(crate) fn note(&mut self, ready: Ready) {
        let may_repeat = !matches!(ready, Ready::Readable(_) | Ready::Writable(_));
        if may_repeat || !self.ready.contains(&ready) {
            self.ready.push(ready);
        }
    }

    /// Plans the next turn for this time; false if an earlier one is planned.
    pub(crate) fn plan(&mut self, at: Instant) -> bool {
        let is_next = self.turn_at.is_none_or(|planned| at < planned);
        if is_next {
            self.turn_at = Some(at);
        }
        is_next
    }

    /// Time of the turn that the last one leads to; None if only an event does.
    pub(crate) fn after_turn(&self, now: Instant) -> Option<Instant> {
        let soon = (!self.looped.queued.is_empty()).then(|| now + Duration::from_micros(1));
        // Timers have a resolution of a millisecond.
        let timer = self.looped.next_due().map(|at| Instant(at.0.next_multiple_of(1000)));
        [soon, timer].into_iter().flatten().min()
    }

    /// Checks that nothing is left of its connections and timers.
    pub(crate) fn check_empty(&self) -> Result<(), String> {
        let (conns, timers) = (self.looped.count(), self.looped.app_timers());
        if conns + timers > 0 {
            return Err(format!("{conns} connections and {timers} timers are left"));
        }
        Ok(())
    }

    pub(crate) fn turn(&mut self, net: &mut Network) {
        self.looped.now = net.now;
        self.looped.intake = 0;
        self.looped.load = self.looped.rng.below(1001) as u32;
        let mut ready = std::mem::take(&mut self.ready);
        let mail: Vec<Ready> = ready.extract_if(.., |r| matches!(r, Ready::Mail(_) | Ready::Stop)).collect();
        self.looped.rng.shuffle(&mut ready);
        for what in ready {
            self.event(net, what);
        }
        for id in std::mem::take(&mut self.looped.queued) {
            self.read_queued(net, id);
        }
        while let Some(due) = self.looped.pop_due() {
            match due {
                Due::App(token) => self.call(net, |app, io| app.timer(io, token)),
                Due::Conn(id) => self.conn_timer(net, id),
            }
        }
        for letter in mail {
            match letter {
                Ready::Mail(letter) => {
                    if let Some(mail) = self.letters[letter].take() {
                        self.call(net, |app, io| app.mail(io, mail));
                        self.looped.note(|| Passed::Mail(letter));
                    }
                }
                _ => self.call(net, |app, io| app.stopping(io)),
            }
        }
        self.call(net, |app, io| app.turn_end(io));
        self.write_all(net);
        self.call(net, |app, io| app.written(io));
    }

    /// Calls the app and checks the rules afterwards; every call goes through here.
    pub(crate) fn call(&mut self, net: &mut Network, f: impl FnOnce(&mut P, &mut View<'_>)) {
        self.looped.sent.clear();
        f(&mut self.app, &mut View { looped: &mut self.looped, net });
        self.app.check(&self.looped, &mut self.faults);
    }

    fn event(&mut self, net: &mut Network, what: Ready) {
        match what {
            Ready::Accept { listener, link } => {
                let Some(tag) = self.looped.arriving(listener) else {
                    return net.close(link, End::Proxy);
                };
                let id = self.looped.insert(Stage::Open, None);
                net.link_mut(link).conn = id;
                if let Some(conn) = self.looped.get_mut(id) {
                    conn.link = Some(link);
                }
                self.call(net, |app, io| app.accepted(io, tag, id, Peer::Unix));
                self.readable(net, id);
            }
            Ready::Connected(id, link) => {
                let Some(conn) = self.looped.get_mut(id).filter(|c| c.stage == Stage::Opening) else {
                    return net.close(link, End::Proxy);
                };
                conn.link = Some(link);
                conn.stage = Stage::Open;
                self.looped.cancel_conn_timer(id);
                self.looped.mark_dirty(id);
                self.call(net, |app, io| app.connected(io, id));
            }
            Ready::ConnectFailed(id, fault) => {
                if self.looped.get(id).is_some_and(|c| c.stage == Stage::Opening) {
                    self.fail(net, id, fault);
                }
            }
            Ready::Readable(id) => self.readable(net, id),
            Ready::Writable(id) => {
                if let Some(conn) = self.looped.get_mut(id)
                    && std::mem::take(&mut conn.blocked)
                {
                    self.looped.mark_dirty(id);
                }
            }
            Ready::Mail(_) | Ready::Stop => {}
        }
    }

    // ---- reading ------------------------------------------------------------------------------------------

    fn readable(&mut self, net: &mut Network, id: ConnId) {
        if let Some(conn) = self.looped.get_mut(id)
            && conn.link.is_some()
        {
            conn.readable = true;
            self.read(net, id);
        }
    }

    fn read_queued(&mut self, net: &mut Network, id: ConnId) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        conn.queued = false;
        if conn.show_again && !conn.paused {
            conn.show_again = false;
            if !conn.inbox.is_empty() && conn.stage == Stage::Open {
                self.show(net, id);
            }
        }
        self.read(net, id);
    }

    fn read(&mut self, net: &mut Network, id: ConnId) {
        for _ in 0..READS_PER_TURN {
            let read_max = self.looped.read_max;
            let Some(conn) = self.looped.get_mut(id) else { return };
            let Some(link) = conn.link else { return };
            // After a resume, left-over input comes first.
            if !conn.readable || conn.paused || conn.show_again {
                return;
            }
            match (conn.stage, net.read(link, End::Proxy, read_max)) {
                (_, Read::Dry) => {
                    conn.readable = false;
                    return;
                }
                (Stage::Open, Read::Bytes(bytes)) => self.arrived(net, id, &bytes),
                (Stage::Open, Read::End) => {
                    conn.readable = false;
                    if !std::mem::replace(&mut conn.ended, true) {
                        self.call(net, |app, io| app.ended(io, id));
                    }
                    return;
                }
                (Stage::Open | Stage::Opening, _) => return self.fail(net, id, Fault::Reset),
                // Discard input of a connection that the app has finished with.
                (_, Read::Bytes(_)) => {}
                (stage, Read::End) => {
                    (conn.ended, conn.readable) = (true, false);
                    if stage == Stage::Lingering {
                        View { looped: &mut self.looped, net }.close(id);
                    }
                    return;
                }
                (_, Read::Reset) => return View { looped: &mut self.looped, net }.close(id),
            }
        }
        self.looped.queue_read(id);
    }

    fn arrived(&mut self, net: &mut Network, id: ConnId, bytes: &[u8]) {
        self.looped.intake += bytes.len();
        let Some(conn) = self.looped.get_mut(id) else { return };
        if !conn.inbox.is_empty() || conn.always_owned {
            conn.inbox.extend_from_slice(bytes);
            let enough = conn.inbox.len() >= conn.want;
            self.looped.buffered += bytes.len();
            if enough {
                self.show(net, id);
            }
            return;
        }
        let mut input = net::Input::scratch(bytes);
        self.call(net, |app, io| app.received(io, id, &mut input));
        let (consumed, want) = input.outcome();
        self.looped.note(|| Passed::Took(id, consumed));
        if consumed < bytes.len()
            && let Some(conn) = self.looped.get_mut(id)
            && conn.stage == Stage::Open
        {
            conn.inbox.extend_from_slice(&bytes[consumed..]);
            conn.want = want;
            self.looped.buffered += bytes.len() - consumed;
        }
    }

    fn show(&mut self, net: &mut Network, id: ConnId) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        let mut inbox = std::mem::take(&mut conn.inbox);
        let before = inbox.len();
        let mut input = net::Input::owned(&mut inbox);
        self.call(net, |app, io| app.received(io, id, &mut input));
        let (consumed, want) = input.outcome();
        self.looped.note(|| Passed::Took(id, consumed));
        let _ = inbox.split_to(consumed);
        self.looped.buffered -= before - inbox.len();
        match self.looped.get_mut(id) {
            Some(conn) if conn.stage == Stage::Open => {
                conn.want = want;
                conn.inbox = inbox;
            }
            _ => self.looped.buffered -= inbox.len(),
        }
    }

    // ---- writing and closing ------------------------------------------------------------------------------

    fn write_all(&mut self, net: &mut Network) {
        while !self.looped.dirty.is_empty() {
            for id in std::mem::take(&mut self.looped.dirty) {
                self.write(net, id);
            }
        }
    }

    fn write(&mut self, net: &mut Network, id: ConnId) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        conn.dirty = false;
        let stage = conn.stage;
        if stage == Stage::Opening {
            return;
        }
        let written = View { looped: &mut self.looped, net }.flush(id);
        if written.is_err() {
            return match stage {
                Stage::Open => self.fail(net, id, Fault::Reset),
                _ => View { looped: &mut self.looped, net }.close(id),
            };
        }
        let Some(conn) = self.looped.get_mut(id).filter(|c| c.outbox.is_empty()) else { return };
        match stage {
            Stage::Finishing => {
                View { looped: &mut self.looped, net }.linger(id);
                self.readable(net, id);
            }
            Stage::Open if std::mem::take(&mut conn.notify_drained) => {
                self.call(net, |app, io| app.drained(io, id));
            }
            _ => {}
        }
    }

    fn fail(&mut self, net: &mut Network, id: ConnId, fault: Fault) {
        let known = self.looped.get(id).is_some_and(|c| matches!(c.stage, Stage::Open | Stage::Opening));
        View { looped: &mut self.looped, net }.close(id);
        if known {
            self.call(net, |app, io| app.failed(io, id, fault));
            self.looped.note(|| Passed::Gone(id));
        }
    }

    fn conn_timer(&mut self, net: &mut Network, id: ConnId) {
        let Some(conn) = self.looped.get_mut(id) else { return };
        conn.timer = None;
        match conn.stage {
            Stage::Opening => self.fail(net, id, Fault::ConnectTimeout),
            Stage::Finishing if conn.outbox.len() < conn.left => {
                conn.left = conn.outbox.len();
                self.looped.restart_timer(id, std::time::Duration::from_secs(10));
            }
            Stage::Finishing | Stage::Lingering => View { looped: &mut self.looped, net }.close(id),
            Stage::Open => {}
        }
    }
}

/// True for the handshake, the probe, and `flush_all`, which must not miss a server.
fn may_go_to_ejected(bytes: &[u8]) -> bool {
    let allowed: [&[u8]; 6] = [
        b"*2\r\n$4\r\nAUTH",
        b"*2\r\n$6\r\nSELECT",
        b"*2\r\n$5\r\nHELLO",
        b"*1\r\n$4\r\nPING",
        b"version\r\n",
        b"flush_all\r\n",
    ];
    allowed.iter().any(|a| bytes.starts_with(a))
}
