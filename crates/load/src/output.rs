//! Bytes of a connection that wait for room in its socket.

use std::io::{self, ErrorKind};

use crate::transport::Transport;

/// Requests to send, and how far they have been written.
#[derive(Debug, Default)]
pub struct Output {
    /// Requests; more may be appended at any time.
    pub bytes: Vec<u8>,
    written: usize,
}

impl Output {
    /// Writes what the socket accepts.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&mut self, transport: &mut (impl Transport + ?Sized)) -> io::Result<()> {
        while self.written < self.bytes.len() || transport.has_unsent() {
            match transport.write(&self.bytes[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.clear();
        self.written = 0;
        Ok(())
    }
}
