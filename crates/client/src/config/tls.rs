//! TLS of a client: `tls_v1` and the options for which go-nsq reads files.
//!
//! Files are read when the option is set, so that an error names the option at once. The rustls configuration
//! is made from them when the client is built, or supplied ready-made.

use std::path::Path;
use std::sync::Arc;

use config::nsqd::machine::error_text;
use net::tls::{self, MinVersion};
use rustls::ClientConfig;

use super::error::ConfigError;
use super::value::read_bool;

/// TLS options besides `tls_v1`.
pub(super) const NAMES: [&str; 5] =
    ["tls_root_ca_file", "tls_insecure_skip_verify", "tls_cert", "tls_key", "tls_min_version"];

/// TLS of a client.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// `tls_v1`: requests TLS, and fails if the server does not grant it.
    pub tls_v1: bool,
    /// A ready configuration, which overrides the other fields.
    pub rustls: Option<Arc<ClientConfig>>,
    /// PEM of the authorities for the server's certificate (`tls_root_ca_file`); the system's by default.
    pub root_ca: Option<Vec<u8>>,
    /// PEM of our certificate (`tls_cert`).
    pub certificate: Option<Vec<u8>>,
    /// PEM of its key (`tls_key`).
    pub key: Option<Vec<u8>>,
    /// `tls_insecure_skip_verify`: accepts any certificate of the server.
    pub insecure_skip_verify: bool,
    /// `tls_min_version`.
    pub min_version: MinVersion,
}

impl TlsOptions {
    pub(super) fn set(&mut self, option: &str, value: &str) -> Result<(), ConfigError> {
        match option {
            "tls_root_ca_file" => {
                let read = read(value)
                    .map_err(|why| format!("ERROR: failed to read custom Certificate Authority file {why}"));
                self.root_ca = Some(read.map_err(ConfigError)?);
            }
            "tls_cert" => self.certificate = Some(read(value).map_err(ConfigError)?),
            "tls_key" => self.key = Some(read(value).map_err(ConfigError)?),
            "tls_insecure_skip_verify" => {
                self.insecure_skip_verify = read_bool(value).map_err(|why| {
                    ConfigError(format!("failed to coerce option {option} ({value}) - {why}"))
                })?;
            }
            _ => self.min_version = version(value)?,
        }
        Ok(())
    }

    /// The configuration for connections, if TLS is enabled.
    pub(crate) fn build(&self) -> Result<Option<Arc<ClientConfig>>, ConfigError> {
        if self.tls_v1 { self.make().map(Some) } else { Ok(None) }
    }

    /// The configuration for HTTPS lookupds; without one they cannot be queried.
    pub(crate) fn for_https(&self) -> Option<Arc<ClientConfig>> {
        self.make().ok()
    }

    fn make(&self) -> Result<Arc<ClientConfig>, ConfigError> {
        if let Some(config) = &self.rustls {
            return Ok(config.clone());
        }
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((&certificate[..], &key[..])),
            (None, None) => None,
            _ => return Err(ConfigError("tls_cert and tls_key go together: set both".into())),
        };
        let made = if self.insecure_skip_verify {
            tls::unverified_client_config(identity, self.min_version)
        } else {
            let roots = self.root_ca.clone().or_else(tls::system_roots).ok_or_else(|| {
                ConfigError("no certificate authorities on this system: set tls_root_ca_file".into())
            })?;
            tls::client_config(&roots, identity, self.min_version)
        };
        made.map_err(|error| ConfigError(format!("TLS cannot be set up: {error}")))
    }
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(Path::new(path)).map_err(|error| format!("open {path}: {}", error_text(&error)))
}

fn version(text: &str) -> Result<MinVersion, ConfigError> {
    Ok(match text {
        "ssl3.0" | "tls1.0" => MinVersion::Tls10,
        "tls1.1" => MinVersion::Tls11,
        "tls1.2" => MinVersion::Tls12,
        "tls1.3" => MinVersion::Tls13,
        _ => return Err(ConfigError(format!("ERROR: {text} is not a tls version"))),
    })
}
