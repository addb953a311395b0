//! Lower bound for a fan-out: the smallest program that has one subscription for many subscribers.
//!
//! `fan PORT SERVER` subscribes to the channel `news` at a Redis server, and sends what it reads from there
//! to each client that has sent a request of two words, with one send each. Requests of three words are
//! passed on, and each is answered with the number of those clients. It parses nothing else, keeps no output
//! for a client that does not read, and exits at anything unexpected: any further cost of a fan-out is its
//! own.

#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::SocketAddr;

use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

const LISTENER: Token = Token(0);
const SOURCE: Token = Token(1);
const REQUESTS: Token = Token(2);
/// Tokens of clients begin here.
const CLIENTS: usize = 3;

const SUBSCRIBE: &[u8] = b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnews\r\n";
const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n";

#[derive(Debug, Parser)]
#[command(about = "Sends what one subscription brings to all clients: the least that a fan-out costs")]
struct Options {
    /// Port to listen on, on loopback.
    port: u16,
    /// The server's address.
    server: SocketAddr,
}

struct Fan {
    clients: Vec<TcpStream>,
    /// Those that are subscribed, and the one that publishes, by their places.
    subscribers: Vec<usize>,
    publisher: Option<usize>,
    requests: TcpStream,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut source = connected(options.server, SOURCE, SUBSCRIBE, poll.registry())?;
    let requests = connected(options.server, REQUESTS, b"", poll.registry())?;
    let mut fan = Fan { clients: Vec::new(), subscribers: Vec::new(), publisher: None, requests };
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; 64 * 1024];
    loop {
        if let Err(e) = poll.poll(&mut events, None)
            && e.kind() != ErrorKind::Interrupted
        {
            return Err(e);
        }
        for event in &events {
            match event.token() {
                LISTENER => fan.accept(&listener, poll.registry())?,
                SOURCE => {
                    while let Some(count) = read(&mut source, &mut scratch)? {
                        fan.send_all(&scratch[..count])?;
                    }
                }
                REQUESTS => {
                    while let Some(count) = read(&mut fan.requests, &mut scratch)? {
                        fan.answer(&scratch[..count])?;
                    }
                }
                Token(client) => fan.serve(client - CLIENTS, &mut scratch)?,
            }
        }
    }
}

/// A connection to the server, on which a request was sent and its reply read.
fn connected(server: SocketAddr, token: Token, request: &[u8], registry: &Registry) -> Result<TcpStream> {
    let mut stream = std::net::TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.write_all(request)?;
    if !request.is_empty() {
        stream.read_exact(&mut [0; SUBSCRIBED.len()])?;
    }
    stream.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, token, Interest::READABLE)?;
    Ok(stream)
}

/// Reads once; None if nothing is there.
fn read(stream: &mut TcpStream, scratch: &mut [u8]) -> Result<Option<usize>> {
    match stream.read(scratch) {
        Ok(0) => Err(Error::from(ErrorKind::UnexpectedEof)),
        Ok(count) => Ok(Some(count)),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

impl Fan {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> Result<()> {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    registry.register(
                        &mut stream,
                        Token(CLIENTS + self.clients.len()),
                        Interest::READABLE,
                    )?;
                    self.clients.push(stream);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    fn serve(&mut self, place: usize, scratch: &mut [u8]) -> Result<()> {
        loop {
            let count = match read(&mut self.clients[place], scratch) {
                Ok(Some(count)) => count,
                Ok(None) => return Ok(()),
                // It has gone.
                Err(_) => {
                    self.subscribers.retain(|subscriber| *subscriber != place);
                    return Ok(());
                }
            };
            if scratch.starts_with(b"*2") {
                self.subscribers.push(place);
                self.clients[place].write_all(SUBSCRIBED)?;
            } else {
                self.publisher = Some(place);
                self.requests.write_all(&scratch[..count])?;
            }
        }
    }

    /// Answers the publisher, once for each reply of the server.
    fn answer(&mut self, replies: &[u8]) -> Result<()> {
        let Some(publisher) = self.publisher else { return Ok(()) };
        let answer = format!(":{}\r\n", self.subscribers.len());
        let count = replies.iter().filter(|byte| **byte == b'\n').count();
        self.clients[publisher].write_all(answer.repeat(count).as_bytes())
    }

    fn send_all(&mut self, message: &[u8]) -> Result<()> {
        for subscriber in &self.subscribers {
            self.clients[*subscriber].write_all(message)?;
        }
        Ok(())
    }
}
