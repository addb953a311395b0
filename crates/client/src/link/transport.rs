//! Frames in and commands out, over a socket and its layers.
//!
//! ```text
//! socket ─read─▶ Stack (TLS, compression) ─▶ plain ─▶ frame()
//! socket ◀─write─ out ◀─ Stack ◀─ send(), command()
//! ```
//! [`Transport::turn`] does what the socket is ready for; it can be cancelled while it waits without losing
//! data. Memory is limited: one frame of maximum size and one read; senders check [`Transport::unsent`].

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

/// Size of one read.
const READ_BYTES: usize = 64 << 10;

/// Time for the server to see the end.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

/// A received frame.
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
    /// The layers hold more: nothing is read from the socket until they are drained.
    more: bool,
    /// The server will send no more.
    ended: bool,
    /// The server accepts no more; its last words may still be readable.
    deaf: bool,
    out: Vec<u8>,
    /// Number of bytes of `out` already written.
    written: usize,
    frame_bytes_max: usize,
    scratch: Box<[u8]>,
    /// Time of the last input.
    heard: Instant,
    /// Start of the time during which the socket has not accepted pending output.
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

    /// Pushes a layer; it gets the received bytes not yet read.
    pub(super) fn push(&mut self, layer: &Layer) -> Result<(), LinkError> {
        self.stack.flush(&mut self.out);
        let unread = std::mem::take(&mut self.plain);
        self.stack.push(layer, &unread)?;
        self.receive(0)
    }

    /// Queues bytes for the next turn.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stack.send(bytes, &mut self.out);
    }

    /// Queues a command for the next turn.
    pub(crate) fn command(&mut self, command: &Command<'_>) {
        let mut bytes = Vec::new();
        command.write(&mut bytes);
        self.send(&bytes);
    }

    /// Queued bytes not yet written.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.written + self.stack.gathered()
    }

    /// Resumes reading after a pause: silence counts from here.
    pub(crate) fn resume(&mut self) {
        self.heard = Instant::now();
    }

    /// Deadline for a silent peer or a full socket; without `read`, silence does not count.
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

    /// The next complete frame of the input.
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

    /// Writes pending output, then waits until the socket can be read (if `read`) or written, and does that.
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

    /// Passes input, or bytes still held by the layers, on to `plain`.
    fn receive(&mut self, bytes: usize) -> Result<(), LinkError> {
        let received =
            self.stack.receive(&mut self.scratch[..bytes], &mut self.plain, PLAIN_MAX, &mut self.out);
        if received.is_err() {
            // an alert with the reason for the server
            self.write();
        }
        let received = received?;
        self.more = received.more;
        self.ended |= received.ended;
        Ok(())
    }

    /// Writes what the socket accepts. If it accepts no more, reading goes on to its end: the server may have
    /// sent the reason.
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

    /// Closes it, with as much output as the socket accepts at once.
    pub(crate) fn close(mut self) {
        self.stack.close(&mut self.out);
        self.write();
    }

    /// Closes it gracefully: all output is written, and the server has seen the end before the socket closes,
    /// so that no reset overtakes the last bytes.
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
