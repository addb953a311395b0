//! Steady load for the upgrade and reload benches: the latency clients see, request by request.
//!
//! `steady --target ADDRESS --samples FILE` opens `--clients` connections that request a Redis key every
//! `--interval-us`, and `--idle` ones that send a request at the beginning and one at the end. It prints
//! `ready` when every connection has had an answer, and one JSON object at the end: requests, errors, closed
//! connections. A closed connection is reopened, so that one fault does not hide others.
//!
//! `FILE` gets a line for each request: its due time, in microseconds since the Unix epoch, and its latency
//! in microseconds. After a late reply, the latency of the next request counts from its due time, not from
//! when it was sent.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufWriter, Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use serde_json::json;

/// Longest wait for a reply; beyond it the load fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest reply.
const REPLY_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Parser)]
#[command(about = "Steady load on a Redis pool, with the latency of every request")]
struct Options {
    /// Address to connect to.
    #[arg(long)]
    target: SocketAddr,
    /// File for the latencies.
    #[arg(long)]
    samples: PathBuf,
    /// Clients that ask all the time.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Clients that are only there.
    #[arg(long, default_value_t = 500)]
    idle: usize,
    /// Time between two requests of a client.
    #[arg(long, default_value_t = 4000)]
    interval_us: u64,
    /// Length of the load.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Keys that are asked for: key:000000000000 and so on.
    #[arg(long, default_value_t = 10_000)]
    keys: u64,
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    /// Due time of its next request.
    due: Instant,
    /// Start of the latency being measured; None if no reply is outstanding.
    waits_since: Option<Instant>,
    /// Time of its last reply.
    replied: Instant,
}

struct Load {
    poll: Poll,
    clients: Vec<Client>,
    options: Options,
    samples: Vec<(Instant, Duration)>,
    requests: u64,
    errors: u64,
    closed: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut load = Load::open(options)?;
    load.ask_all()?;
    println!("ready");
    load.drive()?;
    load.ask_all()?;
    load.write_samples()?;
    println!("{}", json!({"requests": load.requests, "errors": load.errors, "closed": load.closed}));
    Ok(())
}

impl Load {
    fn open(options: Options) -> Result<Load> {
        let poll = Poll::new()?;
        let clients = (0..options.clients + options.idle)
            .map(|at| Client::connect(options.target, poll.registry(), at))
            .collect::<Result<_>>()?;
        Ok(Load { poll, clients, options, samples: Vec::new(), requests: 0, errors: 0, closed: 0 })
    }

    /// Sends one request per client and waits for all replies. They do not count as latencies.
    fn ask_all(&mut self) -> Result<()> {
        let kept = self.samples.len();
        for at in 0..self.clients.len() {
            self.ask(at, Instant::now())?;
        }
        self.settle()?;
        self.samples.truncate(kept);
        Ok(())
    }

    /// Waits until no reply is outstanding.
    fn settle(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.clients.iter().any(|client| client.waits_since.is_some()) {
            if Instant::now() > end {
                return Err(Error::new(ErrorKind::TimedOut, "clients without a reply"));
            }
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Runs the load. The clients' requests are spread evenly over the interval.
    fn drive(&mut self) -> Result<()> {
        let interval = Duration::from_micros(self.options.interval_us);
        let begun = Instant::now();
        let end = begun + Duration::from_secs_f64(self.options.seconds);
        for at in 0..self.options.clients {
            self.clients[at].due = begun + interval * at as u32 / self.options.clients as u32;
        }
        loop {
            let now = Instant::now();
            if now >= end {
                return self.settle();
            }
            for at in 0..self.options.clients {
                let client = &mut self.clients[at];
                if now.saturating_duration_since(client.due) > PATIENCE {
                    return Err(Error::new(ErrorKind::TimedOut, "a client without a reply"));
                }
                if client.waits_since.is_none() && client.due <= now {
                    // Counts from the due time if the reply before it was late, but not if this loop was.
                    let since = if client.replied > client.due { client.due } else { now };
                    client.due += interval;
                    self.ask(at, since)?;
                }
            }
            self.turn(Duration::from_millis(1))?;
        }
    }

    /// Sends a client's request, whose latency counts from `since`.
    fn ask(&mut self, at: usize, since: Instant) -> Result<()> {
        let key = format!("key:{:012}", (self.requests * 7919) % self.options.keys);
        let request = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
        self.requests += 1;
        let client = &mut self.clients[at];
        client.waits_since = Some(since);
        match client.stream.write(request.as_bytes()) {
            Ok(length) if length == request.len() => Ok(()),
            Ok(_) => Err(Error::other("a request of some bytes did not fit into a socket")),
            Err(_) => self.reconnect(at),
        }
    }

    /// Waits for replies, and handles them.
    fn turn(&mut self, patience: Duration) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
        events.iter().try_for_each(|event| self.receive(event.token().0))
    }

    fn receive(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        let mut buffer = [0; 16 * 1024];
        loop {
            match client.stream.read(&mut buffer) {
                Ok(0) => return self.reconnect(at),
                Ok(length) => client.input.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.reconnect(at),
            }
        }
        let Some(length) = reply_length(&client.input)? else { return Ok(()) };
        let Some(since) = client.waits_since.take() else {
            return Err(Error::other("a reply that nobody asked for"));
        };
        if length != client.input.len() {
            return Err(Error::other("more than one reply to a request"));
        }
        client.replied = Instant::now();
        self.samples.push((since, client.replied - since));
        self.errors += u64::from(client.input[0] != b'$' || client.input.starts_with(b"$-1"));
        client.input.clear();
        Ok(())
    }

    /// Reopens a client's connection. Its request, if any, is lost.
    fn reconnect(&mut self, at: usize) -> Result<()> {
        self.closed += 1;
        let due = self.clients[at].due;
        self.clients[at] = Client::connect(self.options.target, self.poll.registry(), at)?;
        self.clients[at].due = due;
        Ok(())
    }

    fn write_samples(&self) -> Result<()> {
        let mut file = BufWriter::new(File::create(&self.options.samples)?);
        let (now, wall) = (Instant::now(), SystemTime::now());
        for (since, latency) in &self.samples {
            let at = (wall - (now - *since)).duration_since(UNIX_EPOCH).map_err(Error::other)?;
            writeln!(file, "{} {}", at.as_micros(), latency.as_micros())?;
        }
        file.flush()
    }
}

impl Client {
    fn connect(target: SocketAddr, registry: &Registry, at: usize) -> Result<Client> {
        let stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, Token(at), Interest::READABLE)?;
        let now = Instant::now();
        Ok(Client { stream, input: Vec::new(), due: now, waits_since: None, replied: now })
    }
}

/// Length of the reply at the start of the input; None until it is complete.
fn reply_length(input: &[u8]) -> Result<Option<usize>> {
    let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = &input[..end];
    let body = match line.first() {
        Some(b'$') if line != b"$-1" => {
            let length = std::str::from_utf8(&line[1..]).ok().and_then(|digits| digits.parse::<usize>().ok());
            let length = length.filter(|length| *length <= REPLY_BYTES_MAX);
            length.ok_or_else(|| Error::other("a reply of no length"))? + 2
        }
        Some(_) => 0,
        None => return Err(Error::other("an empty reply")),
    };
    let length = end + 2 + body;
    Ok((input.len() >= length).then_some(length))
}
