//! TLS configurations from file contents. All cryptography is the `ring` provider's.
//!
//! Versions below 1.2 are not supported: [`MinVersion::Tls10`] and [`MinVersion::Tls11`] are accepted, since
//! old configurations name them (nsqd's default is 1.0), and mean 1.2.
//!
//! Sessions are resumed: clients' by tickets, which all shards can read and which take no storage here; those
//! with servers from a store per shard ([`for_shard`]).
//!
//! Version 1 certificates, which webpki does not read, are served, and accepted from clients that need no
//! authority.

mod peer;
mod private_key;
mod public_key;
mod validity;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ConfigBuilder, RootCertStore, SupportedProtocolVersion};

use self::peer::{AnyCertificate, OneCertificate, OrItself, ServerOrItself};
use self::public_key::PublicKey;
pub use self::validity::Validity;
pub use rustls::pki_types::ServerName;
pub use rustls::{ClientConfig, ServerConfig};

/// Client certificate policy of a server (`tls-client-auth-policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No certificate is requested.
    #[default]
    None,
    /// Any certificate, provided the client holds its key (`require`).
    Require,
    /// A certificate signed by one of the root authorities (`require-verify`).
    RequireVerify,
    /// No certificate, or one signed by one of the root authorities.
    VerifyIfGiven,
}

/// Oldest version accepted (`tls-min-version`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MinVersion {
    /// Means 1.2.
    #[default]
    Tls10,
    /// Means 1.2.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

static TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl MinVersion {
    fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            MinVersion::Tls13 => TLS13_ONLY,
            _ => rustls::ALL_VERSIONS,
        }
    }
}

/// The reason a configuration could not be created.
#[derive(Debug)]
pub enum Error {
    /// No certificate in the named file, or bad PEM.
    Certificate(&'static str),
    /// No private key in the file, or bad PEM.
    Key,
    /// An unusable private key; the reason, and which keys work.
    BadKey(String),
    /// The private key does not match the certificate.
    Mismatch,
    /// Certificates must be verified, but no root authority is known.
    NoRoots,
    /// Anything else that rustls refuses.
    Rustls(rustls::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Certificate(which) => write!(f, "no usable certificate in the {which}"),
            Error::Key => f.write_str("no usable private key"),
            Error::BadKey(why) => f.write_str(why),
            Error::Mismatch => f.write_str("tls: private key does not match public key"),
            Error::NoRoots => f.write_str("client certificates cannot be verified without a root CA file"),
            Error::Rustls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Name of the file of authorities in [`Error::Certificate`].
pub const ROOT_CA: &str = "root CA file";

fn certificates(pem: &[u8], which: &'static str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    list.ok().filter(|list| !list.is_empty()).ok_or(Error::Certificate(which))
}

/// A chain with its key, both PEM, presented to peers. The peer judges everything else the chain says.
fn identity(chain: &[u8], key: &[u8]) -> Result<Arc<SingleCertAndKey>, Error> {
    const FILE: &str = "certificate file";
    let chain = certificates(chain, FILE)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::Key)?;
    let fault = private_key::fault(&key);
    let key = provider().key_provider.load_private_key(key).map_err(|_| Error::BadKey(fault))?;
    let shown = chain.first().and_then(PublicKey::of).ok_or(Error::Certificate(FILE))?;
    if key.public_key().is_some_and(|public| public.as_ref() != shown.info) {
        return Err(Error::Mismatch);
    }
    Ok(Arc::new(CertifiedKey::new(chain, key).into()))
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    let (added, _ignored) = store.add_parsable_certificates(certificates(pem, ROOT_CA)?);
    if added == 0 { Err(Error::Certificate(ROOT_CA)) } else { Ok(store) }
}

/// Paths of the authorities that systems trust, most common first.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// All names of a certificate's owner: the common name, then the DNS names, URIs and mail addresses among the
/// alternative names. Empty if it cannot be read.
pub fn certificate_names(der: &[u8]) -> Vec<String> {
    crate::layer::names(der)
}

/// The authorities trusted by this system, as PEM for [`client_config`]: the file named by `SSL_CERT_FILE`,
/// or the distribution's. `None` if there is no such file.
pub fn system_roots() -> Option<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    named.into_iter().chain(SYSTEM_BUNDLES.map(Into::into)).find_map(|path| std::fs::read(path).ok())
}

/// A server's configuration from PEM: its chain, its key, and the authorities for its clients' certificates.
pub fn server_config(
    certificate: &[u8],
    key: &[u8],
    root_ca: Option<&[u8]>,
    policy: ClientAuth,
    min_version: MinVersion,
) -> Result<Arc<ServerConfig>, Error> {
    let identity = identity(certificate, key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.versions())
        .map_err(Error::Rustls)?;
    let builder = match policy {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Require => builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(provider()))),
        ClientAuth::RequireVerify | ClientAuth::VerifyIfGiven => {
            let root_ca = root_ca.ok_or(Error::NoRoots)?;
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(root_ca)?), provider());
            if policy == ClientAuth::VerifyIfGiven {
                verifier = verifier.allow_unauthenticated();
            }
            let inner = verifier.build().map_err(|_| Error::NoRoots)?;
            builder.with_client_cert_verifier(Arc::new(OrItself {
                inner,
                roots: certificates(root_ca, ROOT_CA)?,
            }))
        }
    };
    let mut config = builder.with_cert_resolver(identity);
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(Error::Rustls)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Most sessions with servers that a shard remembers.
const SESSIONS_MAX: usize = 256;

/// A copy of a client's configuration with its own session store, so that shards do not contend for its
/// lock.
pub fn for_shard(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut own = config.clone();
    own.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Arc::new(own)
}

/// A client's configuration: the authorities for servers' certificates, and its own certificate and key,
/// if any.
pub fn client_config(
    root_ca: &[u8],
    identity: Option<(&[u8], &[u8])>,
    min_version: MinVersion,
) -> Result<Arc<ClientConfig>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root_ca)?), provider()).build();
    let inner = verifier.map_err(|_| Error::Certificate(ROOT_CA))?;
    let verifier = ServerOrItself { inner, roots: certificates(root_ca, ROOT_CA)? };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.versions())
        .map_err(Error::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    with_identity(builder, identity)
}

/// A client's configuration that accepts one server certificate, the first in this PEM, whatever its names,
/// its dates and its authority.
///
/// # Errors
///
/// The certificate, or the client's own, cannot be used.
pub fn pinned_client_config(
    certificate: &[u8],
    identity: Option<(&[u8], &[u8])>,
    min_version: MinVersion,
) -> Result<Arc<ClientConfig>, Error> {
    const FILE: &str = "certificate file";
    let certificate = certificates(certificate, FILE)?.into_iter().next().ok_or(Error::Certificate(FILE))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.versions())
        .map_err(Error::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OneCertificate::new(provider(), certificate)));
    with_identity(builder, identity)
}

/// A client's configuration that accepts any server certificate, provided the server holds its key.
///
/// # Errors
///
/// The client's own certificate and key cannot be used.
pub fn unverified_client_config(
    identity: Option<(&[u8], &[u8])>,
    min_version: MinVersion,
) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(min_version.versions())
        .map_err(Error::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider())));
    with_identity(builder, identity)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, Error> {
    Ok(Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder.with_client_cert_resolver(self::identity(certificate, key)?),
    }))
}
