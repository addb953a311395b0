//! TLS of pools and of the admin port.

use std::path::PathBuf;

use super::queue::TlsVersion;
use crate::listen::Listen;

/// A listener of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolListen {
    /// Its address.
    pub address: Listen,
    /// True if clients use TLS there, with the pool's [`TlsToClients`].
    pub tls: bool,
}

impl PoolListen {
    /// A listener without TLS.
    pub fn plain(address: Listen) -> PoolListen {
        PoolListen { address, tls: false }
    }
}

/// A listener of a pool as written.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenListen {
    /// Its address.
    pub address: Listen,
    /// True if clients use TLS there. None: not specified.
    pub tls: Option<bool>,
}

/// TLS towards clients. Its files are read when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsToClients {
    /// The certificate and its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities for clients' certificates; present if `client_auth` requests any.
    pub client_ca: Option<PathBuf>,
    /// Policy for clients' certificates.
    pub client_auth: ClientCertificate,
    /// Patterns of allowed names in a client's certificate. Empty: any.
    pub client_names: Vec<String>,
    /// Oldest version allowed.
    pub min_version: TlsVersion,
}

/// TLS towards the servers of a pool. Its files are read when it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsToServers {
    /// Authorities for the servers' certificates. None: the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Name in all servers' certificates. None: the host of each server's address.
    pub server_name: Option<String>,
    /// Oldest version allowed.
    pub min_version: TlsVersion,
}

/// Policy for clients' certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Not requested.
    None,
    /// Requested, but optional.
    Optional,
    /// Required.
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
    /// The supported versions, with their names.
    pub const SPOKEN: [(TlsVersion, &'static str); 2] =
        [(TlsVersion::Tls12, "tls1.2"), (TlsVersion::Tls13, "tls1.3")];

    /// The name of a supported version.
    pub fn spoken_name(self) -> &'static str {
        TlsVersion::SPOKEN.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| *name)
    }

    /// The supported version of that name.
    pub fn spoken(name: &str) -> Option<TlsVersion> {
        TlsVersion::SPOKEN.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
    }
}
