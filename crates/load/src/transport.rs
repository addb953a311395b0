//! A connection to the target.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;

/// An open, non-blocking connection.
pub trait Transport {
    /// Socket to poll.
    fn socket(&mut self) -> &mut TcpStream;

    /// Writes what the socket accepts, earlier unsent bytes first; returns the number of bytes consumed.
    ///
    /// # Errors
    /// Those of the system.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// True if consumed bytes still wait for room in the socket.
    fn has_unsent(&self) -> bool;

    /// Reads until the socket is empty; false at the end of the stream.
    ///
    /// # Errors
    /// Those of the system.
    fn read(&mut self, input: &mut Vec<u8>) -> io::Result<bool>;
}

/// A plain connection, without TLS.
#[derive(Debug)]
pub struct Plain(TcpStream);

impl Plain {
    /// Connects.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(target: SocketAddr) -> io::Result<Plain> {
        let stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Plain(TcpStream::from_std(stream)))
    }
}

impl Transport for Plain {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn has_unsent(&self) -> bool {
        false
    }

    fn read(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let old = input.len();
            input.resize(old + READ_BYTES, 0);
            let result = self.0.read(&mut input[old..]);
            input.truncate(old + result.as_ref().copied().unwrap_or(0));
            match result {
                Ok(0) => return Ok(false),
                Ok(n) if n < READ_BYTES => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
