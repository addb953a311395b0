//! The admin port of a running process as commands ask it: one request to its address, with a login and TLS.
//!
//! ```text
//! --address, else $NUTHATCH_ADMIN, else 127.0.0.1:22220 ─┬▸ https://…  ▸ TLS: --ca, else $NUTHATCH_ADMIN_CA, else the system's authorities
//!                                                        └▸ otherwise ▸ plain
//! [admin] of a configuration ▸ its listen address, and with `tls` the certificate of that file and no other
//! ```
//! A login ([`LOGIN`]) and a certificate of our own are sent to a verified admin port only.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use config::checked::{Admin, Listen};
use config::endpoint;
use net::layer::LayerError;
use net::tls::{self, ClientConfig, MinVersion, ServerName};
use rustls::{ClientConnection, StreamOwned};

/// Default address of the admin port.
const ADMIN: &str = "127.0.0.1:22220";
/// Environment variable with the address of the admin port.
const ADDRESS: &str = "NUTHATCH_ADMIN";
/// Environment variable with the file of authorities for the admin port's certificate.
const CA: &str = "NUTHATCH_ADMIN_CA";
/// Environment variable with the login for the admin port.
const LOGIN: &str = "NUTHATCH_ADMIN_LOGIN";
/// Timeout for connecting to the admin port, and for its answer to a query.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// Maximum size of an answer of the admin port, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Part of what the admin port tells a client in plain text when it speaks TLS.
const SPEAKS_TLS: &str = "Client sent an HTTP request to an HTTPS server";

/// The options that say where the admin port of a process is, and how to trust it.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminAddress {
    #[allow(clippy::doc_markdown, reason = "it is the text of --help")]
    /// Admin port of the process: HOST:PORT, https://HOST:PORT or a path [default: $NUTHATCH_ADMIN, else
    /// 127.0.0.1:22220]
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    trust: AdminTrust,
    /// Set if it is the admin port of a configuration.
    #[arg(skip)]
    configured: Option<Configured>,
}

/// TLS of a configured admin port.
#[derive(Debug, Clone)]
struct Configured {
    /// The file of its certificate; None if it speaks plain text.
    certificate: Option<PathBuf>,
}

/// The options of TLS with an admin port.
#[derive(Debug, Clone, Default, Args)]
pub struct AdminTrust {
    #[allow(clippy::doc_markdown, reason = "it is the text of --help")]
    /// PEM file of the authorities that sign the admin port's certificate [default: $NUTHATCH_ADMIN_CA, else
    /// those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// PEM file of the certificate to show the admin port
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// PEM file of that certificate's private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name in the admin port's certificate, if that is not the host of its address
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
}

/// An answer of the admin port.
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// The body.
    pub body: String,
}

impl AdminAddress {
    /// The admin port of a configuration. With TLS it must show the certificate in the configured file,
    /// unless authorities are given.
    pub fn of(admin: &Admin, trust: &AdminTrust) -> AdminAddress {
        AdminAddress {
            address: Some(endpoint::show_listen(&admin.listen)),
            trust: trust.clone(),
            configured: Some(Configured { certificate: admin.tls.as_ref().map(|tls| tls.cert.clone()) }),
        }
    }

    /// The admin port at an address.
    pub fn at(address: impl Into<String>, trust: &AdminTrust) -> AdminAddress {
        AdminAddress { address: Some(address.into()), trust: trust.clone(), configured: None }
    }

    /// True if an option gives the address.
    pub fn is_given(&self) -> bool {
        self.address.is_some() || self.trust.is_given()
    }

    /// This address if one is given, else the admin port of the configuration, if it has one.
    #[must_use]
    pub fn or_of(self, admin: Option<&Admin>) -> AdminAddress {
        match admin {
            Some(admin) if self.address.is_none() && from_environment(ADDRESS).is_none() => {
                AdminAddress::of(admin, &self.trust)
            }
            _ => self,
        }
    }

