//! TLS as a transformation: records in, plain bytes out, and back. Server and client are the same to the stack.
//!
//! All the work is rustls's. A record never stands for more plain bytes than it has itself, so that nothing needs to be held
//! back here; what is sent before the handshake is done waits inside.

use std::io::{Read, Write};
use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::common_name::common_name;
use super::error::LayerError;
use crate::LayerInfo;

#[derive(Debug)]
pub(super) struct Tls {
    connection: Connection,
    /// The end of the handshake was told.
    told: bool,
    ended: bool,
}

impl Tls {
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Tls, LayerError> {
        Ok(Tls::new(ServerConnection::new(config).map_err(LayerError::Tls)?.into()))
    }

    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Tls, LayerError> {
        Ok(Tls::new(ClientConnection::new(config, name).map_err(LayerError::Tls)?.into()))
    }

    fn new(mut connection: Connection) -> Tls {
        // what is sent before the handshake is done waits inside; the outbox's owner limits it
        connection.set_buffer_limit(None);
        Tls { connection, told: false, ended: false }
    }

    pub(super) fn handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// The peer has said that it will send no more.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Takes all of `wire`. It never stands for more plain bytes than it has itself.
    pub(super) fn receive(&mut self, mut wire: &[u8], plain: &mut BytesMut) -> Result<(), LayerError> {
        while !wire.is_empty() && !self.ended {
            // reading from a slice fails only if nothing can be taken in, which the reads below prevent
            let taken = self.connection.read_tls(&mut wire).unwrap_or(0);
            let state = self.connection.process_new_packets().map_err(LayerError::Tls)?;
            self.ended = state.peer_has_closed();
            self.take_plain(state.plaintext_bytes_to_read(), plain);
            if taken == 0 {
                return Err(LayerError::Tls(rustls::Error::General("record buffer is full".into())));
            }
        }
        Ok(())
    }

    fn take_plain(&mut self, bytes: usize, plain: &mut BytesMut) {
        let start = plain.len();
        plain.resize(start + bytes, 0);
        let read = self.connection.reader().read(&mut plain[start..]).unwrap_or(0);
        plain.truncate(start + read);
    }

    /// Encrypts all of `plain`, or keeps it until the handshake is done.
    pub(super) fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) {
        // no limit is set, so that this cannot fail
        let _ = self.connection.writer().write_all(plain);
        self.write_wire(wire);
    }

    /// Appends what the connection has to send.
    pub(super) fn write_wire(&mut self, wire: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if self.connection.write_tls(wire).unwrap_or(0) == 0 {
                return;
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Negotiated parameters, once, when the handshake is done.
    pub(super) fn take_established(&mut self) -> Option<LayerInfo> {
        if self.told || self.handshaking() {
            return None;
        }
        self.told = true;
        let version = match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS1.3",
            _ => "",
        };
        let certificate = self.connection.peer_certificates().and_then(<[_]>::first);
        Some(LayerInfo {
            tls_version: version.to_owned(),
            tls_cipher_suite: self.cipher_suite(),
            client_common_name: certificate.and_then(|der| common_name(der)).unwrap_or_default(),
            client_certificate: certificate.is_some(),
        })
    }

    /// The suite's IANA name: rustls puts the version into the names of TLS 1.3.
    fn cipher_suite(&self) -> String {
        let suite = self.connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let name = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
        match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => name.to_owned(),
        }
    }
}
