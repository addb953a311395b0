//! The queue's TLS on both sides: towards clients, and towards authorization servers.
//!
//! `require` accepts any certificate of a client, whatever its issuer, as nsqd does: the client only proves
//! that it owns the key. `require-verify` needs one signed by a trusted authority: from the file of
//! authorities, else from the system, as in nsqd; the same holds for authorization servers. Versions below
//! TLS 1.2 are never offered.

use std::path::Path;
use std::sync::Arc;

use admin::{Certificate, Side};
use config::checked::{ClientAuth, Queue, Tls, TlsVersion};
use http::ServerTls;
use net::tls::{self, MinVersion};
use rustls::{ClientConfig, ServerConfig};

use crate::pem_files::{Authorities, PemFile, PemFiles};

/// TLS for clients of the queue; `None` if TLS is not offered.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn server(settings: &Queue) -> Result<Option<Arc<ServerConfig>>, String> {
    server_from(&mut files(), settings)
}

/// TLS of the HTTPS listener; it knows clients by their certificates if these are verified.
pub fn https(config: &Arc<ServerConfig>, settings: &Queue) -> ServerTls {
    match settings.tls.as_ref().map(|tls| tls.client_auth) {
        Some(ClientAuth::RequireVerify) => {
            ServerTls::certified(Arc::clone(config), tls::certificate_names, &[])
        }
        _ => ServerTls::from(Arc::clone(config)),
    }
}

/// TLS towards authorization servers; `None` if none of them has an `https` address.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn client(settings: &Queue) -> Result<Option<Arc<ClientConfig>>, String> {
    client_from(&mut files(), settings)
}

/// Checks that TLS works with these settings: every fault that [`server`] and [`client`] may find, also in a
/// file of authorities that is not in use yet.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn verify(settings: &Queue) -> Result<(), String> {
    server(settings)?;
    if settings.tls_root_ca.is_some() {
        client_config(&mut files(), settings)?;
    }
    Ok(())
}

/// Certificates of the files in use.
pub fn certificates(settings: &Queue) -> Vec<Certificate> {
    let mut files = files();
    let _ = (server_from(&mut files, settings), client_from(&mut files, settings));
    let mut certificates = files.certificates;
    // Both sides may use the same authorities.
    certificates.dedup();
    certificates
}

fn files() -> PemFiles<'static> {
    PemFiles::new("", Side::Queue)
}

fn server_from(files: &mut PemFiles<'_>, settings: &Queue) -> Result<Option<Arc<ServerConfig>>, String> {
    let Some(Tls { cert, key, client_auth, .. }) = &settings.tls else { return Ok(None) };
    let (policy, verifies) = match client_auth {
        ClientAuth::None => (tls::ClientAuth::None, false),
        ClientAuth::Require => (tls::ClientAuth::Require, false),
        ClientAuth::RequireVerify => (tls::ClientAuth::RequireVerify, true),
    };
    let identity = (file("tls_cert", cert), file("tls_key", key));
    let authorities = verifies.then(|| authorities(settings));
    let made = files.server(identity, authorities, policy, oldest(settings));
    made.map(Some).map_err(|reason| format!("failed to build TLS config - {reason}"))
}

fn client_from(files: &mut PemFiles<'_>, settings: &Queue) -> Result<Option<Arc<ClientConfig>>, String> {
    let secure = settings.auth_http_addresses.iter().any(|url| url.reveal().starts_with("https://"));
    if !secure {
        return Ok(None);
    }
    client_config(files, settings).map(Some)
}

fn client_config(files: &mut PemFiles<'_>, settings: &Queue) -> Result<Arc<ClientConfig>, String> {
    let made = files.client(authorities(settings), None, oldest(settings));
    made.map_err(|reason| format!("failed to build client TLS config - {reason}"))
}

/// The trusted authorities.
fn authorities(settings: &Queue) -> Authorities<'_> {
    match &settings.tls_root_ca {
        Some(path) => Authorities::File(file("tls_root_ca", path)),
        None => Authorities::System("set tls-root-ca-file"),
    }
}

/// Faults name the file alone, as nsqd's do.
fn file<'a>(option: &'static str, path: &'a Path) -> PemFile<'a> {
    PemFile { shown: "", option, path }
}

fn oldest(settings: &Queue) -> MinVersion {
    match settings.tls_min_version {
        TlsVersion::Tls10 => MinVersion::Tls10,
        TlsVersion::Tls11 => MinVersion::Tls11,
        TlsVersion::Tls12 => MinVersion::Tls12,
        TlsVersion::Tls13 => MinVersion::Tls13,
    }
}
