//! TLS of pools and of the admin port: from the configured files to the objects that shards and ports use.
//! Also records the certificates of the queue's files.
//!
//! Everything is read before anything changes, and every fault is reported with its section, option and file.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::Path;
use std::sync::Arc;

use admin::{Certificate, Side};
use config::checked::{
    ClientCertificate, Config, Engine, Pool, Target, TlsToClients, TlsToServers, TlsVersion,
};
use http::ServerTls;
use net::tls::{ClientAuth, ClientConfig, MinVersion, ServerConfig, ServerName};
use proxy::PoolTls;
use telemetry::warn;

use crate::pem_files::{Authorities, PemFile, PemFiles};
use crate::queue_service;
use crate::sentinels::SentinelTls;
use crate::start_error::StartError;
use crate::tls_prints::Prints;

/// TLS of a configuration, except the queue's.
#[derive(Debug, Default)]
pub struct Loaded {
    /// TLS of pools, by their names.
    pub pools: BTreeMap<String, PoolTls>,
    /// TLS towards Sentinels.
    pub sentinels: SentinelTls,
    /// TLS of the admin port.
    pub admin: Option<ServerTls>,
    /// Digests of the files.
    pub prints: Prints,
    /// Certificates of all files, including the queue's.
    pub certificates: Vec<Certificate>,
}

/// An unusable file.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// The section's heading.
    pub section: String,
    /// `tls` or `server_tls`.
    pub option: &'static str,
    /// The file and its fault.
    pub text: String,
}

impl std::fmt::Display for TlsFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.section, self.option, self.text)
    }
}

/// All unusable files.
#[derive(Debug)]
pub struct Faults(pub Vec<TlsFault>);