    /// Sends a GET, and waits for the answer up to the commands' timeout.
    ///
    /// # Errors
    /// No answer; the error is the reason.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        self.request("GET", path, ASK_PATIENCE)
    }

    /// The address as a user would write it.
    pub fn shown(&self) -> String {
        self.address.clone().or_else(|| from_environment(ADDRESS)).unwrap_or_else(|| ADMIN.to_owned())
    }

    /// Sends a request without a body, and waits for the answer.
    ///
    /// # Errors
    /// No answer; the error is the reason.
    pub fn request(&self, method: &str, path: &str, patience: Duration) -> Result<Answer, String> {
        let address = self.shown();
        let (is_tls, place) = self.split(&address);
        let listen = endpoint::listen(place).map_err(|(wrong, help)| format!("{wrong}; {help}"))?;
        let tls = if is_tls { Some(self.tls(&listen)?) } else { None };
        let login = authorization();
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{login}Content-Length: 0\r\n\r\n");
        let answer = exchange(&listen, tls, request.as_bytes(), patience)
            .map_err(|error| format!("no admin port answers at {address} ({})", self.said(&error)))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        match code.ok_or_else(|| format!("{address} is not an admin port"))? {
            400 if body.contains(SPEAKS_TLS) => {
                Err(format!("the admin port at {address} speaks TLS: write https://{place}"))
            }
            401 => Err(format!("the admin port at {address} asks for a login: set {LOGIN} to NAME:PASSWORD")),
            code => Ok(Answer { code, body: body.to_owned() }),
        }
    }

    /// True for TLS, and the address without its scheme.
    fn split<'a>(&self, address: &'a str) -> (bool, &'a str) {
        if let Some(Configured { certificate }) = &self.configured {
            return (certificate.is_some(), address);
        }
        let place = |rest: &'a str| rest.strip_suffix('/').unwrap_or(rest);
        match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
            (Some(rest), _) => (true, place(rest)),
            (_, Some(rest)) => (false, place(rest)),
            _ => (self.trust.is_given(), address),
        }
    }

    /// The file of the only certificate that it may show; None if its authorities count.
    fn pinned(&self) -> Option<&Path> {
        self.configured.as_ref()?.certificate.as_deref().filter(|_| self.trust.ca.is_none())
    }

    fn tls(&self, listen: &Listen) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let AdminTrust { ca, cert, key, server_name } = &self.trust;
        let identity = match cert.as_deref().zip(key.as_deref()) {
            Some((cert, key)) => Some((read(cert)?, read(key)?)),
            None => None,
        };
        let identity = identity.as_ref().map(|(cert, key)| (&cert[..], &key[..]));
        let authorities = || ca.clone().or_else(|| from_environment(CA).map(PathBuf::from));
        let config = match (self.pinned(), authorities()) {
            (Some(path), _) => tls::pinned_client_config(&read(path)?, identity, MinVersion::Tls12),
            (None, Some(path)) => tls::client_config(&read(&path)?, identity, MinVersion::Tls12),
            (None, None) => {
                let roots =
                    tls::system_roots().ok_or("the system has no file of authorities: use --ca FILE")?;
                tls::client_config(&roots, identity, MinVersion::Tls12)
            }
        };
        let config = config.map_err(|error| format!("TLS with the admin port: {error}"))?;
        let host = match listen {
            Listen::Tcp { host, .. } => host.as_str(),
            Listen::Unix { .. } => "localhost",
        };
        let name = server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|_| format!("\"{name}\" cannot be the name in a certificate: use --server-name NAME"))?;
        Ok((config, name))
    }

    /// The reason of a failed exchange, and what to do about it.
    fn said(&self, error: &std::io::Error) -> String {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let Some(inner) = inner else {
            return match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".into(),
                ErrorKind::UnexpectedEof => "the connection was cut".into(),
                _ => error.to_string(),
            };
        };
        if let rustls::Error::InvalidMessage(_) = inner {
            return "it speaks plain text, not TLS: write the address without https://".into();
        }
        let fault = LayerError::Tls(inner.clone()).fault();
        let help = match fault {
            net::LayerFault::UnknownAuthority if self.pinned().is_some() => {
                ": another one than the configured file has; reload it, or use --ca FILE"
            }
            net::LayerFault::UnknownAuthority => ": use --ca FILE",
            net::LayerFault::WrongName => ": use --server-name NAME",
            net::LayerFault::Alert(116 | 40) => ": use --cert FILE --key FILE",
            _ => "",
        };
        format!("it {fault}{help}")
    }
}

impl AdminTrust {
    /// These options without those that say which certificate an admin port may show.
    #[must_use]
    pub fn own(&self) -> AdminTrust {
        AdminTrust { cert: self.cert.clone(), key: self.key.clone(), ..AdminTrust::default() }
    }

    /// True if an option of TLS is given.
    fn is_given(&self) -> bool {
        self.ca.is_some() || self.cert.is_some() || self.server_name.is_some()
    }
}

fn from_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// The login header, if the environment has a login.
fn authorization() -> String {
    let encoded = from_environment(LOGIN).map(|login| http::base64::encode(login.as_bytes()));
    encoded.map_or_else(String::new, |login| format!("Authorization: Basic {login}\r\n"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn exchange(
    listen: &Listen,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    request: &[u8],
    patience: Duration,
) -> std::io::Result<String> {
    match listen {
        Listen::Tcp { host, port } => {
            let address =
                (host.as_str(), *port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
            let stream = TcpStream::connect_timeout(&address, ASK_PATIENCE)?;
            stream.set_read_timeout(Some(patience))?;
            converse(stream, tls, request)
        }
        Listen::Unix { path, .. } => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            converse(stream, tls, request)
        }
    }
}

fn converse(
    mut stream: impl Read + Write,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    request: &[u8],
) -> std::io::Result<String> {
    let mut answer = String::new();
    match tls {
        None => {
            stream.write_all(request)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
        Some((config, name)) => {
            let connection = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            stream.write_all(request)?;
            stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
