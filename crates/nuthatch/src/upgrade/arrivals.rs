//! Clients handed over by the predecessor, on their way to the shards of this process.

use std::time::Duration;

use net::{Channel, Handle, Parcel};
use proxy::{Departure, Mail};
use telemetry::{info, warn};
use wire::upgrade::Message;

use super::conversation::{Heard, receive};

/// Interval between checks of a silent predecessor; it sends nothing while none of its clients is ready.
const PATIENCE: Duration = Duration::from_hours(1);

/// Accepts handed-over clients, on a thread of its own, until the predecessor has ended.
/// They are spread over the shards.
///
/// # Errors
/// No thread can be started.
pub fn begin(channel: Channel, shards: Vec<Handle<Mail>>) -> Result<(), String> {
    let thread = std::thread::Builder::new().name("arrivals".into());
    let spawned = thread.spawn(move || {
        let taken = take_in(channel, &shards);
        info!(clients = taken, "the replaced process has ended");
    });
    spawned.map(drop).map_err(|error| error.to_string())
}

/// Accepts clients; returns their number.
fn take_in(mut channel: Channel, shards: &[Handle<Mail>]) -> u64 {
    let mut taken = 0;
    loop {
        let (client, socket) = match receive(&mut channel, PATIENCE) {
            Ok(Heard::Message(Message::Client(client), mut descriptors)) => (client, descriptors.pop()),
            Ok(Heard::Message(..) | Heard::Nothing) => continue,
            Ok(Heard::End) => return taken,
            Err(error) => {
                warn!(%error, "unreadable message from the replaced process: its clients stay there");
                return taken;
            }
        };
        let Some(Ok(parcel)) = socket.map(Parcel::from_descriptor) else {
            warn!(pool = %client.pool, "client received without a usable socket");
            continue;
        };
        let Some(shard) = shards.get((taken % shards.len().max(1) as u64) as usize) else { continue };
        taken += 1;
        shard.send(Mail::Arrival(Box::new(Departure { shard: 0, client, parcel })));
    }
}
