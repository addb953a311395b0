//! The kernel's cost of a message that is confirmed before the next is sent: the lower bound for `cargo xtask
//! bench single`.
//!
//! `floor PORT FILE` reads what a client sends, appends it to the file with one `pwrite`, and answers `OK` in
//! a frame of NSQ V2. It parses nothing, keeps no state, and serves only clients that wait for each answer:
//! one poll, one recv, one pwrite and one send per message, the minimum for any daemon on sockets that stores
//! what it confirms.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use clap::Parser;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// `OK` as a response frame of NSQ V2.
const OK: &[u8] = b"\0\0\0\x06\0\0\0\0OK";
const LISTENER: Token = Token(0);

#[derive(Debug, Parser)]
#[command(about = "Appends what comes to a file and says OK: the least that a durable queue costs")]
struct Options {
    port: u16,
    file: PathBuf,
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let file = File::create(&options.file)?;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], options.port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let (mut next, mut end) = (1, 0);
    let mut buffer = vec![0; 64 * 1024];
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
                match client.read(&mut buffer) {
                    Ok(0) => drop(clients.remove(&event.token())),
                    Ok(n) => {
                        file.write_all_at(&buffer[..n], end)?;
                        end += n as u64;
                        client.write_all(OK)?;
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => drop(clients.remove(&event.token())),
                }
            }
        }
    }
}
