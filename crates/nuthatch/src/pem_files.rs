//! TLS from PEM files: reads them, names the file at fault, and records the validity of their certificates.
//!
//! Shared by pools, the admin port and the queue; each words its own faults.

use std::hash::{DefaultHasher, Hash};
use std::path::Path;
use std::sync::Arc;

use admin::{Certificate, Side};
use config::nsqd::machine;
use net::tls::{self, ClientAuth, ClientConfig, MinVersion, ROOT_CA, ServerConfig, Validity};

/// A file, and the option that names it.
#[derive(Debug, Clone, Copy)]
pub struct PemFile<'a> {
    /// The option as faults name it; empty if they do not.
    pub shown: &'static str,
    /// The option in the native file.
    pub option: &'static str,
    /// Its path.
    pub path: &'a Path,
}

/// The certificate file, and the key file.
pub type Identity<'a> = (PemFile<'a>, PemFile<'a>);

/// Authorities that sign the certificates of peers.
#[derive(Debug, Clone, Copy)]
pub enum Authorities<'a> {
    /// Authorities in a file.
    File(PemFile<'a>),
    /// The system's authorities, and the remedy if there are none.
    System(&'static str),
}

/// Reader of the files of one side of a pool, or of another part of the process.
#[derive(Debug)]
pub struct PemFiles<'a> {
    /// Name of the pool; empty for other parts.
    pub pool: &'a str,
    /// Side of its connections.
    pub side: Side,
    /// Certificates read so far.
    pub certificates: Vec<Certificate>,
    /// Digest of everything read so far.
    pub contents: DefaultHasher,
}

impl<'a> PemFiles<'a> {
    /// A reader that has read nothing yet.
    pub fn new(pool: &'a str, side: Side) -> PemFiles<'a> {
        PemFiles { pool, side, certificates: Vec::new(), contents: DefaultHasher::new() }
    }

    /// TLS towards clients.
    ///
    /// # Errors
    /// The file and its fault.
    pub fn server(
        &mut self,
        (cert, key): Identity<'_>,
        authorities: Option<Authorities<'_>>,
        policy: ClientAuth,
        oldest: MinVersion,
    ) -> Result<Arc<ServerConfig>, String> {
        let ca = authorities.map(|authorities| self.authorities(authorities)).transpose()?;
        let (cert_read, key_read) = (self.chain(cert)?, self.read(key)?);
        tls::server_config(&cert_read, &key_read, ca.as_deref(), policy, oldest)
            .map_err(|error| blame(&error, authorities, Some((cert, key))))
    }

    /// TLS towards servers.
    ///
    /// # Errors
    /// The file and its fault.
    pub fn client(
        &mut self,
        authorities: Authorities<'_>,
        identity: Option<Identity<'_>>,
        oldest: MinVersion,
    ) -> Result<Arc<ClientConfig>, String> {
        let ca = self.authorities(authorities)?;
        let read =
            identity.map(|(cert, key)| Ok::<_, String>((self.chain(cert)?, self.read(key)?))).transpose()?;
        let shown = read.as_ref().map(|(cert, key)| (cert.as_slice(), key.as_slice()));
        tls::client_config(&ca, shown, oldest).map_err(|error| blame(&error, Some(authorities), identity))
    }

    fn authorities(&mut self, authorities: Authorities<'_>) -> Result<Vec<u8>, String> {
        match authorities {
            Authorities::File(file) => {
                let pem = self.read(file)?;
                self.note(file, Validity::of_authorities(&pem));
                Ok(pem)
            }
            Authorities::System(help) => {
                let pem = tls::system_roots()
                    .ok_or_else(|| format!("no certificate authorities on this system: {help}"))?;
                pem.hash(&mut self.contents);
                Ok(pem)
            }
        }
    }

    fn chain(&mut self, file: PemFile<'_>) -> Result<Vec<u8>, String> {
        let pem = self.read(file)?;
        self.note(file, Validity::of_chain(&pem));
        Ok(pem)
    }

    fn read(&mut self, file: PemFile<'_>) -> Result<Vec<u8>, String> {
        let bytes = file.read()?;
        bytes.hash(&mut self.contents);
        Ok(bytes)
    }

    fn note(&mut self, file: PemFile<'_>, validity: Option<Validity>) {
        let Some(Validity { begin, end }) = validity else { return };
        let ms = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1000);
        self.certificates.push(Certificate {
            pool: self.pool.to_owned(),
            side: self.side,
            option: file.option,
            file: file.path.display().to_string(),
            begins_ms: ms(begin),
            ends_ms: ms(end),
        });
    }
}

impl PemFile<'_> {
    fn read(self) -> Result<Vec<u8>, String> {
        let doing = if self.shown.is_empty() { "open" } else { self.shown };
        std::fs::read(self.path)
            .map_err(|error| format!("{doing} {}: {}", self.path.display(), machine::error_text(&error)))
    }
}

/// The file at fault, and its fault.
fn blame(error: &tls::Error, authorities: Option<Authorities<'_>>, identity: Option<Identity<'_>>) -> String {
    let file = match error {
        tls::Error::Certificate(ROOT_CA) | tls::Error::NoRoots => match authorities {
            Some(Authorities::File(file)) => Some(file),
            _ => None,
        },
        tls::Error::Certificate(_) => identity.map(|(cert, _)| cert),
        tls::Error::Key | tls::Error::BadKey(_) | tls::Error::Mismatch => identity.map(|(_, key)| key),
        tls::Error::Rustls(_) => None,
    };
    file.map_or_else(
        || error.to_string(),
        |PemFile { shown, path, .. }| format!("{shown} {}: {error}", path.display()).trim_start().to_owned(),
    )
}
