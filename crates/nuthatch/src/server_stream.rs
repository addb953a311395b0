//! Connections of the control side to servers and Sentinels of pools, and to other programs that are asked a
//! question: TCP or a unix socket, plain or with TLS. Callers set the deadline.

use std::sync::Arc;

use config::checked::Target;
use net::tls::{ClientConfig, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// TLS towards a server.
#[derive(Clone)]
pub struct ServerTls {
    /// Its configuration.
    pub config: Arc<ClientConfig>,
    /// Name in the certificate; None for the host.
    pub name: Option<String>,
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

/// Connects. The name is resolved anew.
///
/// # Errors
/// The reason, for the operator.
pub async fn open(target: &Target, tls: Option<&ServerTls>) -> Result<Box<dyn Stream>, String> {
    match target {
        Target::Tcp { host, port } => {
            let socket =
                TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
            let _ = socket.set_nodelay(true);
            secure(socket, tls, Some(host)).await
        }
        Target::Unix(path) => {
            let socket = UnixStream::connect(path).await.map_err(|error| error.to_string())?;
            secure(socket, tls, None).await
        }
        Target::Local => Err("it is in this process".into()),
        Target::Master => Err("its address is the Sentinels' to say".into()),
    }
}

async fn secure(
    socket: impl Stream + 'static,
    tls: Option<&ServerTls>,
    host: Option<&str>,
) -> Result<Box<dyn Stream>, String> {
    let Some(tls) = tls else { return Ok(Box::new(socket)) };
    let name = tls.name.as_deref().or(host).ok_or("TLS over a unix socket needs server_name")?;
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| format!("{name} cannot be the name in a certificate"))?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    Ok(Box::new(connector.connect(name, socket).await.map_err(|error| format!("TLS: {error}"))?))
}
