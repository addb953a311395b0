//! The event loop: connections, their pipelines, and their results.
//!
//! One thread with epoll. Latency is measured from the sending of a pipeline to each of its replies, as
//! redis-benchmark does.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use telemetry::{HistogramRecorder, HistogramSnapshot};

use crate::load::Load;
use crate::output::Output;
use crate::reply;
use crate::request::Requests;
use crate::transport::{Plain, Transport};

/// Time without any event after which the target is considered stuck.
const PATIENCE: Duration = Duration::from_secs(20);
/// Interval of the checks of the time limit and of progress reports.
const LOOK: Duration = Duration::from_secs(1);

struct Connection {
    transport: Box<dyn Transport>,
    output: Output,
    input: Vec<u8>,
    /// Replies outstanding.
    awaited: usize,
    sent_at: Instant,
}

struct Driver<'a> {
    load: &'a Load,
    poll: Poll,
    connections: Vec<Connection>,
    requests: Requests,
    latency: HistogramRecorder,
    /// Requests not sent yet.
    left: u64,
    /// Requests to be answered before it ends.
    goal: u64,
    done: u64,
    errors: u64,
}

/// Opens a connection.
pub type Open<'a> = &'a mut dyn FnMut() -> io::Result<Box<dyn Transport>>;

/// Result of a load.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Replies.
    pub requests: u64,
    /// Replies of a kind that the operation does not have.
    pub errors: u64,
    /// Time from the first request to the last reply.
    pub time: Duration,
    /// Microseconds from the sending of a pipeline to each of its replies.
    pub latency: HistogramSnapshot,
}

/// State of a running load.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Replies so far.
    pub requests: u64,
    /// Replies of the wrong kind so far.
    pub errors: u64,
    /// Time since the first request.
    pub time: Duration,
}

/// Runs the load to its end; `watch` is called every second.
///
/// # Errors
/// The target cannot be reached, closes a connection, sends unrequested bytes, or nothing for 20 s.
pub fn run(load: &Load, watch: &mut dyn FnMut(Progress)) -> io::Result<Outcome> {
    run_over(load, &mut || Ok(Box::new(Plain::open(load.target)?)), watch)
}

/// [`run`] over connections that `open` opens.
///
/// # Errors
/// As [`run`], and those of `open`.
pub fn run_over(load: &Load, open: Open<'_>, watch: &mut dyn FnMut(Progress)) -> io::Result<Outcome> {
    let mut driver = Driver::open(load, open)?;
    let start = Instant::now();
    driver.drive(start, watch)?;
    let Driver { done, errors, latency, .. } = driver;
    Ok(Outcome { requests: done, errors, time: start.elapsed(), latency: latency.snapshot() })
}

impl<'a> Driver<'a> {
    fn open(load: &'a Load, open: Open<'_>) -> io::Result<Driver<'a>> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for token in 0..load.connections {
            let mut transport = open()?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(transport.socket(), Token(token), interest)?;
            connections.push(Connection {
                transport,
                output: Output::default(),
                input: Vec::new(),
                awaited: 0,
                sent_at: Instant::now(),
            });
        }
        Ok(Driver {
            load,
            poll,
            connections,
            requests: Requests::new(load),
            latency: HistogramRecorder::default(),
            left: load.requests,
            goal: load.requests,
            done: 0,
            errors: 0,
        })
    }

    fn drive(&mut self, start: Instant, watch: &mut dyn FnMut(Progress)) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let (mut shown, mut heard) = (Duration::ZERO, Duration::ZERO);
        (0..self.connections.len()).try_for_each(|at| self.send(at))?;
        while self.done < self.goal {
            self.poll.poll(&mut events, Some(LOOK))?;
            let time = start.elapsed();
            if time.saturating_sub(shown) >= LOOK {
                shown = time;
                watch(Progress { requests: self.done, errors: self.errors, time });
            }
            if self.load.time.is_some_and(|most| time >= most) {
                self.goal -= std::mem::take(&mut self.left);
            }
            if events.is_empty() {
                if time.saturating_sub(heard) > PATIENCE {
                    let message = format!("no reply for {PATIENCE:?}; {} of {}", self.done, self.goal);
                    return Err(io::Error::new(ErrorKind::TimedOut, message));
                }
                continue;
            }
            heard = time;
            let mut ready = Vec::new();
            for event in &events {
                let at = event.token().0;
                let connection = &mut self.connections[at];
                connection.output.write(&mut *connection.transport)?;
                if event.is_readable() && self.receive(at)? {
                    ready.push(at);
                }
            }
            self.send_next(&ready)?;
        }
        Ok(())
    }

    /// Sends on connections that have all their replies: at once, or with `burst` when every connection has.
    fn send_next(&mut self, ready: &[usize]) -> io::Result<()> {
        if !self.load.burst {
            return ready.iter().try_for_each(|&at| self.send(at));
        }
        if self.connections.iter().all(|connection| connection.awaited == 0) {
            (0..self.connections.len()).try_for_each(|at| self.send(at))?;
        }
        Ok(())
    }

    /// Sends one pipeline, or the rest of the load.
    fn send(&mut self, at: usize) -> io::Result<()> {
        let count = self.left.min(self.load.pipeline.max(1) as u64);
        let connection = &mut self.connections[at];
        if count == 0 || connection.awaited > 0 {
            return Ok(());
        }
        self.left -= count;
        connection.awaited = count as usize;
        (0..count).for_each(|_| self.requests.append(&mut connection.output.bytes));
        connection.sent_at = Instant::now();
        connection.output.write(&mut *connection.transport)
    }

    /// Reads available input and counts replies; true if none is outstanding.
    fn receive(&mut self, at: usize) -> io::Result<bool> {
        let connection = &mut self.connections[at];
        let is_open = connection.transport.read(&mut connection.input)?;
        let mut used = 0;
        while connection.awaited > 0 {
            let rest = &connection.input[used..];
            let Some(reply) = reply::next(self.load.protocol, self.load.operation, rest) else { break };
            used += reply.bytes;
            connection.awaited -= 1;
            self.done += 1;
            self.errors += u64::from(!reply.is_good);
            let latency = connection.sent_at.elapsed();
            self.latency.record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        }
        connection.input.drain(..used);
        if !connection.input.is_empty() && connection.awaited == 0 {
            return Err(io::Error::other("an unexpected reply"));
        }
        if !is_open && self.done < self.goal {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the target closed a connection"));
        }
        Ok(connection.awaited == 0)
    }
}
