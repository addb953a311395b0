//! The reason a layer ended its connection, in words that say which side has to change what.
//!
//! The text follows "the client" or "the server", which the caller adds.

use std::fmt;

/// The reason a layer's handshake or framing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerFault {
    /// The peer's first byte is not TLS.
    PlainText,
    /// The handshake did not end in time. A server without TLS often waits for the rest of what looks to it
    /// like a request.
    Timeout,
    /// The peer closed the connection during the handshake.
    Closed,
    /// No trusted authority has signed the peer's certificate.
    UnknownAuthority,
    /// The peer's certificate is for other names.
    WrongName,
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate is not valid yet.
    NotYetValid,
    /// The peer's certificate has another defect.
    BadCertificate,
    /// The peer sent no certificate although one is required.
    NoCertificate,
    /// The peer has no version or cipher suite in common with us.
    Incompatible,
    /// The peer rejected the connection, or our bytes: the alert's number.
    Alert(u8),
    /// The peer violated the TLS protocol, or the data was corrupted.
    BrokenTls,
    /// Undecodable compressed bytes.
    BrokenCompression,
    /// A layer was pushed in an invalid position.
    Order,
}

/// Names of alerts caused by a certificate or a configuration.
const ALERTS: [(u8, &str); 14] = [
    (40, "handshake_failure: no common settings, or it wants a certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown: it does not trust our certificate"),
    (47, "illegal_parameter"),
    (48, "unknown_ca: it does not trust the authority of our certificate"),
    (49, "access_denied"),
    (51, "decrypt_error"),
    (70, "protocol_version: no version of TLS in common"),
    (71, "insufficient_security: no cipher suite in common"),
    (112, "unrecognized_name: it has no certificate for the name that was asked for"),
    (116, "certificate_required: it wants a certificate of ours"),
];

impl fmt::Display for LayerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayerFault::PlainText => "speaks plain text, not TLS",
            LayerFault::Timeout => "did not end the TLS handshake in time: perhaps it speaks no TLS",
            LayerFault::Closed => "closed the connection during the TLS handshake: perhaps it speaks no TLS",
            LayerFault::UnknownAuthority => "has a certificate of an authority that is not trusted here",
            LayerFault::WrongName => "has a certificate for another name",
            LayerFault::Expired => "has a certificate that has expired",
            LayerFault::NotYetValid => "has a certificate that is not valid yet",
            LayerFault::BadCertificate => "has a certificate that cannot be used",
            LayerFault::NoCertificate => "sent no certificate",
            LayerFault::Incompatible => "has no version or cipher suite of TLS in common with this side",
            LayerFault::Alert(number) => {
                let name = ALERTS.iter().find(|(known, _)| known == number).map_or("", |(_, name)| name);
                let gap = if name.is_empty() { "" } else { ", " };
                return write!(f, "refused the TLS connection (alert {number}{gap}{name})");
            }
            LayerFault::BrokenTls => "broke the TLS protocol",
            LayerFault::BrokenCompression => "sent compressed data that cannot be decoded",
            LayerFault::Order => "was asked for layers in an impossible order",
        })
    }
}
