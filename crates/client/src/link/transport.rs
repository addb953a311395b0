//! Frames in and commands out, over a socket with whatever layers stand on it.
//!
//! ```text
//! socket ─read─▶ Stack (TLS, compression) ─▶ plain ─▶ frame()
//! socket ◀─write─ out ◀─ Stack ◀─ send(), command()
//! ```
//! [`Transport::turn`] does what the socket is ready for; it can be dropped while it waits and loses nothing.
//! What is held is limited: one frame of the greatest length and a read; whoever sends looks at
//! [`Transport::unsent`].

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use net::Layer;
use net::layer::{PLAIN_MAX, Stack};
use tokio::io::Interest;
use wire::nsq::Command;
use wire::nsq::frame::{FrameType, ReadFrame, read_frame};

use super::error::LinkError;
use super::socket::Socket;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Time the server may take to see the end.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: FrameType,
    pub(crate) data: Bytes,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    stack: Stack,
    plain: BytesMut,
    /// There is more inside the layers: nothing is read from the socket before it is out.
    more: bool,
    /// The server will send no more.
    ended: bool,
    /// The server takes no more; what it said last may still be there to read.
    deaf: bool,
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    written: usize,
    frame_bytes_max: usize,
    scratch: Box<[u8]>,
    /// Time something was last received.
    heard: Instant,
    /// Since when there has been something to write that the socket does not take.
    stuck: Option<Instant>,
}

impl Transport {
    pub(super) fn new(socket: Socket, frame_bytes_max: usize) -> Transport {
        Transport {
            socket,
            stack: Stack::default(),
            plain: BytesMut::new(),
            more: false,
            ended: false,
            deaf: false,
            out: Vec::new(),
            written: 0,
            frame_bytes_max,
            scratch: vec![0; READ_BYTES].into(),
            heard: Instant::now(),
            stuck: None,
        }
    }

    /// Puts a layer on it; what was received and not read is the layer's.
    pub(super) fn push(&mut self, layer: &Layer) -> Result<(), LinkError> {
        self.stack.flush(&mut self.out);
        let unread = std::mem::take(&mut self.plain);
        self.stack.push(layer, &unread)?;
        self.receive(0)
    }

    /// Sends bytes with the next turn.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stack.send(bytes, &mut self.out);
    }

    /// Sends a command with the next turn.
    pub(crate) fn command(&mut self, command: &Command<'_>) {
        let mut bytes = Vec::new();
        command.write(&mut bytes);
        self.send(&bytes);
    }

    /// Bytes that were sent and not written.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.written + self.stack.gathered()
    }

    /// Reading goes on after a pause of ours: silence counts from here.
    pub(crate) fn resume(&mut self) {
        self.heard = Instant::now();
    }

    /// Time at which silence or a full socket has lasted too long; without `read`, silence does not count.
    pub(crate) fn deadline(
        &self,
        read: bool,
        read_timeout: Duration,
        write_timeout: Duration,
    ) -> Option<Instant> {
        let silent = read.then(|| self.heard + read_timeout);
        let stuck = self.stuck.map(|since| since + write_timeout);
        [silent, stuck].into_iter().flatten().min()
    }

    /// Waits for the next frame.
    pub(super) async fn frame(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = self.next_frame()? {
                return Ok(frame);
            }
            self.turn(true).await?;
        }
    }

    /// The next frame of what was received.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, LinkError> {
        match read_frame(&self.plain, self.frame_bytes_max) {
            ReadFrame::Done { kind, len, .. } => {
                let mut data = self.plain.split_to(len).freeze();
                data.advance(8);
                Ok(Some(Frame { kind, data }))
            }
            ReadFrame::Bad => Err(LinkError::Frame(self.frame_bytes_max)),
            ReadFrame::NeedMore { .. } if self.ended && !self.more => Err(LinkError::Closed),
            ReadFrame::NeedMore { .. } => Ok(None),
        }
    }

    /// Writes what is to be written, then waits until something can be read (if `read`) or written, and does
    /// that.
    pub(crate) async fn turn(&mut self, read: bool) -> Result<(), LinkError> {
        self.write();
        if read && self.more {
            return self.receive(0);
        }
        let read = read && !self.ended;
        let interest = match (read, self.stuck.is_some()) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return std::future::pending().await,
        };
        let ready = self.socket.ready(interest).await.map_err(lost)?;
        if ready.is_writable() {
            self.write();
        }
        if read && (ready.is_readable() || ready.is_read_closed()) {
            self.read()?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), LinkError> {
        match self.socket.try_read(&mut self.scratch) {
            Ok(0) => {
                self.ended = true;
                Ok(())
            }
            Ok(bytes) => {
                self.heard = Instant::now();
                self.receive(bytes)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(lost(error)),
        }
    }

    /// Passes what was read, or what the layers still hold, on to `plain`.
    fn receive(&mut self, bytes: usize) -> Result<(), LinkError> {
        let received =
            self.stack.receive(&mut self.scratch[..bytes], &mut self.plain, PLAIN_MAX, &mut self.out);
        if received.is_err() {
            // an alert that tells the server why
            self.write();
        }
        let received = received?;
        self.more = received.more;
        self.ended |= received.ended;
        Ok(())
    }

    /// Writes what the socket takes. If it takes no more, reading goes on to its end: the server may have
    /// said why.
    pub(crate) fn write(&mut self) {
        self.stack.flush(&mut self.out);
        while self.written < self.out.len() && !self.deaf {
            match self.socket.try_write(&self.out[self.written..]) {
                Ok(bytes) => {
                    self.written += bytes;
                    self.stuck = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck.get_or_insert_with(Instant::now);
                    return;
                }
                Err(_) => self.deaf = true,
            }
        }
        self.stuck = None;
        self.written = 0;
        self.out.clear();
        self.out.shrink_to(READ_BYTES);
    }

    /// Ends it, as far as the socket takes it at once.
    pub(crate) fn close(mut self) {
        self.stack.close(&mut self.out);
        self.write();
    }

    /// Ends it in good order: everything is written, and the server has seen the end before the socket goes,
    /// so that no reset overtakes what was said last.
    pub(crate) async fn finish(mut self) {
        self.stack.close(&mut self.out);
        let ending = async {
            while self.unsent() > 0 && !self.ended {
                self.turn(true).await?;
                self.plain.clear();
            }
            self.socket.shutdown().await.map_err(lost)?;
            while !self.ended {
                self.turn(true).await?;
                self.plain.clear();
            }
            Ok::<_, LinkError>(())
        };
        let _ = tokio::time::timeout(FINISH_TIMEOUT, ending).await;
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn lost(error: io::Error) -> LinkError {
    LinkError::Io(error.to_string())
}