impl From<Faults> for StartError {
    fn from(Faults(faults): Faults) -> StartError {
        StartError::Other(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// Reads the files: at start, for `check`, and for a reload. A reload gives [`Loaded::pools`] to the
/// next generation ([`proxy::Settings::tls`]): new connections to servers use it, and each listener gets
/// it through [`proxy::ListenerChange::Set`] for new clients, while its socket stays. [`Loaded::admin`]
/// goes to [`crate::start::Running::admin_tls`], [`Loaded::certificates`] to
/// [`admin::Watch::certificates`]. A fault changes nothing.
///
/// # Errors
/// Every fault found.
pub fn load(config: &Config) -> Result<Loaded, Vec<TlsFault>> {
    let mut loaded = Loaded { prints: Prints::of(config), ..Loaded::default() };
    let mut faults = Vec::new();
    for pool in &config.pools {
        let mut fault = |option, text| {
            faults.push(TlsFault { section: format!("[pool.{}]", pool.name), option, text });
        };
        let mut tls = PoolTls::default();
        if let Some(written) = &pool.tls {
            let mut files = PemFiles::new(&pool.name, Side::Clients);
            tls.clients = to_clients(&mut files, written).map_err(|text| fault("tls", text)).ok();
            tls.contents ^= loaded.note(files);
        }
        if let Some(written) = &pool.server_tls {
            let mut files = PemFiles::new(&pool.name, Side::Servers);
            tls.servers =
                to_servers(&mut files, written, pool).map_err(|text| fault("server_tls", text)).ok();
            tls.contents = tls.contents.rotate_left(1) ^ loaded.note(files);
        }
        if let Some(written) = &pool.discovery.sentinels.tls {
            let mut files = PemFiles::new(&pool.name, Side::Servers);
            match to_sentinels(&mut files, written, pool) {
                Ok(tls) => drop(loaded.sentinels.insert(pool.name.clone(), tls)),
                Err(text) => fault("sentinel_tls", text),
            }
            loaded.note(files);
        }
        if tls.clients.is_some() || tls.servers.is_some() {
            loaded.pools.insert(pool.name.clone(), tls);
        }
    }
    if let Some(written) = config.admin.as_ref().and_then(|admin| admin.tls.as_ref()) {
        let mut files = PemFiles::new("", Side::Admin);
        let made = to_clients(&mut files, written).map(|config| {
            // A certificate that is asked for is verified.
            ServerTls::certified(config, net::tls::certificate_names, &written.client_names)
        });
        let mut fault = |text| faults.push(TlsFault { section: "[admin]".into(), option: "tls", text });
        loaded.admin = made.map_err(&mut fault).ok();
        loaded.note(files);
    }
    if let Some(Err(text)) = config.engine.as_ref().map(to_engine) {
        faults.push(TlsFault { section: "[engine]".into(), option: "tls", text });
    }
    loaded.certificates.extend(config.queue.iter().flat_map(queue_service::certificates));
    if faults.is_empty() { Ok(loaded) } else { Err(faults) }
}

impl Loaded {
    /// Logs the certificates that are refused, or soon will be.
    pub fn warn(&self) {
        for certificate in &self.certificates {
            if let Some(fault) = certificate.fault_now() {
                warn!(of = certificate.subject(), "{}", fault.text);
            }
        }
    }

    /// Records the certificates of files read; returns the digest of their contents.
    fn note(&mut self, files: PemFiles<'_>) -> u64 {
        self.certificates.extend(files.certificates);
        files.contents.finish()
    }
}

fn to_clients(files: &mut PemFiles<'_>, tls: &TlsToClients) -> Result<Arc<ServerConfig>, String> {
    let policy = match tls.client_auth {
        ClientCertificate::None => ClientAuth::None,
        ClientCertificate::Optional => ClientAuth::VerifyIfGiven,
        ClientCertificate::Required => ClientAuth::RequireVerify,
    };
    let identity = (file("cert", "tls.cert", &tls.cert), file("key", "tls.key", &tls.key));
    let asked = tls.client_ca.as_ref().filter(|_| tls.client_auth != ClientCertificate::None);
    let authorities = asked.map(|path| Authorities::File(file("client_ca", "tls.client_ca", path)));
    files.server(identity, authorities, policy, oldest(tls.min_version))
}

fn to_servers(
    files: &mut PemFiles<'_>,
    tls: &TlsToServers,
    pool: &Pool,
) -> Result<Arc<ClientConfig>, String> {
    let options = ["server_tls.ca", "server_tls.cert", "server_tls.key"];
    let config = to_peers(files, tls, options)?;
    let hosts = pool.servers.iter().filter_map(|server| match &server.target {
        Target::Tcp { host, .. } => Some(host.as_str()),
        Target::Unix(_) | Target::Local | Target::Master => None,
    });
    with_names(config, tls, hosts)
}

fn to_sentinels(
    files: &mut PemFiles<'_>,
    tls: &TlsToServers,
    pool: &Pool,
) -> Result<Arc<ClientConfig>, String> {
    let config = to_peers(files, tls, ["sentinel_tls.ca", "sentinel_tls.cert", "sentinel_tls.key"])?;
    with_names(config, tls, pool.discovery.sentinels.addresses.iter().map(|(host, _)| host.as_str()))
}

/// TLS towards the engine, if it is wanted. Its files are read at the start; a reload only checks them.
///
/// # Errors
/// The file and its fault.
pub fn to_engine(engine: &Engine) -> Result<Option<Arc<ClientConfig>>, String> {
    let made = engine
        .tls
        .as_ref()
        .map(|tls| to_peers(&mut PemFiles::new("", Side::Servers), tls, ["tls.ca", "tls.cert", "tls.key"]));
    made.transpose()
}

fn to_peers(
    files: &mut PemFiles<'_>,
    tls: &TlsToServers,
    [ca, cert, key]: [&'static str; 3],
) -> Result<Arc<ClientConfig>, String> {
    let authorities = match &tls.ca {
        Some(path) => Authorities::File(file("ca", ca, path)),
        None => Authorities::System("set ca = \"...\""),
    };
    let identity = tls.identity.as_ref();
    let identity = identity.map(|(its, own)| (file("cert", cert, its), file("key", key, own)));
    files.client(authorities, identity, oldest(tls.min_version))
}

/// The configuration, if a certificate can have the name of each host.
fn with_names<'a>(
    config: Arc<ClientConfig>,
    tls: &'a TlsToServers,
    hosts: impl Iterator<Item = &'a str>,
) -> Result<Arc<ClientConfig>, String> {
    let mut names = tls.server_name.as_deref().map_or_else(|| hosts.collect(), |name| vec![name]).into_iter();
    match names.find(|name| ServerName::try_from(*name).is_err()) {
        Some(name) => Err(format!("\"{name}\" cannot be the name in a certificate: set server_name")),
        None => Ok(config),
    }
}

fn file<'a>(shown: &'static str, option: &'static str, path: &'a Path) -> PemFile<'a> {
    PemFile { shown, option, path }
}

fn oldest(version: TlsVersion) -> MinVersion {
    match version {
        TlsVersion::Tls13 => MinVersion::Tls13,
        TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls12 => MinVersion::Tls12,
    }
}
