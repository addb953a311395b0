//! Connections that are opened, used for one request, and then left idle until standard input ends.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use load::{Load, Plain, Requests, Transport, next_reply};
use serde_json::{Value, json};

use crate::options::Tls;
use crate::tls::{self, Secure};

/// Longest wait for a reply.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the connections, prints a line when done, and waits.
pub fn run(load: &Load, tls: Tls) -> io::Result<Value> {
    let config = tls::config(tls)?;
    let mut requests = Requests::new(load);
    let mut connections: Vec<Box<dyn Transport>> = Vec::new();
    for _ in 0..load.connections {
        let mut connection: Box<dyn Transport> = match &config {
            None => Box::new(Plain::open(load.target)?),
            Some(config) => Box::new(Secure::open(load.target, config)?),
        };
        exchange(load, &mut requests, &mut *connection)?;
        connections.push(connection);
    }
    println!("{}", json!({ "open": connections.len() }));
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(json!({ "closed": connections.len() }))
}

fn exchange(load: &Load, requests: &mut Requests, connection: &mut dyn Transport) -> io::Result<()> {
    let (mut request, mut input) = (Vec::new(), Vec::new());
    requests.append(&mut request);
    let mut written = 0;
    while written < request.len() {
        written += connection.write(&request[written..])?;
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let is_open = connection.read(&mut input)?;
        match next_reply(load.protocol, load.operation, &input) {
            Some(reply) if reply.is_good => return Ok(()),
            None if is_open && Instant::now() < end => std::thread::sleep(Duration::from_micros(50)),
            _ => return Err(io::Error::other(format!("no reply: {}", String::from_utf8_lossy(&input)))),
        }
    }
}
