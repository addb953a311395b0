//! TLS of pools and of the admin port: from the files that a configuration names to what shards and ports use.
//!
//! Everything is read before anything changes, and every fault is found, each with its section, its option and its file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::checked::{ClientCertificate, Config, Pool, Target, TlsToClients, TlsToServers, TlsVersion};
use config::nsqd::machine;
use net::tls::{self, ClientAuth, ClientConfig, MinVersion, ROOT_CA, ServerConfig, ServerName};
use proxy::PoolTls;

use crate::start_error::StartError;

/// All TLS of a configuration but the queue's.
#[derive(Debug, Default)]
pub struct Loaded {
    /// TLS of pools, by their names.
    pub pools: BTreeMap<String, PoolTls>,
    /// TLS of the admin port.
    pub admin: Option<Arc<ServerConfig>>,
}

/// A file that cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// Name of the pool; None for the admin port.
    pub pool: Option<String>,
    /// `tls` or `server_tls`.
    pub option: &'static str,
    /// The file and its fault.
    pub text: String,
}

impl TlsFault {
    /// The section's heading.
    pub fn section(&self) -> String {
        self.pool.as_ref().map_or("[admin]".into(), |pool| format!("[pool.{pool}]"))
    }
}

impl std::fmt::Display for TlsFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.section(), self.option, self.text)
    }
}

/// All files that cannot be used.
#[derive(Debug)]
pub struct Faults(pub Vec<TlsFault>);

impl From<Faults> for StartError {
    fn from(Faults(faults): Faults) -> StartError {
        StartError::Other(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// Reads the files anew: at start, for `check`, and for a reload. A reload gives [`Loaded::pools`] to the next generation
/// ([`proxy::Settings::tls`]): connections to servers that are opened from then on use it, and each listener takes it
/// with [`proxy::ListenerChange::Set`], for clients that come later; its socket stays. [`Loaded::admin`] goes to
/// [`crate::start::Running::admin_tls`]. With a fault nothing is changed.
///
/// # Errors
/// Every fault.
pub fn load(config: &Config) -> Result<Loaded, Vec<TlsFault>> {
    let (mut loaded, mut faults) = (Loaded::default(), Vec::new());
    for pool in &config.pools {
        let mut take = |option, result: Result<PoolTls, String>| match result {
            Ok(tls) => tls,
            Err(text) => {
                faults.push(TlsFault { pool: Some(pool.name.clone()), option, text });
                PoolTls::default()
            }
        };
        let clients = pool.tls.as_ref().map(to_clients).transpose();
        let clients = take("tls", clients.map(|clients| PoolTls { clients, ..PoolTls::default() }));
        let servers = pool.server_tls.as_ref().map(|tls| to_servers(tls, pool)).transpose();
        let servers = take("server_tls", servers.map(|servers| PoolTls { servers, ..PoolTls::default() }));
        if clients.clients.is_some() || servers.servers.is_some() {
            let tls = PoolTls { clients: clients.clients, servers: servers.servers };
            loaded.pools.insert(pool.name.clone(), tls);
        }
    }
    if let Some(tls) = config.admin.as_ref().and_then(|admin| admin.tls.as_ref()) {
        match to_clients(tls) {
            Ok(tls) => loaded.admin = Some(tls),
            Err(text) => faults.push(TlsFault { pool: None, option: "tls", text }),
        }
    }
    if faults.is_empty() { Ok(loaded) } else { Err(faults) }
}

fn to_clients(tls: &TlsToClients) -> Result<Arc<ServerConfig>, String> {
    let policy = match tls.client_auth {
        ClientCertificate::None => ClientAuth::None,
        ClientCertificate::Optional => ClientAuth::VerifyIfGiven,
        ClientCertificate::Required => ClientAuth::RequireVerify,
    };
    let (cert, key) = (read("cert", &tls.cert)?, read("key", &tls.key)?);
    let asked = tls.client_ca.as_ref().filter(|_| tls.client_auth != ClientCertificate::None);
    let ca = asked.map(|path| read("client_ca", path)).transpose()?;
    tls::server_config(&cert, &key, ca.as_deref(), policy, oldest(tls.min_version)).map_err(|error| {
        let ca = tls.client_ca.as_deref().map(|path| ("client_ca", path));
        blame(&error, ca, Some((&tls.cert, &tls.key)))
    })
}

fn to_servers(tls: &TlsToServers, pool: &Pool) -> Result<Arc<ClientConfig>, String> {
    let ca = match &tls.ca {
        Some(path) => read("ca", path)?,
        None => tls::system_roots().ok_or("no certificate authorities on this system: set ca = \"...\"")?,
    };
    let identity = tls.identity.as_ref();
    let identity_read =
        identity.map(|(cert, key)| Ok::<_, String>((read("cert", cert)?, read("key", key)?))).transpose()?;
    let shown = identity_read.as_ref().map(|(cert, key)| (cert.as_slice(), key.as_slice()));
    let config = tls::client_config(&ca, shown, oldest(tls.min_version)).map_err(|error| {
        let ca = tls.ca.as_deref().map(|path| ("ca", path));
        blame(&error, ca, identity.map(|(cert, key)| (cert, key)))
    })?;
    let hosts = pool.servers.iter().filter_map(|server| match &server.target {
        Target::Tcp { host, .. } => Some(host.as_str()),
        Target::Unix(_) | Target::Local => None,
    });
    let mut names = tls.server_name.as_deref().map_or_else(|| hosts.collect(), |name| vec![name]).into_iter();
    match names.find(|name| ServerName::try_from(*name).is_err()) {
        Some(name) => Err(format!("\"{name}\" cannot be the name in a certificate: set server_name")),
        None => Ok(config),
    }
}

/// The file at fault, and what is wrong with it.
fn blame(error: &tls::Error, ca: Option<(&str, &Path)>, identity: Option<(&PathBuf, &PathBuf)>) -> String {
    let file = match error {
        tls::Error::Certificate(ROOT_CA) | tls::Error::NoRoots => ca,
        tls::Error::Certificate(_) => identity.map(|(cert, _)| ("cert", cert.as_path())),
        tls::Error::Key | tls::Error::BadKey(_) | tls::Error::Mismatch => {
            identity.map(|(_, key)| ("key", key.as_path()))
        }
        tls::Error::Rustls(_) => None,
    };
    file.map_or_else(|| error.to_string(), |(option, path)| format!("{option} {}: {error}", path.display()))
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("{option} {}: {}", path.display(), machine::error_text(&error)))
}

fn oldest(version: TlsVersion) -> MinVersion {
    match version {
        TlsVersion::Tls13 => MinVersion::Tls13,
        TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls12 => MinVersion::Tls12,
    }
}
