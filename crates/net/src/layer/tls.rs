//! TLS as a transformation: records in, plain bytes out, and back. Server and client look alike to the stack.
//!
//! rustls does the work, through its unbuffered interface: records are decrypted where they were read. Only
//! an incomplete record or handshake message is held here. A record never yields more plain bytes than its
//! own size.

use std::sync::Arc;

use bytes::BytesMut;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{ClientConfig, CommonState, HandshakeKind, ServerConfig};

use super::error::LayerError;
use super::names::{common_name, names};
use crate::LayerInfo;

/// Most bytes of a record beyond its content.
const RECORD_OVERHEAD: usize = 64;
/// Most content of a record.
const RECORD_MAX: usize = 16 * 1024;
/// First byte of the records that begin a handshake, and of an alert.
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

#[derive(Debug)]
pub(super) struct Tls {
    side: Side,
    /// Incomplete input.
    partial: Vec<u8>,
    /// Some input was received.
    begun: bool,
    /// The end of the handshake was reported.
    told: bool,
    ended: bool,
    /// The connection has failed and must not be stepped again.
    failed: bool,
}

enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl std::fmt::Debug for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Side::Server(_) => "Server",
            Side::Client(_) => "Client",
        })
    }
}

/// Effects of stepping through one input.
#[derive(Default)]
struct Progress {
    /// Bytes of the input that were processed.
    used: usize,
    ended: bool,
}

impl Tls {
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Tls, LayerError> {
        Ok(Tls::new(Side::Server(UnbufferedServerConnection::new(config).map_err(LayerError::Tls)?)))
    }

    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Tls, LayerError> {
        Ok(Tls::new(Side::Client(UnbufferedClientConnection::new(config, name).map_err(LayerError::Tls)?)))
    }

    fn new(side: Side) -> Tls {
        Tls { side, partial: Vec::new(), begun: false, told: false, ended: false, failed: false }
    }

    fn state(&self) -> &CommonState {
        match &self.side {
            Side::Server(connection) => connection,
            Side::Client(connection) => connection,
        }
    }

    pub(super) fn handshaking(&self) -> bool {
        self.state().is_handshaking()
    }

