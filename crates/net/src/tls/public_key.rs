//! The public key of a certificate of any version and with any extensions: enough to serve it and to verify
//! that its owner holds the private key.
//!
//! webpki reads only version 3 certificates. Version 1, as made by `openssl x509 -req` without an extension
//! file, lacks some of the fields.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, PeerIncompatible};

use crate::der::{self, BIT_STRING, Der, SEQUENCE};

/// A public key, borrowed from its certificate.
#[derive(Debug)]
pub(super) struct PublicKey<'a> {
    /// The whole `SubjectPublicKeyInfo`.
    pub info: &'a [u8],
    /// Contents of its `AlgorithmIdentifier`.
    algorithm: &'a [u8],
    /// The key itself.
    bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// The key of a certificate; `None` if it is not a certificate.
    pub(super) fn of(certificate: &'a CertificateDer<'_>) -> Option<PublicKey<'a>> {
        let mut fields = der::from_subject(certificate)?;
        fields.enter(SEQUENCE)?;
        let info = fields.whole(SEQUENCE)?;
        let mut parts = Der(info).enter(SEQUENCE)?;
        let algorithm = parts.enter(SEQUENCE)?.0;
        // Keys are whole bytes: no bit is unused.
        let bits = parts.enter(BIT_STRING)?.0.strip_prefix(&[0])?;
        Some(PublicKey { info, algorithm, bits })
    }

    /// True if the key's owner has signed `message` in a handshake of TLS 1.2.
    pub(super) fn verify_tls12(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let of_scheme = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
        let mut fitting = of_scheme
            .flat_map(|(_, algorithms)| algorithms.iter())
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == self.algorithm)
            .peekable();
        if fitting.peek().is_none() {
            return Err(PeerIncompatible::NoSignatureSchemesInCommon.into());
        }
        let valid = fitting
            .any(|algorithm| algorithm.verify_signature(self.bits, message, signed.signature()).is_ok());
        if valid {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    /// True if the key's owner has signed `message` in a handshake of TLS 1.3.
    pub(super) fn verify_tls13(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let info = SubjectPublicKeyInfoDer::from(self.info);
        verify_tls13_signature_with_raw_key(message, &info, signed, algorithms)
    }
}
