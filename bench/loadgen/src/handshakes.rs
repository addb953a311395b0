//! Short-lived connections: connect, handshake, one request, close.
//!
//! Each of `--connections` threads runs them one after the other. With `--resume` each thread keeps a
//! session, so that all of its handshakes but the first resume it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use load::{Load, Requests, next_reply};
use rustls::{HandshakeKind, Stream};
use serde_json::{Value, json};

use crate::options::Tls;
use crate::tls;

/// Handshakes of one thread.
#[derive(Default)]
struct Done {
    handshakes: u64,
    resumed: u64,
    took_us: Vec<u64>,
}

/// Runs one handshake per request of the load.
pub fn run(load: &Load, tls: Tls) -> io::Result<Value> {
    let threads = load.connections.max(1);
    let each = (load.requests / threads as u64).max(1);
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let load = load.clone();
            thread::spawn(move || work(&load, tls, each))
        })
        .collect();
    let mut all = Done::default();
    for worker in workers {
        let done = worker.join().map_err(|_| io::Error::other("a thread has panicked"))??;
        all.handshakes += done.handshakes;
        all.resumed += done.resumed;
        all.took_us.extend(done.took_us);
    }
    let seconds = start.elapsed().as_secs_f64();
    all.took_us.sort_unstable();
    let quantile = |percent: usize| all.took_us.get(all.took_us.len() * percent / 100).copied().unwrap_or(0);
    Ok(json!({
        "requests": all.handshakes,
        "resumed": all.resumed,
        "errors": 0,
        "seconds": seconds,
        "requests_per_s": all.handshakes as f64 / seconds,
        "p50_us": quantile(50),
        "p99_us": quantile(99),
    }))
}

fn work(load: &Load, tls: Tls, handshakes: u64) -> io::Result<Done> {
    let config = tls::config(tls)?;
    let mut requests = Requests::new(load);
    let mut done = Done::default();
    for _ in 0..handshakes {
        let start = Instant::now();
        let mut stream = TcpStream::connect(load.target)?;
        stream.set_nodelay(true)?;
        match &config {
            None => exchange(load, &mut requests, &mut stream)?,
            Some(config) => {
                let mut tls = tls::handshake(config, &mut stream)?;
                exchange(load, &mut requests, &mut Stream::new(&mut *tls, &mut stream))?;
                done.resumed += u64::from(tls.handshake_kind() == Some(HandshakeKind::Resumed));
                tls.send_close_notify();
                tls.write_tls(&mut stream)?;
            }
        }
        done.handshakes += 1;
        done.took_us.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(done)
}

/// One request and its reply.
fn exchange(load: &Load, requests: &mut Requests, stream: &mut (impl Read + Write)) -> io::Result<()> {
    let (mut request, mut input, mut piece) = (Vec::new(), Vec::new(), [0; 4096]);
    requests.append(&mut request);
    stream.write_all(&request)?;
    stream.flush()?;
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the reply"));
        }
        input.extend_from_slice(&piece[..read]);
        match next_reply(load.protocol, load.operation, &input) {
            Some(reply) if reply.is_good => return Ok(()),
            Some(_) => return Err(io::Error::other(String::from_utf8_lossy(&input).into_owned())),
            None => {}
        }
    }
}