    /// True once the peer has ended its stream.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Memory of incomplete input.
    pub(super) fn partial_memory(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes all of `wire`, which serves as working memory and never yields more plain bytes than its own
    /// size. Bytes that the connection itself must send are appended to `out`, on failure too.
    pub(super) fn receive(
        &mut self,
        wire: &mut [u8],
        plain: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<(), LayerError> {
        let plain_text =
            wire.first().is_some_and(|first| !self.begun && !matches!(*first, HANDSHAKE | ALERT));
        self.begun |= !wire.is_empty();
        let result = self.take_in(wire, plain, out);
        if plain_text { Err(LayerError::PlainText) } else { result }
    }

    fn take_in(
        &mut self,
        wire: &mut [u8],
        plain: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<(), LayerError> {
        if self.partial.is_empty() {
            let used = self.process(wire, plain, out)?;
            self.partial.extend_from_slice(&wire[used..]);
            return Ok(());
        }
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(wire);
        let used = self.process(&mut partial, plain, out)?;
        if used < partial.len() {
            partial.drain(..used);
            self.partial = partial;
        }
        Ok(())
    }

    /// Processes the complete part of `input`; returns the number of bytes used.
    fn process(
        &mut self,
        input: &mut [u8],
        plain: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        if self.ended || self.failed {
            return Ok(input.len());
        }
        let progress = match &mut self.side {
            Side::Server(connection) => process(connection, input, plain, out),
            Side::Client(connection) => process(connection, input, plain, out),
        };
        self.failed = progress.is_err();
        let progress = progress.map_err(LayerError::Tls)?;
        self.ended = progress.ended;
        Ok(if self.ended { input.len() } else { progress.used })
    }

    /// Appends bytes that the connection itself must send.
    pub(super) fn advance(&mut self, out: &mut Vec<u8>) {
        let partial = &mut self.partial;
        match &mut self.side {
            _ if self.failed => {}
            Side::Server(connection) => write(connection, partial, out, |_, _| {}),
            Side::Client(connection) => write(connection, partial, out, |_, _| {}),
        }
    }

    /// Encrypts all of `plain`. Only after the handshake.
    pub(super) fn send(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let partial = &mut self.partial;
        match &mut self.side {
            _ if self.failed => {}
            Side::Server(connection) => write(connection, partial, out, |to, out| encrypt(to, plain, out)),
            Side::Client(connection) => write(connection, partial, out, |to, out| encrypt(to, plain, out)),
        }
    }

    /// Ends the stream: nothing more will be sent.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        match &mut self.side {
            _ if self.failed => {}
            Side::Server(connection) => write(connection, &mut self.partial, out, close_notify),
            Side::Client(connection) => write(connection, &mut self.partial, out, close_notify),
        }
    }

    /// Negotiated parameters, once, after the handshake.
    pub(super) fn take_established(&mut self) -> Option<LayerInfo> {
        if self.told || self.handshaking() {
            return None;
        }
        self.told = true;
        let state = self.state();
        let version = match state.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS1.3",
            _ => "",
        };
        let certificate = state.peer_certificates().and_then(<[_]>::first);
        Some(LayerInfo {
            tls_version: version.to_owned(),
            tls_cipher_suite: self.cipher_suite(),
            client_common_name: certificate.and_then(|der| common_name(der)).unwrap_or_default(),
            names: certificate.map(|der| names(der)).unwrap_or_default(),
            client_certificate: certificate.is_some(),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// The suite's IANA name: rustls adds the version to the names of TLS 1.3.
    fn cipher_suite(&self) -> String {
        let suite = self.state().negotiated_cipher_suite().map(|suite| suite.suite());
        let name = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
        match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => name.to_owned(),
        }
    }
}

/// Either end's connection, as rustls steps it.
trait Connection {
    type Data;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Connection for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Connection for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn step<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// Steps through `input` until more is needed.
fn process(
    connection: &mut impl Connection,
    input: &mut [u8],
    plain: &mut BytesMut,
    out: &mut Vec<u8>,
) -> Result<Progress, rustls::Error> {
    let mut progress = Progress::default();
    loop {
        let UnbufferedStatus { mut discard, state } = connection.step(&mut input[progress.used..]);
        let more = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    plain.extend_from_slice(record.payload);
                    discard += record.discard;
                }
                true
            }
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                encode(&mut data, out);
                true
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                true
            }
            Ok(ConnectionState::PeerClosed) => {
                progress.ended = true;
                false
            }
            Ok(_) => false,
            Err(error) => {
                let rest = &mut input[progress.used + discard..];
                if let Ok(ConnectionState::EncodeTlsData(mut alert)) = connection.step(rest).state {
                    encode(&mut alert, out);
                }
                return Err(error);
            }
        };
        progress.used += discard;
        if !more {
            return Ok(progress);
        }
    }
}

/// Appends bytes that the connection itself must send, then the output of `write` if the handshake is done.
/// `partial` is incomplete input already processed in part.
fn write<C: Connection>(
    connection: &mut C,
    partial: &mut [u8],
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut WriteTraffic<'_, C::Data>, &mut Vec<u8>),
) {
    loop {
        match connection.step(partial).state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, out),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => {}
            Ok(ConnectionState::WriteTraffic(mut traffic)) => return write(&mut traffic, out),
            _ => return,
        }
    }
}

fn close_notify<Data>(traffic: &mut WriteTraffic<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + RECORD_OVERHEAD, 0);
    let written = traffic.queue_close_notify(&mut out[start..]).unwrap_or(0);
    out.truncate(start + written);
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(missing)) = data.encode(&mut []) {
        out.resize(start + missing.required_size, 0);
        let written = data.encode(&mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
    }
}

fn encrypt<Data>(traffic: &mut WriteTraffic<'_, Data>, plain: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let records = plain.len().div_ceil(RECORD_MAX);
    let room = plain.len() + records * RECORD_OVERHEAD;
    // Long data leaves without a copy.
    out.reserve_exact(room);
    out.resize(start + room, 0);
    let mut result = traffic.encrypt(plain, &mut out[start..]);
    if let Err(EncryptError::InsufficientSize(missing)) = &result {
        out.resize(start + missing.required_size, 0);
        result = traffic.encrypt(plain, &mut out[start..]);
    }
    // The encrypter is exhausted after 2^64 records.
    out.truncate(start + result.unwrap_or(0));
}
