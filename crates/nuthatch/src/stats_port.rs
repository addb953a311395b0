//! nutcracker's statistics port: a client connects, gets one JSON line, and is closed.
//!
//! Input is ignored, as in nutcracker, but drained for a moment before the close, so that a
//! reset does not discard the answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::control_port::{Accepted, Client, ControlPort};

/// Time limit per client.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time to wait for the client's close after the answer.
const LINGER: Duration = Duration::from_secs(1);

/// Serves `document` forever. Needs a tokio runtime.
pub async fn serve(port: ControlPort, document: Arc<dyn Fn() -> String + Send + Sync>) -> io::Result<()> {
    port.serve(|Accepted { client, .. }| {
        let text = document();
        async move {
            let _ = tokio::time::timeout(CLIENT_TIMEOUT, answer(client, text)).await;
        }
    })
    .await
}

async fn answer(mut client: Client, text: String) -> io::Result<()> {
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

    use config::checked::Listen;
    use net::Binder;

    use super::*;

    #[test]
    fn one_line_per_connection() {
        let listen = Listen::Tcp { host: "127.0.0.1".into(), port: 0 };
        let port = ControlPort::bind(&listen, &mut Binder::default()).unwrap();
        let address = port.listening("").address;
        let taken = ControlPort::bind(&config::endpoint::listen(&address).unwrap(), &mut Binder::default());
        assert!(taken.is_err(), "taken");
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
                _ = serve(port, Arc::new(|| "{}\n".to_string())) => panic!("serving ended"),
                () = async { while !client.is_finished() { tokio::time::sleep(Duration::from_millis(5)).await } } => {}
            }
        });
        assert_eq!(client.join().unwrap(), ["{}\n", "{}\n", "{}\n"]);
    }
}
