//! A shard: one thread, one event loop, one product.
//!
//! ```text
//! turn:  poll ▸ events ─┬─ listener ▸ accept ▸ App::accepted
//!                       ├─ readable ▸ read ▸ App::received / ended / failed
//!                       └─ writable ▸ connected / write
//!        timers ▸ App::timer       mail ▸ App::mail       App::turn_end       write every dirty connection once ▸ App::written
//! ```
//! In a busy turn output to clients is written at once and output to servers is held back until the shard
//! would have to sleep, for at most two more turns: a client that has its reply often sends again while
//! others are written to, and waking a sleeping server is the most expensive part of a turn, so writes to
//! servers should be few. A shard that coalesces sleeps a little before a poll while that pays, for the same
//! reason (`coalesce`).
//!
//! Sockets are registered once, edge-triggered, for both directions; nothing is re-armed per request.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use crate::clock::monotonic_now;
use crate::coalesce::{Clocks, Coalesce};
use crate::descriptors::ClientPlaces;
use crate::event_loop::{Due, EventLoop, LISTENER_TOKENS, WAKER_TOKEN};
use crate::listener::Listener;
use crate::load::thread_cpu_ns;
use crate::mailbox::{Mailbox, NotTaken, Sender, mailbox};
use crate::resolve::Resolver;
use crate::{App, Instant};

/// Most events taken from the kernel per poll.
const EVENTS_MAX: usize = 1024;
/// Events that make a turn busy, so that writes to servers are deferred ...
const COMPANY: usize = 4;
/// ... until a poll finds nothing more, and for at most this many turns.
const HOLD_TURNS: u32 = 3;
/// Idle time after which a shard frees its spare buffers.
const QUIET: Duration = Duration::from_secs(1);

/// Mail from other threads to a shard.
pub(crate) enum Letter<M> {
    App(M),
    /// Mail of which only a limited number may wait.
    Request(M),
    /// The resolver's answer.
    Resolved(crate::ConnId, Vec<std::net::SocketAddr>),
    /// Longest sleep before a poll, where sleeping pays.
    Coalesce(Duration),
    /// Accept no more.
    CloseListeners,
    /// Graceful stop: accept no more, finish what was accepted, give up at the deadline.
    Stop(Duration),
}

/// Controls a shard from outside.
pub struct Handle<M> {
    sender: Sender<Letter<M>>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Handle { sender: self.sender.clone() }
    }
}

impl<M> std::fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl<M: Send + 'static> Handle<M> {
    /// Delivers `mail` to [`App::mail`] in the shard's next turn. False if the shard has stopped. Never
    /// refused otherwise: for answers and other mail bounded by its sender.
    pub fn send(&self, mail: M) -> bool {
        self.sender.send(Letter::App(mail)).is_ok()
    }

    /// Delivers `mail` like [`Handle::send`] unless too many requests wait: for mail caused by clients.
    ///
    /// # Errors
    /// The mail was not taken.
    pub fn request(&self, mail: M) -> Result<(), NotTaken> {
        self.sender.request(Letter::Request(mail))
    }

    /// Changes the longest sleep before a poll ([`Shard::coalescing`]).
    pub fn set_coalescing(&self, sleep: Duration) {
        let _ = self.sender.send(Letter::Coalesce(sleep));
    }

    /// Closes all listeners; clients are served as before. A later [`Handle::stop`] finds that done.
    pub fn close_listeners(&self) {
        let _ = self.sender.send(Letter::CloseListeners);
    }

    /// Requests a graceful stop: no more accepts; once clients accepted a moment ago have sent something,
    /// [`App::stopping`]; then the end once [`App::idle`] is true, or after `deadline`.
    pub fn stop(&self, deadline: Duration) {
        let _ = self.sender.send(Letter::Stop(deadline));
    }
}

/// A shard before its thread runs.
#[derive(Debug)]
pub struct Shard<M> {
    poll: Poll,
    listeners: Vec<Listener>,
    mailbox: Mailbox<Letter<M>>,
    sender: Sender<Letter<M>>,
    resolver: Resolver,
    coalesce: Duration,
    places: ClientPlaces,
}

impl<M> std::fmt::Debug for Letter<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter")
    }
}

