//! An HTTP server for tests: prepared answers in order, the last one repeating, and a record of the requests.
//!
//! Answers are raw bytes, so a test can send anything, HTTP or not. One connection at a time, one request per
//! connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// A server on its own port; ends with the runtime.
#[derive(Debug)]
pub struct Stub {
    /// Its address.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Asked>>>,
}

/// A received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its first line.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Asked {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A plain answer with a length.
pub fn answer(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

impl Stub {
    /// Serves these answers; an empty one closes the connection without answering.
    pub async fn new(answers: Vec<Vec<u8>>, tls: Option<Arc<rustls::ServerConfig>>) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = requests.clone();
        tokio::spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { return };
                let number = record.lock().unwrap().len();
                let answer = answers[number.min(answers.len() - 1)].clone();
                match &tls {
                    None => serve(socket, &answer, &record).await,
                    Some(tls) => {
                        let accepted = tokio_rustls::TlsAcceptor::from(tls.clone()).accept(socket).await;
                        if let Ok(socket) = accepted {
                            serve(socket, &answer, &record).await;
                        }
                    }
                }
            }
        });
        Stub { address, requests }
    }

    /// Requests so far.
    pub fn requests(&self) -> Vec<Asked> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8], record: &Mutex<Vec<Asked>>) {
    let mut socket = BufReader::new(socket);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<_> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    let body = String::from_utf8(body).unwrap();
    record.lock().unwrap().push(Asked { line: lines[0].clone(), headers, body });
    let _ = socket.write_all(answer).await;
    let _ = socket.shutdown().await;
}
