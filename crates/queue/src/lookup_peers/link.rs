//! A connection to an nsqlookupd: requests out, responses in, each within its time limit.
//!
//! Several requests may be in flight at once; responses come in order. After any error the link is unusable:
//! its owner drops it and opens another.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::nsq::lookup::{MAGIC_V1, Node, OK, ReadResponse, read_response, request};

/// An open connection on which IDENTIFY was answered.
#[derive(Debug)]
pub(super) struct Link {
    socket: TcpStream,
    input: BytesMut,
    answer_time: Duration,
    response_bytes_max: usize,
    /// The other side's identity.
    pub(super) them: Node,
}

/// The reason a connection is no longer usable.
#[derive(Debug)]
pub(super) enum LinkError {
    /// Connecting, reading or writing failed.
    Io(io::Error),
    /// Connecting or an answer took too long.
    Late,
    /// The other side closed.
    Closed,
    /// A response that is invalid or too large.
    Malformed,
    /// A response other than the one expected: an error's text.
    Refused(String),
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LinkError::Io(error) => error.fmt(f),
            LinkError::Late => f.write_str("no answer in time"),
            LinkError::Closed => f.write_str("connection closed"),
            LinkError::Malformed => f.write_str("malformed response"),
            LinkError::Refused(text) => write!(f, "refused: {text}"),
        }
    }
}

impl Link {
    /// Connects and sends IDENTIFY.
    pub(super) async fn open(
        address: &str,
        us: &Node,
        answer_time: Duration,
        response_bytes_max: usize,
    ) -> Result<Link, LinkError> {
        let socket = timeout(answer_time, TcpStream::connect(address)).await.map_err(|_| LinkError::Late)?;
        let mut link = Link {
            socket: socket.map_err(LinkError::Io)?,
            input: BytesMut::new(),
            answer_time,
            response_bytes_max,
            them: Node::default(),
        };
        let mut out = MAGIC_V1.to_vec();
        request::write_identify(&mut out, us);
        link.write(&out).await?;
        let answer = link.response().await?;
        // an error as an answer is not JSON
        match Node::parse(&answer) {
            Some(them) => link.them = them,
            None => return Err(LinkError::Refused(String::from_utf8_lossy(&answer).into_owned())),
        }
        Ok(link)
    }

    /// Sends `count` requests, and checks that each is answered with OK.
    pub(super) async fn request(&mut self, bytes: &[u8], count: usize) -> Result<(), LinkError> {
        self.write(bytes).await?;
        for _ in 0..count {
            let answer = self.response().await?;
            if answer != OK {
                return Err(LinkError::Refused(String::from_utf8_lossy(&answer).into_owned()));
            }
        }
        Ok(())
    }

    /// Waits until the other side closes or sends something unrequested; both make the link unusable.
    pub(super) async fn broken(&mut self) -> LinkError {
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) => LinkError::Closed,
            Ok(_) => LinkError::Malformed,
            Err(error) => LinkError::Io(error),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        let written = timeout(self.answer_time, self.socket.write_all(bytes)).await;
        written.map_err(|_| LinkError::Late)?.map_err(LinkError::Io)
    }

    async fn response(&mut self) -> Result<BytesMut, LinkError> {
        timeout(self.answer_time, self.read_response()).await.unwrap_or(Err(LinkError::Late))
    }

    async fn read_response(&mut self) -> Result<BytesMut, LinkError> {
        loop {
            match read_response(&self.input, self.response_bytes_max) {
                ReadResponse::Bad => return Err(LinkError::Malformed),
                ReadResponse::Done { len, .. } => {
                    let mut response = self.input.split_to(len);
                    response.advance(4);
                    return Ok(response);
                }
                ReadResponse::NeedMore { .. } => {}
            }
            if self.socket.read_buf(&mut self.input).await.map_err(LinkError::Io)? == 0 {
                return Err(LinkError::Closed);
            }
        }
    }
}
