//! A connection to an nsqd: opened, negotiated, ready for commands.
//!
//! ```text
//! dial ▸ "  V2" IDENTIFY ▸ reply ▸ [TLS ▸ OK] ▸ [snappy or deflate ▸ OK] ▸ [AUTH ▸ JSON]         each step within read_timeout
//! ```
//! A feature that is not granted is an error for TLS (the secret and the messages would travel in clear text)
//! and ignored for compression.

mod address;
mod error;
mod socket;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use net::{Layer, layer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use wire::nsq::auth::SecretBytes;
use wire::nsq::frame::{FrameType, HEARTBEAT, OK};
use wire::nsq::identify::{Identify, IdentifyReply};
use wire::nsq::{Command, MAGIC_V2};

pub(crate) use address::NodeAddress;
pub(crate) use error::LinkError;
pub(crate) use transport::{Frame, Transport};

use crate::config::{Config, ConfigError};
use socket::Socket;

/// Settings shared by all connections of a client.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) config: Config,
    tls: Option<Arc<ClientConfig>>,
    identify: Vec<u8>,
}

impl Profile {
    pub(crate) fn new(config: Config) -> Result<Profile, ConfigError> {
        config.validate()?;
        let tls = config.tls.build()?;
        let mut identify = Vec::new();
        request(&config).write(&mut identify);
        Ok(Profile { config, tls, identify })
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn request(config: &Config) -> Identify {
    Identify {
        client_id: config.client_id.clone(),
        hostname: config.hostname.clone(),
        user_agent: config.user_agent.clone(),
        topology_region: String::new(),
        topology_zone: String::new(),
        feature_negotiation: true,
        tls_v1: config.tls.tls_v1,
        snappy: config.snappy,
        deflate: config.deflate,
        deflate_level: config.deflate_level.into(),
        heartbeat_interval: config.heartbeat_interval.map_or(-1, milliseconds),
        output_buffer_size: config.output_buffer_size,
        output_buffer_timeout: config.output_buffer_timeout.map_or(-1, milliseconds),
        sample_rate: config.sample_rate.into(),
        msg_timeout: milliseconds(config.msg_timeout),
    }
}

/// Opens a connection and negotiates the configured features.
pub(crate) async fn open(
    address: &NodeAddress,
    profile: &Profile,
) -> Result<(Transport, IdentifyReply), LinkError> {
    let config = &profile.config;
    // as in Go, 0 means no separate limit
    let patience = if config.dial_timeout.is_zero() { config.read_timeout } else { config.dial_timeout };
    let dialled = timeout(patience, Socket::dial(address, config.local_addr)).await;
    let socket = dialled
        .map_err(|_| LinkError::Late("connecting"))?
        .map_err(|error| LinkError::Dial(error.to_string()))?;
    let mut transport = Transport::new(socket, config.max_frame_size);
    let negotiated = timeout(config.read_timeout, negotiate(&mut transport, address, profile)).await;
    let reply = negotiated.map_err(|_| LinkError::Late("the handshake"))??;
    Ok((transport, reply))
}

async fn negotiate(
    transport: &mut Transport,
    address: &NodeAddress,
    profile: &Profile,
) -> Result<IdentifyReply, LinkError> {
    transport.send(MAGIC_V2);
    transport.command(&Command::Identify { body: &profile.identify });
    let answer = response(transport).await?;
    let reply = IdentifyReply::parse(&answer)
        .ok_or_else(|| LinkError::Protocol("the answer to IDENTIFY is neither JSON nor OK".into()))?;
    match &profile.tls {
        Some(tls) if reply.tls_v1 => {
            upgrade(transport, &Layer::TlsClient(tls.clone(), server_name(address)?)).await?;
        }
        Some(_) => return Err(LinkError::NoTls),
        None if reply.tls_v1 => return Err(LinkError::Protocol("TLS was granted and not asked for".into())),
        None => {}
    }
    if reply.snappy && profile.config.snappy {
        upgrade(transport, &Layer::Snappy).await?;
    } else if reply.deflate && profile.config.deflate {
        let level = u32::try_from(reply.deflate_level).unwrap_or(profile.config.deflate_level);
        upgrade(transport, &Layer::Deflate(level)).await?;
    }
    authenticate(transport, profile, &reply).await?;
    Ok(reply)
}

async fn upgrade(transport: &mut Transport, layer: &Layer) -> Result<(), LinkError> {
    transport.push(layer)?;
    expect_ok(transport, "an upgrade").await
}

async fn authenticate(
    transport: &mut Transport,
    profile: &Profile,
    reply: &IdentifyReply,
) -> Result<(), LinkError> {
    if !reply.auth_required {
        return Ok(());
    }
    let secret = profile.config.auth_secret.as_bytes();
    if secret.is_empty() {
        return Err(LinkError::NoSecret);
    }
    transport.command(&Command::Auth { secret: SecretBytes(secret) });
    response(transport).await.map(drop)
}

/// Subscribes.
pub(crate) async fn subscribe(
    transport: &mut Transport,
    topic: &str,
    channel: &str,
    read_timeout: Duration,
) -> Result<(), LinkError> {
    transport.command(&Command::Sub { topic, channel });
    timeout(read_timeout, expect_ok(transport, "SUB")).await.map_err(|_| LinkError::Late("SUB"))?
}

async fn expect_ok(transport: &mut Transport, what: &str) -> Result<(), LinkError> {
    let answer = response(transport).await?;
    if *answer == *OK {
        return Ok(());
    }
    Err(LinkError::Protocol(format!("the answer to {what} is not OK")))
}

/// The next response; answers heartbeats meanwhile.
async fn response(transport: &mut Transport) -> Result<bytes::Bytes, LinkError> {
    loop {
        let frame = transport.frame().await?;
        match frame.kind {
            FrameType::Response if *frame.data == *HEARTBEAT => transport.command(&Command::Nop),
            FrameType::Response => return Ok(frame.data),
            FrameType::Error => return Err(LinkError::server(&frame.data)),
            FrameType::Message => return Err(LinkError::Protocol("a message before RDY".into())),
        }
    }
}

fn server_name(address: &NodeAddress) -> Result<ServerName<'static>, LinkError> {
    let host = match address {
        NodeAddress::Tcp { host, .. } => host.clone(),
        NodeAddress::Unix(_) => "localhost".to_owned(),
    };
    ServerName::try_from(host).map_err(|_| LinkError::Layer("the host is no name for TLS".into()))
}

impl From<layer::LayerError> for LinkError {
    fn from(error: layer::LayerError) -> LinkError {
        LinkError::Layer(error.to_string())
    }
}
