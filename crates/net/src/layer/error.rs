//! Errors of layers.
//!
//! The text goes to the log beside the peer's address; what TLS wants the peer to know is an alert in the layer's output.

use std::fmt;

/// The reason a connection cannot continue.
#[derive(Debug, PartialEq)]
pub enum LayerError {
    /// Handshake, record or alert.
    Tls(rustls::Error),
    /// Framing, checksum or content.
    Snappy(&'static str),
    /// Content.
    Deflate,
    /// A layer where it cannot stand: TLS upon anything, compression upon compression.
    Order,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerError::Tls(error) => write!(f, "tls: {error}"),
            LayerError::Snappy(what) => write!(f, "snappy: {what}"),
            LayerError::Deflate => f.write_str("deflate: corrupt stream"),
            LayerError::Order => f.write_str("layers in an impossible order"),
        }
    }
}

impl std::error::Error for LayerError {}
