//! Errors of layers.
//!
//! The text goes to the log beside the peer's address; the peer itself gets a TLS alert in the layer's
//! output.

use std::fmt;

use rustls::{CertificateError, Error as TlsError};

use crate::layer_fault::LayerFault;

/// The reason a connection cannot continue.
#[derive(Debug, PartialEq)]
pub enum LayerError {
    /// The peer does not speak TLS.
    PlainText,
    /// Handshake, record or alert.
    Tls(TlsError),
    /// Framing, checksum or content.
    Snappy(&'static str),
    /// Content.
    Deflate,
    /// A layer in an invalid position: TLS upon anything, compression upon compression.
    Order,
}

impl LayerError {
    /// The kind of fault, without details.
    pub fn fault(&self) -> LayerFault {
        match self {
            LayerError::PlainText => LayerFault::PlainText,
            LayerError::Tls(error) => fault_of(error),
            LayerError::Snappy(_) | LayerError::Deflate => LayerFault::BrokenCompression,
            LayerError::Order => LayerFault::Order,
        }
    }
}

fn fault_of(error: &TlsError) -> LayerFault {
    match error {
        TlsError::InvalidCertificate(error) => fault_of_certificate(error),
        TlsError::NoCertificatesPresented => LayerFault::NoCertificate,
        TlsError::PeerIncompatible(_) | TlsError::NoApplicationProtocol => LayerFault::Incompatible,
        TlsError::AlertReceived(alert) => LayerFault::Alert((*alert).into()),
        _ => LayerFault::BrokenTls,
    }
}

fn fault_of_certificate(error: &CertificateError) -> LayerFault {
    match error {
        CertificateError::UnknownIssuer => LayerFault::UnknownAuthority,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            LayerFault::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => LayerFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            LayerFault::NotYetValid
        }
        _ => LayerFault::BadCertificate,
    }
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerError::PlainText => f.write_str("tls: the other side speaks plain text"),
            LayerError::Tls(error) => write!(f, "tls: {error}"),
            LayerError::Snappy(what) => write!(f, "snappy: {what}"),
            LayerError::Deflate => f.write_str("deflate: corrupt stream"),
            LayerError::Order => f.write_str("layers in an impossible order"),
        }
    }
}

impl std::error::Error for LayerError {}
