//! nutcracker's statistics port: connect, get one JSON line, be closed.
//!
//! What a client sends is not looked at (nutcracker's is the same), except that it is read for a moment before the
//! close, so that the close does not take the answer away. Slow clients do not hold up others; there is a limit on
//! how many are served at once.

use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use config::checked::Listen;
use config::endpoint::show_listen;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

/// Clients served at once; more wait in the kernel.
const CLIENTS_MAX: usize = 64;
/// How long one client may take.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long we wait for the client's end after the answer.
const LINGER: Duration = Duration::from_secs(1);
/// Pause after a failed accept, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port, bound.
#[derive(Debug)]
pub struct StatsPort {
    listener: Bound,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, String),
}

impl StatsPort {
    /// Binds the port.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub fn bind(listen: &Listen) -> Result<StatsPort, String> {
        let failed =
            |error: io::Error| format!("statistics: cannot listen on {}: {error}", show_listen(listen));
        let listener = match listen {
            Listen::Tcp { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Bound::Tcp(listener)
            }
            Listen::Unix { path, mode } => {
                if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let listener = UnixListener::bind(path).map_err(failed)?;
                if let Some(mode) = mode {
                    std::fs::set_permissions(path, std::fs::Permissions::from_mode(*mode)).map_err(failed)?;
                }
                listener.set_nonblocking(true).map_err(failed)?;
                Bound::Unix(listener, path.display().to_string())
            }
        };
        Ok(StatsPort { listener })
    }

    /// The address as bound.
    pub fn address(&self) -> String {
        match &self.listener {
            Bound::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Bound::Unix(_, path) => path.clone(),
        }
    }

    /// Serves `document` for ever. Needs a tokio runtime.
    pub async fn serve(self, document: Arc<dyn Fn() -> String + Send + Sync>) -> io::Result<()> {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        match self.listener {
            Bound::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                loop {
                    let place = Arc::clone(&places).acquire_owned().await;
                    match listener.accept().await {
                        Ok((client, _)) => spawn(client, &document, place),
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
            }
            Bound::Unix(listener, _) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                loop {
                    let place = Arc::clone(&places).acquire_owned().await;
                    match listener.accept().await {
                        Ok((client, _)) => spawn(client, &document, place),
                        Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                    }
                }
            }
        }
    }
}

fn spawn<S, P>(client: S, document: &Arc<dyn Fn() -> String + Send + Sync>, place: P)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Send + 'static,
{
    let text = document();
    tokio::spawn(async move {
        let _ = tokio::time::timeout(CLIENT_TIMEOUT, answer(client, text)).await;
        drop(place);
    });
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut client: S, text: String) -> io::Result<()> {
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await?;
    let mut ignored = [0; 512];
    let drained = async { while matches!(client.read(&mut ignored).await, Ok(n) if n > 0) {} };
    let _ = tokio::time::timeout(LINGER, drained).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn one_line_per_connection() {
        let listen = Listen::Tcp { host: "127.0.0.1".into(), port: 0 };
        let port = StatsPort::bind(&listen).unwrap();
        let address = port.address();
        assert!(StatsPort::bind(&config::endpoint::listen(&address).unwrap()).is_err(), "taken");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = std::thread::spawn(move || {
            let mut answers = Vec::new();
            for request in [&b""[..], b"GET / HTTP/1.0\r\n\r\n", b"x"] {
                let mut stream = TcpStream::connect(&address).unwrap();
                stream.write_all(request).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answers.push(answer);
            }
            answers
        });
        runtime.block_on(async {
            tokio::select! {
                _ = port.serve(Arc::new(|| "{}\n".to_string())) => panic!("serving ended"),
                () = async { while !client.is_finished() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
            }
        });
        assert_eq!(client.join().unwrap(), ["{}\n", "{}\n", "{}\n"]);
    }
}
