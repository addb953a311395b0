//! Verification of peer certificates where webpki is stricter than Go.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

use super::public_key::PublicKey;

/// The signature methods of both rustls verifier traits, delegated to a field.
macro_rules! signatures_as {
    ($field:ident) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.$field.verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            self.$field.verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.$field.supported_verify_schemes()
        }
    };
}

/// Accepts certificates signed by an authority, and the authority's own: a self-signed certificate, as
/// `openssl req -x509` makes it, is one, and is listed among the authorities. Go accepts it, webpki does not.
#[derive(Debug)]
pub(super) struct OrItself {
    pub(super) inner: Arc<dyn ClientCertVerifier>,
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// webpki's error for an authority used as a client. It has checked the dates by then.
const AUTHORITY: &str = "CaUsedAsEndEntity";

impl ClientCertVerifier for OrItself {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.inner.verify_client_cert(certificate, chain, now) {
            Err(error) if is_authority(&error) => {
                listed(&self.roots, certificate).map(|()| ClientCertVerified::assertion())
            }
            result => result,
        }
    }

    signatures_as!(inner);
}

/// Verifier of servers that accepts what [`OrItself`] accepts from clients, and verifies the name too.
#[derive(Debug)]
pub(super) struct ServerOrItself {
    pub(super) inner: Arc<WebPkiServerVerifier>,
    pub(super) roots: Vec<CertificateDer<'static>>,
}

/// True if webpki objects that the certificate is an authority's.
fn is_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.0.to_string() == AUTHORITY)
}

/// Refuses an authority that is not trusted.
fn listed(roots: &[CertificateDer<'_>], certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
    if roots.contains(certificate) { Ok(()) } else { Err(CertificateError::UnknownIssuer.into()) }
}

impl ServerCertVerifier for ServerOrItself {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(certificate, chain, name, ocsp, now) {
            Err(error) if is_authority(&error) => {
                listed(&self.roots, certificate)?;
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    signatures_as!(inner);
}

/// Accepts any certificate, whoever signed it, provided the peer holds its key.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    signatures: Signatures,
}

impl AnyCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> AnyCertificate {
        AnyCertificate { signatures: Signatures(provider) }
    }
}

/// Accepts one certificate, provided the peer holds its key.
#[derive(Debug)]
pub(super) struct OneCertificate {
    certificate: CertificateDer<'static>,
    signatures: Signatures,
}

impl OneCertificate {
    pub(super) fn new(provider: Arc<CryptoProvider>, certificate: CertificateDer<'static>) -> OneCertificate {
        OneCertificate { certificate, signatures: Signatures(provider) }
    }
}

impl ServerCertVerifier for OneCertificate {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *certificate == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::UnknownIssuer.into())
        }
    }

    signatures_as!(signatures);
}

/// Verifies handshake signatures by a certificate's key, whatever else the certificate says.
#[derive(Debug)]
struct Signatures(Arc<CryptoProvider>);

impl Signatures {
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = PublicKey::of(certificate).ok_or(CertificateError::BadEncoding)?;
        key.verify_tls12(message, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = PublicKey::of(certificate).ok_or(CertificateError::BadEncoding)?;
        key.verify_tls13(message, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    signatures_as!(signatures);
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    signatures_as!(signatures);
}