impl<M: Send + 'static> Shard<M> {
    /// Prepares a shard that will accept from `listeners`.
    pub fn new(listeners: Vec<Listener>, resolver: Resolver) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(WAKER_TOKEN))?;
        let (sender, mailbox) = mailbox(waker);
        Ok(Shard {
            poll,
            listeners,
            mailbox,
            sender,
            resolver,
            coalesce: Duration::ZERO,
            places: ClientPlaces::default(),
        })
    }

    /// Allows sleeps of up to this length before a poll, while there is enough traffic for that to save CPU.
    /// Zero, the default, means never.
    #[must_use]
    pub fn coalescing(mut self, sleep: Duration) -> Self {
        self.coalesce = sleep;
        self
    }

    /// Limits its clients by these places, which other shards may share.
    #[must_use]
    pub fn limiting(mut self, places: ClientPlaces) -> Self {
        self.places = places;
        self
    }

    /// A handle for other threads.
    pub fn handle(&self) -> Handle<M> {
        Handle { sender: self.sender.clone() }
    }

    /// Runs the loop on this thread until it is stopped. `build` creates the product on this thread, with
    /// access to the loop so that it can connect and set timers at once.
    pub fn run<A>(self, build: impl FnOnce(&mut EventLoop) -> A) -> io::Result<A>
    where
        A: App<EventLoop, Mail = M>,
    {
        let Shard { mut poll, listeners, mailbox, sender, resolver, coalesce, places } = self;
        let registry = poll.registry().try_clone()?;
        let resolve = Box::new(move |id, host: String, port| {
            let back = sender.clone();
            resolver.ask(
                host,
                port,
                Box::new(move |found| {
                    let _ = back.send(Letter::Resolved(id, found));
                }),
            );
        });
        let mut el = EventLoop::new(registry, listeners, places, resolve, monotonic_now())?;
        let mut app = build(&mut el);
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut stop_at = None;
        let mut stopping = false;
        let mut turns_held = 0;
        sharpen_sleeps(coalesce);
        let mut coalesce = Coalesce::new(coalesce);
        let mut found = 0;
        el.write_all(&mut app, false);
        loop {
            match poll.poll(&mut events, wait(&el, stop_at)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            el.tick(monotonic_now());
            let (mut mail, mut count) = (false, 0);
            for event in &events {
                count += 1;
                match event.token() {
                    Token(WAKER_TOKEN) => mail = true,
                    Token(t) if t >= LISTENER_TOKENS => {
                        el.accept(&mut app, t - LISTENER_TOKENS);
                    }
                    _ => el.event(&mut app, event),
                }
            }
            el.read_queued(&mut app);
            run_timers(&mut el, &mut app);
            if mail {
                mailbox.open();
                while let Some(letter) = mailbox.next() {
                    match letter {
                        Letter::App(m) => app.mail(&mut el, m),
                        Letter::Request(m) => {
                            mailbox.request_taken();
                            app.mail(&mut el, m);
                        }
                        Letter::Resolved(id, found) => el.resolved(&mut app, id, found),
                        Letter::Coalesce(max) => {
                            sharpen_sleeps(max);
                            coalesce.set_max(max);
                        }
                        Letter::Stop(deadline) => {
                            stop_at = Some(el.now_at() + deadline);
                            el.close_listeners();
                        }
                        Letter::CloseListeners => el.close_listeners(),
                    }
                }
            }
            if !stopping && stop_at.is_some_and(|at| el.now_at() >= at || !el.awaits_first_bytes()) {
                stopping = true;
                app.stopping(&mut el);
            }
            app.turn_end(&mut el);
            let defer = match turns_held {
                0 => count >= COMPANY,
                n => n < HOLD_TURNS && count > 0,
            };
            el.write_all(&mut app, defer);
            turns_held = if el.holds_back() {
                turns_held + 1
            } else {
                app.written(&mut el);
                0
            };
            found += count;
            if !el.holds_back() && !el.has_queued() && stop_at.is_none() {
                let round = el.round(std::mem::take(&mut found));
                let sleep = coalesce.sleep_after(&round, || Clocks {
                    cpu_ns: thread_cpu_ns(),
                    handled: app.handled(),
                    latency_us: el.take_latency(),
                });
                el.set_gathering(coalesce.gathering());
                if !sleep.is_zero() {
                    std::thread::sleep(sleep);
                }
            }
            if let Some(at) = stop_at
                && ((stopping && app.idle() && el.nothing_unsent()) || el.now_at() >= at)
            {
                return Ok(app);
            }
        }
    }
}

/// Lets sleeps of this thread end on time: the kernel's default slack adds up to 50 µs.
fn sharpen_sleeps(max: Duration) {
    if !max.is_zero() {
        // If this fails, sleeps are just longer.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1000));
    }
}

fn run_timers<A: App<EventLoop>>(el: &mut EventLoop, app: &mut A) {
    while let Some(due) = el.pop_due() {
        match due {
            Due::App(token) => app.timer(el, token),
            Due::Conn(id) => el.conn_timer(app, id),
            Due::Accept => el.accept_again(app),
        }
    }
}

/// Poll timeout: until the next timer, or zero when a read or write is pending. It counts from the beginning
/// of the turn, which saves a reading of the clock: a timer may be late by the length of a turn.
fn wait(el: &EventLoop, stop_at: Option<Instant>) -> Option<Duration> {
    if el.has_queued() || el.holds_back() {
        return Some(Duration::ZERO);
    }
    let timer = el.next_due().map(|at| at.since(el.now_at()));
    let stop = stop_at.map(|_| Duration::from_millis(5));
    let quiet = el.has_spare().then_some(QUIET);
    [timer, stop, quiet].into_iter().flatten().min()
}
