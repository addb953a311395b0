//! The queue's two sides of TLS, from its settings: towards clients, and towards authorization servers.
//!
//! `require` wants some certificate from the client, whoever signed it, as nsqd does: the client must own its key, and
//! that is all that is checked. `require-verify` wants one that an authority has signed; without a file of authorities
//! those count that the system trusts, as in nsqd, and so they do for authorization servers. Versions below TLS 1.2 are
//! never offered.

use std::path::Path;
use std::sync::Arc;

use config::checked::{ClientAuth, Queue, Tls, TlsVersion};
use config::nsqd::machine;
use net::tls::{self, MinVersion, ROOT_CA};
use rustls::{ClientConfig, ServerConfig};

/// TLS for clients of the queue; `None` if TLS is not offered.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn server(settings: &Queue) -> Result<Option<Arc<ServerConfig>>, String> {
    let Some(offered) = &settings.tls else { return Ok(None) };
    build(settings, offered).map(Some).map_err(|reason| format!("failed to build TLS config - {reason}"))
}

fn build(settings: &Queue, offered: &Tls) -> Result<Arc<ServerConfig>, String> {
    let (policy, roots) = match offered.client_auth {
        ClientAuth::None => (tls::ClientAuth::None, None),
        ClientAuth::Require => (tls::ClientAuth::Require, None),
        ClientAuth::RequireVerify => (tls::ClientAuth::RequireVerify, Some(authorities(settings)?)),
    };
    let (certificate, key) = (read(&offered.cert)?, read(&offered.key)?);
    tls::server_config(&certificate, &key, roots.as_deref(), policy, oldest(settings))
        .map_err(|error| blame(&error, settings, Some(offered)))
}

/// The file at fault, and what is wrong with it: in nsqd's words where it has some.
fn blame(error: &tls::Error, settings: &Queue, offered: Option<&Tls>) -> String {
    let authorities = settings.tls_root_ca.as_deref();
    let (certificate, key) = (offered.map(|tls| tls.cert.as_path()), offered.map(|tls| tls.key.as_path()));
    let file = match error {
        tls::Error::Certificate(ROOT_CA) | tls::Error::NoRoots => authorities,
        tls::Error::Certificate(_) => certificate,
        tls::Error::Key | tls::Error::BadKey(_) | tls::Error::Mismatch => key,
        tls::Error::Rustls(_) => None,
    };
    file.map_or_else(|| error.to_string(), |file| format!("{}: {error}", file.display()))
}

/// Checks that TLS can be offered and spoken with these settings: all that [`server`] and [`client`] may find wrong, also in a
/// file of authorities that nobody needs so far.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn verify(settings: &Queue) -> Result<(), String> {
    server(settings)?;
    if settings.tls_root_ca.is_some() {
        client_config(settings)?;
    }
    Ok(())
}

/// TLS towards authorization servers; `None` if none of them has an `https` address.
///
/// # Errors
/// The fault of the files, in a sentence.
pub fn client(settings: &Queue) -> Result<Option<Arc<ClientConfig>>, String> {
    let secure = settings.auth_http_addresses.iter().any(|address| address.starts_with("https://"));
    if !secure {
        return Ok(None);
    }
    client_config(settings).map(Some)
}

fn client_config(settings: &Queue) -> Result<Arc<ClientConfig>, String> {
    let config = authorities(settings).and_then(|roots| {
        tls::client_config(&roots, None, oldest(settings)).map_err(|error| blame(&error, settings, None))
    });
    config.map_err(|reason| format!("failed to build client TLS config - {reason}"))
}

/// The authorities that are trusted, PEM.
fn authorities(settings: &Queue) -> Result<Vec<u8>, String> {
    match &settings.tls_root_ca {
        Some(path) => read(path),
        None => tls::system_roots()
            .ok_or_else(|| "no certificate authorities on this system: set tls-root-ca-file".to_owned()),
    }
}

fn oldest(settings: &Queue) -> MinVersion {
    match settings.tls_min_version {
        TlsVersion::Tls10 => MinVersion::Tls10,
        TlsVersion::Tls11 => MinVersion::Tls11,
        TlsVersion::Tls12 => MinVersion::Tls12,
        TlsVersion::Tls13 => MinVersion::Tls13,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("open {}: {}", path.display(), machine::error_text(&error)))
}
