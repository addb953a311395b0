//! Lower bound for the proxy: the smallest relay for one Redis server that scans frames and batches writes.
//!
//! `relay PORT SERVER` reads what clients send, finds where each request ends, and appends it to one buffer
//! for the server; it finds where each reply ends and appends it to the buffer of the client with the oldest
//! request. Each buffer is written once per turn of the loop. It has no limits, no timeouts, no statistics
//! and no second server, and exits at anything unexpected: any further cost of a proxy is its own.
//!
//! With `--cert` and `--key` clients speak TLS, through rustls with its own buffers. With `--coalesce` it
//! sleeps before each poll, always for as long: the least that a proxy costs which gathers.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

const LISTENER: Token = Token(usize::MAX);
const SERVER: usize = 0;

#[derive(Debug, Parser)]
#[command(about = "Relays requests to one Redis server: the least that a proxy costs")]
struct Options {
    /// Port to listen on, on loopback.
    port: u16,
    /// The server's address.
    server: SocketAddr,
    /// PEM file of a certificate.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of its key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Microseconds to sleep before each poll.
    #[arg(long, default_value_t = 0)]
    coalesce: u64,
}

/// A connection with its input and output buffers.
struct Peer {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    input: Vec<u8>,
    output: Vec<u8>,
    is_dirty: bool,
}

impl Peer {
    fn new(mut stream: TcpStream, token: usize, registry: &Registry) -> Result<Peer> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Peer { stream, tls: None, input: Vec::new(), output: Vec::new(), is_dirty: false })
    }

    /// Reads until the socket is empty; false at the end of the stream.
    fn fill(&mut self, scratch: &mut [u8]) -> Result<bool> {
        if self.tls.is_some() {
            return self.fill_secure();
        }
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.input.extend_from_slice(&scratch[..n]);
                    if n < scratch.len() {
                        return Ok(true);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }

    fn fill_secure(&mut self) -> Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        loop {
            match tls.read_tls(&mut self.stream) {
                Ok(0) => return Ok(false),
                Ok(_) => {
                    let state = tls.process_new_packets().map_err(Error::other)?;
                    let old = self.input.len();
                    self.input.resize(old + state.plaintext_bytes_to_read(), 0);
                    tls.reader().read_exact(&mut self.input[old..])?;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }

    fn flush_secure(&mut self) -> Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.writer().write_all(&self.output)?;
        self.output.clear();
        while tls.wants_write() {
            match tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.is_dirty = false;
        if self.tls.is_some() {
            return self.flush_secure();
        }
        match self.stream.write(&self.output) {
            Ok(n) if n == self.output.len() => self.output.clear(),
            Ok(n) => drop(self.output.drain(..n)),
            Err(e) if [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&e.kind()) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }
}

struct Relay {
    poll: Poll,
    /// The server comes first.
    peers: Vec<Option<Peer>>,
    /// Client of each outstanding reply, in order.
    line: VecDeque<usize>,
    /// Peers with output.
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    tls: Option<Arc<ServerConfig>>,
}

impl Relay {
    fn read(&mut self, from: usize) -> Result<()> {
        let Some(mut peer) = self.peers[from].take() else { return Ok(()) };
        if !peer.fill(&mut self.scratch)? {
            return if from == SERVER { Err(Error::other("the server closed")) } else { Ok(()) };
        }
        let mut at = 0;
        while let Some(length) = frame(&peer.input[at..])? {
            let to = if from == SERVER {
                self.line.pop_front().ok_or_else(|| Error::other("a reply to nothing"))?
            } else {
                self.line.push_back(from);
                SERVER
            };
            if let Some(other) = &mut self.peers[to] {
                other.output.extend_from_slice(&peer.input[at..at + length]);
                if !other.is_dirty {
                    other.is_dirty = true;
                    self.dirty.push(to);
                }
            }
            at += length;
        }
        peer.input.drain(..at);
        if peer.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
            self.dirty.push(from);
        }
        self.peers[from] = Some(peer);
        Ok(())
    }

    /// Writes each peer's output, once per turn.
    fn write(&mut self) -> Result<()> {
        for peer in self.dirty.drain(..) {
            if let Some(peer) = &mut self.peers[peer] {
                peer.flush()?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, listener: &TcpListener) -> Result<()> {
        while let Ok((stream, _)) = listener.accept() {
            let mut peer = Peer::new(stream, self.peers.len(), self.poll.registry())?;
            if let Some(config) = &self.tls {
                let mut tls = ServerConnection::new(Arc::clone(config)).map_err(Error::other)?;
                tls.set_buffer_limit(None);
                peer.tls = Some(Box::new(tls));
            }
            self.peers.push(Some(peer));
        }
        Ok(())
    }
}

/// Length of the first request or reply, if complete.
fn frame(bytes: &[u8]) -> Result<Option<usize>> {
    let Some((kind, number, mut end)) = header(bytes)? else { return Ok(None) };
    match kind {
        b'*' => {
            for _ in 0..number {
                let Some(length) = frame(&bytes[end..])? else { return Ok(None) };
                end += length;
            }
        }
        b'$' if number >= 0 => end += usize::try_from(number).unwrap_or(0) + 2,
        _ => {}
    }
    Ok((end <= bytes.len()).then_some(end))
}

/// Type, number (0 for lines of text) and length of the header line.
fn header(bytes: &[u8]) -> Result<Option<(u8, i64, usize)>> {
    let Some(line) = bytes.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
    let number = match bytes[0] {
        b'*' | b'$' => bytes[1..line - 1]
            .iter()
            .try_fold((0, 1), |(number, sign), &byte| match byte {
                b'-' => Some((number, -1)),
                b'0'..=b'9' => Some((number * 10 + i64::from(byte - b'0'), sign)),
                _ => None,
            })
            .map(|(number, sign)| number * sign)
            .ok_or_else(|| Error::other("a length that is no number"))?,
        b'+' | b'-' | b':' => 0,
        _ => return Err(Error::other("neither RESP2 nor an array")),
    };
    Ok(Some((bytes[0], number, line + 1)))
}

/// TLS configuration from the options; None without TLS.
fn secure(options: &Options) -> Result<Option<Arc<ServerConfig>>> {
    let (Some(cert), Some(key)) = (&options.cert, &options.key) else { return Ok(None) };
    let cert = CertificateDer::from_pem_file(cert).map_err(Error::other)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .map_err(Error::other)?;
    Ok(Some(Arc::new(config)))
}

fn main() -> Result<()> {
    let options = Options::parse();
    let poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let server = Peer::new(TcpStream::connect(options.server)?, SERVER, poll.registry())?;
    let mut relay = Relay {
        poll,
        peers: vec![Some(server)],
        line: VecDeque::new(),
        dirty: Vec::new(),
        scratch: vec![0; 64 * 1024],
        tls: secure(&options)?,
    };
    // The default slack would add up to 50 µs to a sleep.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1000))?;
    let sleep = Duration::from_micros(options.coalesce);
    let mut events = Events::with_capacity(1024);
    loop {
        if !sleep.is_zero() {
            std::thread::sleep(sleep);
        }
        relay.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => relay.accept(&listener)?,
                Token(peer) if event.is_readable() => relay.read(peer)?,
                Token(peer) => relay.dirty.push(peer),
            }
        }
        relay.write()?;
    }
}
