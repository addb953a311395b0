//! A connection to the target.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;

/// A connection that is open, and does not block.
pub trait Transport {
    /// Its socket, to be watched.
    fn socket(&mut self) -> &mut TcpStream;

    /// Writes what the socket takes, of what waits from before too; the number of bytes that are done with.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// True if bytes that it is done with wait for room in the socket.
    fn has_unsent(&self) -> bool;

    /// Reads until nothing is there; false at the end of the stream.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, input: &mut Vec<u8>) -> io::Result<bool>;
}

/// A connection without any layer.
#[derive(Debug)]
pub struct Plain(TcpStream);

impl Plain {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
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
