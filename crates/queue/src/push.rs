//! Pushing statistics to statsd, on the control thread: every interval a snapshot, its packets spread over
//! the interval.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use config::checked::Statsd as Settings;
use net::NotTaken;
use telemetry::{debug, warn};
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval_at, sleep};

use crate::http::{SendRequest, memory};
use crate::request::{Answer, Reply, Request};
use crate::snapshot::Snapshot;
use crate::statsd::{Statsd, gap, prefix};

/// Pushes until the queue has stopped. The key's `%s` becomes the broadcast address and HTTP port. The first
/// push comes after one interval, as in nsqd; a failed push is logged and not repeated.
pub async fn push(
    settings: Settings,
    broadcast_address: String,
    broadcast_http_port: u16,
    send: SendRequest,
) {
    let prefix = prefix(&settings.prefix, &broadcast_address, broadcast_http_port);
    let mut statsd = Statsd::new(prefix, settings.udp_packet_size, settings.exclude_ephemeral);
    // An interval of zero would leave no time for anything else.
    let interval = settings.interval.max(Duration::from_millis(10));
    let mut ticks = interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let snapshot = match snapshot(&send).await {
            Ok(snapshot) => snapshot,
            Err(NotTaken::Full) => continue,
            Err(NotTaken::Stopped) => return,
        };
        let memory = settings.mem_stats.then(memory);
        let packets = statsd.render(snapshot.topics.as_deref().unwrap_or_default(), memory.as_ref());
        send_packets(&settings.address, packets, interval).await;
    }
}

/// Sends the packets of one push, spread over the interval. A failure is logged and not repeated.
pub async fn send_packets(address: &str, packets: Vec<Vec<u8>>, interval: Duration) {
    let socket = match connect(address).await {
        Ok(socket) => socket,
        Err(error) => {
            warn!(address, %error, "statsd cannot be reached");
            return;
        }
    };
    let pause = gap(interval, packets.len());
    for packet in packets {
        if let Err(error) = socket.send(&packet).await {
            debug!(address, %error, "packet to statsd lost");
        }
        sleep(pause).await;
    }
}

async fn snapshot(send: &SendRequest) -> Result<Box<Snapshot>, NotTaken> {
    let (sender, answer) = oneshot::channel();
    let reply = Reply(Box::new(move |answer| drop(sender.send(answer))));
    let request = Request::Stats { topic: None, channel: None, clients: false };
    send(request, reply)?;
    match answer.await {
        Ok(Answer::Stats(snapshot)) => Ok(snapshot),
        _ => Err(NotTaken::Stopped),
    }
}

/// A socket for packets to `address`, which is resolved anew each time.
async fn connect(address: &str) -> std::io::Result<UdpSocket> {
    let not_found = || std::io::Error::other("no address");
    let target = lookup_host(address).await?.next().ok_or_else(not_found)?;
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket)
}
