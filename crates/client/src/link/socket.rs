//! A tokio socket, TCP or unix, with non-blocking reads and writes.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, Interest, Ready};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};

use super::address::NodeAddress;

/// A connected socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) async fn dial(address: &NodeAddress, from: Option<SocketAddr>) -> io::Result<Socket> {
        let socket = match address {
            NodeAddress::Unix(path) => return Ok(Socket::Unix(UnixStream::connect(path).await?)),
            NodeAddress::Tcp { host, port } => match from {
                None => TcpStream::connect((host.as_str(), *port)).await?,
                Some(from) => dial_from(host, *port, from).await?,
            },
        };
        socket.set_nodelay(true)?;
        Ok(Socket::Tcp(socket))
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Socket::Tcp(socket) => socket.ready(interest).await,
            Socket::Unix(socket) => socket.ready(interest).await,
        }
    }

    /// Shuts down the sending side.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.shutdown().await,
            Socket::Unix(socket) => socket.shutdown().await,
        }
    }

    pub(super) fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.try_read(into),
            Socket::Unix(socket) => socket.try_read(into),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.try_write(bytes),
            Socket::Unix(socket) => socket.try_write(bytes),
        }
    }
}

/// Connects from a local address to the first address of the same family that answers.
async fn dial_from(host: &str, port: u16, from: SocketAddr) -> io::Result<TcpStream> {
    let mut failed = io::Error::other("no address of the family of local_addr");
    for to in lookup_host((host, port)).await?.filter(|to| to.is_ipv4() == from.is_ipv4()) {
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(from)?;
        match socket.connect(to).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
