//! TLS of pools and of the admin port.

use std::path::PathBuf;

use super::queue::TlsVersion;
use crate::listen::Listen;

/// A listener of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolListen {
    /// Its address.
    pub address: Listen,
    /// Clients speak TLS there, with the pool's [`TlsToClients`].
    pub tls: bool,
}

impl PoolListen {
    /// A listener without TLS.
    pub fn plain(address: Listen) -> PoolListen {
        PoolListen { address, tls: false }
    }
}

/// A listener of a pool as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenListen {
    /// Its address.
    pub address: Listen,
    /// True if clients speak TLS there. None: it does not say.
    pub tls: Option<bool>,
}

/// TLS towards clients. Its files are read when it is put to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsToClients {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients' certificates; there if `client_auth` asks for any.
    pub client_ca: Option<PathBuf>,
    /// Certificates that are asked for.
    pub client_auth: ClientCertificate,
    /// Patterns of the names that a client's certificate may have. Empty: any.
    pub client_names: Vec<String>,
    /// Oldest version spoken.
    pub min_version: TlsVersion,
}

/// TLS towards the servers of a pool. Its files are read when it is put to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsToServers {
    /// Authorities of the servers' certificates. None: those of the system.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name that all servers have. None: the host of each one's address.
    pub server_name: Option<String>,
    /// Oldest version spoken.
    pub min_version: TlsVersion,
}

/// Certificates that clients are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// None.
    None,
    /// One, if the client has one.
    Optional,
    /// One.
    Required,
}

impl ClientCertificate {
    /// Every value with its name.
    pub const ALL: [(ClientCertificate, &'static str); 3] = [
        (ClientCertificate::None, "none"),
        (ClientCertificate::Optional, "optional"),
        (ClientCertificate::Required, "required"),
    ];

    /// Its name in the native file.
    pub fn name(self) -> &'static str {
        ClientCertificate::ALL.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| *name)
    }

    /// The value of that name.
    pub fn of(name: &str) -> Option<ClientCertificate> {
        ClientCertificate::ALL.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
    }
}

impl TlsVersion {
    /// The versions that are spoken, with their names.
    pub const SPOKEN: [(TlsVersion, &'static str); 2] =
        [(TlsVersion::Tls12, "tls1.2"), (TlsVersion::Tls13, "tls1.3")];

    /// The name of a version that is spoken.
    pub fn spoken_name(self) -> &'static str {
        TlsVersion::SPOKEN.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| *name)
    }

    /// The version of that name.
    pub fn spoken(name: &str) -> Option<TlsVersion> {
        TlsVersion::SPOKEN.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
    }
}
