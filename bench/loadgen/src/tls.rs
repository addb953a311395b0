//! TLS to the target, with rustls.
//!
//! The target's certificates and signatures are not verified: this is a load generator, not a client.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use load::Transport;
use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

use crate::options::Tls;

/// A connection under TLS.
pub struct Secure {
    stream: TcpStream,
    tls: Box<ClientConnection>,
}

impl Secure {
    /// Connects, and performs the handshake.
    pub fn open(target: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Secure> {
        let mut stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        let tls = handshake(config, &mut stream)?;
        stream.set_nonblocking(true)?;
        Ok(Secure { stream: TcpStream::from_std(stream), tls })
    }
}

impl Transport for Secure {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.tls.writer().write(bytes)?;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    fn read(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Ok(false),
                Ok(_) => {
                    let state = self.tls.process_new_packets().map_err(io::Error::other)?;
                    let old = input.len();
                    input.resize(old + state.plaintext_bytes_to_read(), 0);
                    self.tls.reader().read_exact(&mut input[old..])?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Performs a handshake over a blocking stream.
pub fn handshake(
    config: &Arc<ClientConfig>,
    stream: &mut std::net::TcpStream,
) -> io::Result<Box<ClientConnection>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut tls = Box::new(ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?);
    while tls.is_handshaking() {
        tls.complete_io(stream)?;
    }
    Ok(tls)
}

/// TLS configuration from the options, with its own sessions; None without TLS.
pub fn config(options: Tls) -> io::Result<Option<Arc<ClientConfig>>> {
    if !options.tls {
        return Ok(None);
    }
    let versions = match options.tls12 {
        true => &[&rustls::version::TLS12][..],
        false => rustls::ALL_VERSIONS,
    };
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.resumption =
        if options.resume { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    Ok(Some(Arc::new(config)))
}

/// Verifier that accepts every certificate and signature.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
