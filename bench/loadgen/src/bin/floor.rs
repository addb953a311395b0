//! The kernel's cost of an answered message: lower bounds for `cargo xtask bench single` and `bench cache`.
//!
//! `floor queue PORT FILE` appends what a client sends to the file with one `pwrite`, and answers `OK` in a
//! frame of NSQ V2. It parses nothing, and serves only clients that wait for each answer: the minimum for a
//! daemon on sockets that stores what it confirms.
//!
//! `floor cache PORT` keeps nothing: it counts the arrays of what a client sends, of two elements (GET) and
//! of three (SET), and answers each with 100 bytes or `OK`. Keys and values must not contain `*`, and a
//! request that is cut in two is answered when its first bytes have come.
//!
//! Both have one poll for all clients, and one recv and one send for each of them.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// `OK` as a response frame of NSQ V2.
const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";
const LISTENER: Token = Token(0);

#[derive(Debug, Parser)]
#[command(about = "Answers messages: the least that a daemon on sockets costs")]
struct Options {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Appends what comes to a file and says OK.
    Queue { port: u16, file: PathBuf },
    /// Answers GET and SET, and keeps nothing.
    Cache { port: u16 },
}

fn main() -> Result<()> {
    match Options::parse().kind {
        Kind::Queue { port, file } => serve(port, queue(&file)?),
        Kind::Cache { port } => serve(port, |input, output| {
            cache(input, output);
            Ok(())
        }),
    }
}

/// Serves clients, with an answer for all that one of them has sent.
fn serve(port: u16, mut answer: impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>) -> Result<()> {
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut next = 1;
    let (mut input, mut output) = (vec![0; 64 * 1024], Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut client, _)) = listener.accept() {
                    client.set_nodelay(true)?;
                    poll.registry().register(&mut client, Token(next), Interest::READABLE)?;
                    clients.insert(Token(next), client);
                    next += 1;
                }
            } else if let Some(client) = clients.get_mut(&event.token()) {
                match client.read(&mut input) {
                    Ok(0) => drop(clients.remove(&event.token())),
                    Ok(n) => {
                        output.clear();
                        answer(&input[..n], &mut output)?;
                        client.write_all(&output)?;
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => drop(clients.remove(&event.token())),
                }
            }
        }
    }
}

/// Stores what comes, and says OK.
fn queue(file: &Path) -> Result<impl FnMut(&[u8], &mut Vec<u8>) -> Result<()> + use<>> {
    let file = File::create(file)?;
    let mut end = 0;
    Ok(move |input: &[u8], output: &mut Vec<u8>| {
        file.write_all_at(input, end)?;
        end += input.len() as u64;
        output.extend_from_slice(OK);
        Ok(())
    })
}

/// An answer for each request of `input`.
fn cache(input: &[u8], output: &mut Vec<u8>) {
    const VALUE: [u8; 108] = {
        let mut value = [b'x'; 108];
        let (head, _) = value.split_at_mut(6);
        head.copy_from_slice(b"$100\r\n");
        (value[106], value[107]) = (b'\r', b'\n');
        value
    };
    for (at, _) in input.iter().enumerate().filter(|(_, byte)| **byte == b'*') {
        let reads = input.get(at + 1) == Some(&b'2');
        output.extend_from_slice(if reads { &VALUE } else { b"+OK\r\n" });
    }
}
