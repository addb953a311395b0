//! A short exchange with another program: one request and its answer, with limits on time and size.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use config::checked::Target;

/// Time limit for connecting, and for each step afterwards.
const PATIENCE: Duration = Duration::from_secs(2);
/// Size limit of an answer, in bytes.
const BYTES_MAX: usize = 256 << 10;

/// An answer, and the time from the request to its end.
pub(super) struct Answer {
    pub text: String,
    pub took: Duration,
}

/// Sends `request` and reads until `is_whole`.
pub(super) fn exchange(
    target: &Target,
    request: &[u8],
    is_whole: impl Fn(&str) -> bool,
) -> io::Result<Answer> {
    match target {
        Target::Tcp { host, port } => {
            let stream = connect(host, *port)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            converse(stream, request, is_whole)
        }
        Target::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            converse(stream, request, is_whole)
        }
        Target::Local => Err(io::Error::other("it is in this process")),
        Target::Master => Err(io::Error::other("its address is the Sentinels' to say")),
    }
}

/// A connection to the first reachable address of a name.
fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn converse(
    mut stream: impl Read + Write,
    request: &[u8],
    is_whole: impl Fn(&str) -> bool,
) -> io::Result<Answer> {
    let start = Instant::now();
    stream.write_all(request)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if is_whole(&text) {
            return Ok(Answer { text: text.into_owned(), took: start.elapsed() });
        }
        if bytes.len() > BYTES_MAX || start.elapsed() > PATIENCE {
            return Err(io::Error::other("its response is too long"));
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection")),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    format!("no answer within {} s", PATIENCE.as_secs()),
                ));
            }
            Err(error) => return Err(error),
        }
    }
}
