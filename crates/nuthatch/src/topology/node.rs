//! One question to a node: its view of the cluster.
//!
//! ```text
//! connect ▸ TLS ▸ AUTH, CLUSTER INFO, CLUSTER SLOTS in one write ▸ their replies ▸ close
//! ```
//! Both facts come from one moment: the state that the node believes in, and its slots.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use config::Secret;
use net::Layer;
use net::layer::{PLAIN_MAX, Stack};
use net::tls::{ClientConfig, ServerName};
use proxy::View;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::redis::{ReplyLimits, ReplyScan, ReplyScanner, cluster, encode};

/// Time for the whole question. Others are asked at the same time.
const PATIENCE: Duration = Duration::from_millis(500);
/// Most bytes of the replies: those of a thousand nodes with a slot in each range.
const BYTES_MAX: usize = 16 << 20;

/// Password and TLS for the question.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Password of the pool's servers.
    pub password: Option<Secret>,
    /// TLS towards them, and the name that their certificates have, if that is not their host.
    pub tls: Option<(Arc<ClientConfig>, Option<String>)>,
}

/// Asks the node at an address.
///
/// # Errors
/// It cannot be reached in time, or does not answer as a node of a cluster.
pub async fn ask(host: &str, port: u16, with: &Credentials) -> io::Result<View> {
    let late =
        |_| io::Error::new(ErrorKind::TimedOut, format!("no answer within {} ms", PATIENCE.as_millis()));
    tokio::time::timeout(PATIENCE, converse(host, port, with)).await.map_err(late)?
}

async fn converse(host: &str, port: u16, with: &Credentials) -> io::Result<View> {
    let mut socket = TcpStream::connect((host, port)).await?;
    socket.set_nodelay(true)?;
    let (mut stack, mut out) = (Stack::default(), Vec::new());
    if let Some((config, name)) = &with.tls {
        let name = ServerName::try_from(name.clone().unwrap_or_else(|| host.to_owned()));
        let name = name.map_err(|_| io::Error::other("no certificate can have its name: set server_name"))?;
        stack.push(&Layer::TlsClient(Arc::clone(config), name), b"").map_err(io::Error::other)?;
    }
    stack.send(&requests(with), &mut out);
    stack.flush(&mut out);
    let (mut plain, mut input) = (BytesMut::new(), vec![0; 64 << 10]);
    let wanted = 2 + usize::from(with.password.is_some());
    loop {
        if !out.is_empty() {
            socket.write_all(&out).await?;
            out.clear();
        }
        if let Some(replies) = whole(&plain, wanted)? {
            return view(host, &replies[wanted - 2..]);
        }
        if plain.len() > BYTES_MAX {
            return Err(io::Error::other("its answer is too long"));
        }
        let n = socket.read(&mut input).await?;
        if n == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"));
        }
        let mut n = n;
        loop {
            let received =
                stack.receive(&mut input[..n], &mut plain, PLAIN_MAX, &mut out).map_err(io::Error::other)?;
            if !received.more {
                break;
            }
            n = 0;
        }
        stack.flush(&mut out);
    }
}

fn requests(with: &Credentials) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |words: &[&[u8]]| {
        encode::array(&mut bytes, words.len());
        words.iter().for_each(|word| encode::bulk(&mut bytes, word));
    };
    if let Some(password) = &with.password {
        add(&[b"AUTH", password.reveal().as_bytes()]);
    }
    add(&[b"CLUSTER", b"INFO"]);
    add(&[b"CLUSTER", b"SLOTS"]);
    bytes
}

/// The first `wanted` replies, once all have arrived.
fn whole(bytes: &[u8], wanted: usize) -> io::Result<Option<Vec<&[u8]>>> {
    let (mut replies, mut rest) = (Vec::new(), bytes);
    while replies.len() < wanted {
        match ReplyScanner::new().scan(rest, &ReplyLimits::DEFAULT) {
            ReplyScan::Done(reply) => {
                let (reply, after) = rest.split_at(reply.len());
                replies.push(reply);
                rest = after;
            }
            ReplyScan::NeedMore { .. } => return Ok(None),
            ReplyScan::Bad(_) => return Err(io::Error::other("it does not speak RESP")),
        }
    }
    Ok(Some(replies))
}

fn view(host: &str, replies: &[&[u8]]) -> io::Result<View> {
    let [info, slots] = replies else { return Err(io::Error::other("it does not answer")) };
    match (cluster::info(info), cluster::slots(slots)) {
        (Some(info), Some(ranges)) => Ok(View { host: host.to_owned(), info, ranges }),
        _ => {
            let words = [info, slots].into_iter().find(|reply| reply.starts_with(b"-"));
            let words =
                String::from_utf8_lossy(words.unwrap_or(&&b"something else"[..]).trim_ascii()).into_owned();
            Err(io::Error::other(format!("it answers: {}", words.trim_start_matches('-'))))
        }
    }
}
