//! Health of the servers, asked every few seconds.
//!
//! The connection says nothing about a quorum: a server that has lost its peers keeps its clients. So the
//! stream that all topics share, the bucket, is asked about itself: its leader answers, or nobody, and a
//! leader says of whom it hears.

use async_nats::connection::State;
use async_nats::jetstream::stream::{Info, PeerInfo};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::changes;
use super::fault::Fault;
use super::hub::Hub;
use crate::request::{Completion, Replicas, Servers};

/// Pause between two looks.
const ROUND: Duration = Duration::from_secs(2);
/// Time for an answer.
const ANSWER: Duration = Duration::from_secs(3);
/// Room for the headers of a message, which count as part of it.
const HEADERS_BYTES: usize = 256;
/// Time since a leader has heard of a follower after which it counts as lost.
const SILENCE: Duration = Duration::from_secs(5);
/// Time without an answer that is no trouble: an election takes some seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// Looks for ever.
pub async fn run(hub: &Hub) {
    let (mut answered, mut troubled) = (Instant::now(), false);
    loop {
        if hub.client.connection_state() == State::Connected {
            match look(hub).await.and_then(with_quorum) {
                Ok(servers) => {
                    answered = Instant::now();
                    hub.report(Completion::Servers(servers));
                    if std::mem::take(&mut troubled) {
                        hub.report(Completion::Trouble(None));
                    }
                }
                Err(fault) if answered.elapsed() >= PATIENCE => {
                    troubled = true;
                    hub.report(Completion::Trouble(Some(format!("JetStream has no quorum: {}", fault.text))));
                }
                Err(_) => {}
            }
        } else {
            // Told by the connection.
            answered = Instant::now();
            troubled = true;
        }
        sleep(ROUND).await;
    }
}

async fn look(hub: &Hub) -> Result<Servers, Fault> {
    let name = format!("KV_{}", hub.names.bucket());
    let info = hub.client.server_info();
    let shared = replicas(hub, &info.server_name, &name).await?;
    let connected = format!("{} at {}:{}", info.server_name, info.host, info.port);
    let body_bytes_max = info.max_payload.saturating_sub(HEADERS_BYTES);
    Ok(Servers { connected, version: info.version, body_bytes_max, shared })
}

/// A leader that has lost its followers still answers.
fn with_quorum(servers: Servers) -> Result<Servers, Fault> {
    let Replicas { count, reachable, .. } = servers.shared;
    if reachable * 2 > count {
        return Ok(servers);
    }
    Err(Fault::passing(&format!("{reachable} of {count} servers answer")))
}

/// The servers that keep a stream; `only` is the one of an engine that is no cluster.
pub async fn replicas(hub: &Hub, only: &str, stream: &str) -> Result<Replicas, Fault> {
    let asked = async {
        let stream = changes::stream(hub, stream).await?;
        stream.get_info().await.map_err(|e| Fault::passing(&e))
    };
    match timeout(ANSWER, asked).await {
        Ok(info) => Ok(counted(&info?, only)),
        Err(_) => Err(Fault::passing(&"no answer in time")),
    }
}

fn counted(info: &Info, only: &str) -> Replicas {
    let Some(cluster) = &info.cluster else {
        return Replicas { leader: only.to_owned(), count: 1, reachable: 1, in_sync: 1 };
    };
    let leader = cluster.leader.clone().unwrap_or_default();
    let following = cluster.replicas.iter().filter(|peer| peer.current && !peer.offline).count() as u32;
    let count = cluster.replicas.len() as u32 + 1;
    let is_heard = |peer: &&PeerInfo| !peer.offline && (peer.current || peer.active < SILENCE);
    let heard = cluster.replicas.iter().filter(is_heard).count() as u32;
    let led = u32::from(!leader.is_empty());
    Replicas { leader, count, reachable: led * (heard + 1), in_sync: led * (following + 1) }
}
