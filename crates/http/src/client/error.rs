//! Failures of a request.

use std::error::Error;
use std::io;

/// The reason there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientError {
    /// Not an `http` or `https` address with a host.
    Address,
    /// Connecting failed or took too long.
    Connect(String),
    /// The connection failed, or the answer was not HTTP.
    Request(String),
    /// The answer took too long.
    Timeout,
    /// The body of the answer exceeds this many bytes.
    TooLarge(usize),
    /// Other answers use up the memory budget.
    Busy,
    /// A status other than 200.
    Status(u16),
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientError::Address => f.write_str("bad address: write http://HOST:PORT or https://HOST:PORT"),
            ClientError::Connect(why) => write!(f, "cannot connect: {why}"),
            ClientError::Request(why) => write!(f, "request failed: {why}"),
            ClientError::Timeout => f.write_str("no answer in time"),
            ClientError::TooLarge(bytes) => write!(f, "the answer is larger than {bytes} bytes"),
            ClientError::Busy => f.write_str("too many large responses are being read: try again"),
            ClientError::Status(status) => write!(f, "got response {status}"),
        }
    }
}

impl Error for ClientError {}

/// The reason a connection failed, for [`ClientError::Connect`].
#[derive(Debug)]
pub(super) struct Unreachable(pub String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unreachable {}

impl ClientError {
    /// The innermost cause of hyper's error.
    pub(super) fn of(error: &(dyn Error + 'static)) -> ClientError {
        let mut innermost = error;
        loop {
            if let Some(Unreachable(why)) = innermost.downcast_ref() {
                return ClientError::Connect(why.clone());
            }
            match innermost.source() {
                Some(source) => innermost = source,
                None => return ClientError::Request(plain(innermost)),
            }
        }
    }
}

/// An error text in lower case, without the errno.
pub(super) fn plain(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    if error.downcast_ref::<io::Error>().is_none() {
        return text;
    }
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
