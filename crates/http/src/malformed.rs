//! Answers to clients that do not speak HTTP: as Go's server words them, then the connection is closed.
//!
//! ```text
//! HTTP/1.1 400 Bad Request
//! Content-Type: text/plain; charset=utf-8
//! Connection: close
//!
//! 400 Bad Request
//! ```
//! A head that hyper cannot read never reaches the service: hyper answers it, with an empty body. [`Worded`]
//! sits between hyper and the socket and replaces that answer; it differs from all answers of the service,
//! which have a content type. [`fault`] finds heads that hyper accepts and Go refuses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderValue, Method, Response, StatusCode, Version, request};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::answer;

/// hyper's automatic answer, up to the date.
const AUTOMATIC: [&str; 3] = ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"];
const NO_BODY: &[u8] = b"\r\nConnection: close\r\nContent-Length: 0\r\n";
/// Length of the date and of the empty line after it.
const DATE_BYTES: usize = "Date: Sat, 21 Nov 2026 22:51:54 GMT\r\n\r\n".len();
/// Upper limit on an automatic answer's length.
const AUTOMATIC_BYTES_MAX: usize = 160;

/// The fault of a head that hyper accepted.
pub(crate) fn fault(head: &request::Parts) -> Option<&'static str> {
    let hosts = head.headers.get_all(HOST).iter().count();
    let path = head.uri.path();
    let asterisk = path == "*" && head.uri.authority().is_none();
    if hosts > 1 {
        Some("400 Bad Request")
    } else if head.method == Method::CONNECT {
        None
    } else if !path.starts_with('/') && !asterisk {
        Some("400 Bad Request")
    } else if head.version == Version::HTTP_11 && hosts == 0 {
        Some("400 Bad Request: missing required Host header")
    } else {
        None
    }
}

/// The answer to such a head.
pub(crate) fn refusal(words: &'static str) -> Response<Body> {
    let mut answer = answer::with_type(StatusCode::BAD_REQUEST, answer::TEXT, words);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Replacement text for an automatic answer, if `bytes` are one.
fn words(bytes: &[u8]) -> Option<Vec<u8>> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ")?;
    let status = AUTOMATIC.iter().find(|status| rest.starts_with(status.as_bytes()))?;
    let after = rest[status.len()..].strip_prefix(NO_BODY)?;
    let ends = after.len() == DATE_BYTES && after.starts_with(b"Date: ") && after.ends_with(b"\r\n\r\n");
    let headers = "Content-Type: text/plain; charset=utf-8\r\nConnection: close";
    ends.then(|| format!("HTTP/1.1 {status}\r\n{headers}\r\n\r\n{status}").into_bytes())
}

/// Start of an automatic answer at the end of `bytes`.
fn automatic_at(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(AUTOMATIC_BYTES_MAX);
    (from..bytes.len()).find(|at| words(&bytes[*at..]).is_some())
}

/// A socket that replaces hyper's automatic answers.
pub(crate) struct Worded<S> {
    socket: S,
    /// Replacement answer, and how much of it was written.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Worded<S> {
    pub(crate) fn new(socket: S) -> Worded<S> {
        Worded { socket, instead: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            match automatic_at(bytes) {
                Some(0) => this.instead = words(bytes).map(|words| (words, 0)),
                // first the bytes before it
                Some(at) => return Pin::new(&mut this.socket).poll_write(context, &bytes[..at]),
                None => return Pin::new(&mut this.socket).poll_write(context, bytes),
            }
        }
        if let Some((words, written)) = &mut this.instead {
            while *written < words.len() {
                match ready!(Pin::new(&mut this.socket).poll_write(context, &words[*written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    n => *written += n,
                }
            }
        }
        this.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const DATE: &str = "Date: Sat, 21 Nov 2026 22:51:54 GMT\r\n\r\n";

    /// Takes `step` bytes at a time.
    struct Narrow {
        taken: Vec<u8>,
        step: usize,
    }

    impl AsyncWrite for Narrow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let n = bytes.len().min(self.step);
            self.taken.extend_from_slice(&bytes[..n]);
            Poll::Ready(Ok(n))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(text: &str, step: usize) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut worded = Worded::new(Narrow { taken: Vec::new(), step });
        runtime.block_on(worded.write_all(text.as_bytes())).unwrap();
        String::from_utf8(worded.socket.taken).unwrap()
    }

    #[test]
    fn automatic_answers_get_words_and_no_other_does() {
        let type_and_end = "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n";
        let before = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
        for status in AUTOMATIC {
            let automatic = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n{DATE}");
            let worded = format!("HTTP/1.1 {status}\r\n{type_and_end}{status}");
            let ours = format!("HTTP/1.1 {status}\r\nContent-Type: x\r\nContent-Length: 0\r\n{DATE}");
            for step in [1, 7, usize::MAX] {
                assert_eq!(written(&automatic, step), worded);
                assert_eq!(written(&format!("{before}{automatic}"), step), format!("{before}{worded}"));
                for other in
                    [ours.clone(), format!("{automatic}x"), before.to_owned(), automatic[..30].into()]
                {
                    assert_eq!(written(&other, step), other);
                }
            }
        }
    }
}
