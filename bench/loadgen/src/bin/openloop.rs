//! Open-loop load: requests arrive at a rate of their own, whether the earlier ones were answered or not.
//!
//! `openloop --target ADDRESS --rate N` has arrivals at random times (exponential gaps, seeded). An arrival
//! takes the connection that has been idle longest, as a client does from its pool, or waits for one. Its
//! latency counts from the moment it was meant to be sent, so a slow proxy cannot hide its queue, nor a late
//! load. It prints one JSON object: requests, errors, requests per second, latencies in microseconds.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use clap::Parser;
use load::{Output, Plain, Requests, Traffic, Transport, next_reply};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde_json::json;

/// Longest wait for the last replies.
const PATIENCE: Duration = Duration::from_secs(20);
/// The timer's token.
const TIMER: Token = Token(usize::MAX);

#[derive(Debug, Parser)]
#[command(about = "Open-loop load on a Redis or memcached pool, with latencies from the intended time")]
struct Options {
    #[command(flatten)]
    traffic: Traffic,
    /// Requests per second.
    #[arg(long)]
    rate: f64,
    /// Length of the load.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Arrivals of the first seconds are not measured.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
}

struct Connection {
    transport: Plain,
    output: Output,
    input: Vec<u8>,
    /// Intended time of the request under way.
    intended: Option<Instant>,
}

struct Driver {
    options: Options,
    poll: Poll,
    timer: OwnedFd,
    connections: Vec<Connection>,
    /// Idle connections, the longest idle first.
    idle: VecDeque<usize>,
    /// Intended times of arrivals without a connection.
    waiting: VecDeque<Instant>,
    requests: Requests,
    arrivals: Arrivals,
    measured_from: Instant,
    latencies: Vec<u64>,
    errors: u64,
    done: u64,
}

/// Random times of arrival.
struct Arrivals {
    state: u64,
    next: Instant,
    mean: f64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut driver = Driver::open(options)?;
    let seconds = driver.drive()?;
    let Driver { mut latencies, errors, done, .. } = driver;
    latencies.sort_unstable();
    let quantile = |share: f64| {
        latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1)))
    };
    let result = json!({
        "requests": done, "errors": errors, "requests_per_s": done as f64 / seconds,
        "p50_us": quantile(0.5), "p99_us": quantile(0.99), "p999_us": quantile(0.999),
    });
    println!("{result}");
    Ok(())
}

impl Driver {
    fn open(options: Options) -> Result<Driver> {
        let poll = Poll::new()?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let mut connections = Vec::new();
        for token in 0..options.traffic.connections {
            let mut transport = Plain::open(options.traffic.target)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(transport.socket(), Token(token), interest)?;
            let (output, input) = (Output::default(), Vec::new());
            connections.push(Connection { transport, output, input, intended: None });
        }
        let begun = Instant::now();
        Ok(Driver {
            poll,
            timer,
            idle: (0..connections.len()).collect(),
            connections,
            waiting: VecDeque::new(),
            requests: Requests::new(&options.traffic.load()),
            arrivals: Arrivals { state: 0x9e37_79b9_7f4a_7c15, next: begun, mean: 1.0 / options.rate },
            measured_from: begun + Duration::from_secs_f64(options.warm_up),
            latencies: Vec::new(),
            errors: 0,
            done: 0,
            options,
        })
    }

    /// Runs the load; returns the seconds that it took.
    fn drive(&mut self) -> Result<f64> {
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(self.options.warm_up + self.options.seconds);
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            while self.arrivals.next <= now.min(end) {
                let intended = self.arrivals.take();
                self.waiting.push_back(intended);
            }
            self.send_waiting()?;
            if now >= end && self.idle.len() == self.connections.len() {
                return Ok(begun.elapsed().as_secs_f64());
            }
            if now > end + PATIENCE {
                return Err(Error::new(ErrorKind::TimedOut, "requests without a reply"));
            }
            self.set_timer(self.arrivals.next.min(end).saturating_duration_since(now))?;
            match self.poll.poll(&mut events, Some(PATIENCE)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => other?,
            }
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let at = event.token().0;
                let Connection { output, transport, .. } = &mut self.connections[at];
                output.write(transport)?;
                self.receive(at)?;
            }
        }
    }

    /// Arms the timer; one that is due at once is armed for a nanosecond.
    fn set_timer(&self, after: Duration) -> Result<()> {
        let it_value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(after.subsec_nanos().max(1)),
        };
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval, it_value })?;
        Ok(())
    }

    fn send_waiting(&mut self) -> Result<()> {
        while !self.waiting.is_empty()
            && let Some(at) = self.idle.pop_front()
        {
            let connection = &mut self.connections[at];
            connection.intended = self.waiting.pop_front();
            self.requests.append(&mut connection.output.bytes);
            connection.output.write(&mut connection.transport)?;
        }
        Ok(())
    }

    fn receive(&mut self, at: usize) -> Result<()> {
        let connection = &mut self.connections[at];
        if !connection.transport.read(&mut connection.input)? {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the target closed a connection"));
        }
        let Some(intended) = connection.intended else { return Ok(()) };
        let Traffic { protocol, operation, .. } = self.options.traffic;
        let Some(reply) = next_reply(protocol, operation, &connection.input) else {
            return Ok(());
        };
        connection.input.drain(..reply.bytes);
        connection.intended = None;
        self.idle.push_back(at);
        self.done += 1;
        self.errors += u64::from(!reply.is_good);
        if intended >= self.measured_from {
            self.latencies.push(u64::try_from(intended.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}

impl Arrivals {
    /// Intended time of the next arrival, and a random gap to the one after it.
    fn take(&mut self) -> Instant {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let uniform = ((self.state >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        let at = self.next;
        self.next += Duration::from_secs_f64(-uniform.ln() * self.mean);
        at
    }
}
