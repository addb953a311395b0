//! Clients of this process on their way to the successor.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use net::{Channel, Handle, Parcel};
use proxy::{Departure, HandOver, Mail};
use telemetry::warn;
use wire::upgrade::{Message, Pool};

use super::conversation::send;

/// Hand-over of clients from their shards.
#[derive(Debug, Clone)]
pub struct Departures {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    gone: AtomicU64,
}

impl Departures {
    /// Makes the shards hand over their clients of `pools`, and sends them on a thread of its own. If the
    /// successor takes no more, the clients on their way return.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(successor: Channel, pools: Vec<Pool>, shards: Vec<Handle<Mail>>) -> io::Result<Departures> {
        let (sender, receiver) = channel();
        let counts = Arc::new(Counts::default());
        let (sent, way) = (Arc::clone(&counts), Way { successor, shards: shards.clone() });
        std::thread::Builder::new().name("departures".into()).spawn(move || way.carry(&receiver, &sent))?;
        let hand_over = HandOver { pools: pools.into(), send: carrier(sender, Arc::clone(&counts)) };
        for shard in &shards {
            shard.send(Mail::HandOver(Some(hand_over.clone())));
        }
        Ok(Departures { counts })
    }

    /// Clients that have left their shard and have not arrived yet.
    pub fn under_way(&self) -> usize {
        self.counts.under_way.load(Ordering::Relaxed)
    }

    /// Clients that the successor has received.
    pub fn gone(&self) -> u64 {
        self.counts.gone.load(Ordering::Relaxed)
    }
}

/// The shards' end. At most all clients of the process are on their way, so sending never blocks.
fn carrier(sender: Sender<Departure>, counts: Arc<Counts>) -> Arc<dyn Fn(Departure) + Send + Sync> {
    Arc::new(move |departure| {
        counts.under_way.fetch_add(1, Ordering::Relaxed);
        // The receiver lives as long as the shards may send.
        let _ = sender.send(departure);
    })
}

struct Way {
    successor: Channel,
    shards: Vec<Handle<Mail>>,
}

impl Way {
    fn carry(&self, departures: &Receiver<Departure>, counts: &Counts) {
        let mut works = true;
        while let Ok(departure) = departures.recv() {
            match self.send(departure, works) {
                None => {
                    counts.gone.fetch_add(1, Ordering::Relaxed);
                }
                Some(departure) => {
                    if std::mem::take(&mut works) {
                        for shard in &self.shards {
                            shard.send(Mail::HandOver(None));
                        }
                    }
                    self.give_back(departure);
                }
            }
            counts.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Sends a client; returns it if it cannot be sent.
    fn send(&self, departure: Departure, works: bool) -> Option<Departure> {
        if !works {
            return Some(departure);
        }
        let Departure { shard, client, parcel } = departure;
        // A parcel without a socket comes from a simulation.
        let socket = parcel.into_descriptor()?;
        let message = Message::Client(client);
        let Err(error) = send(&self.successor, &message, &[socket.as_fd()]) else { return None };
        warn!(%error, "the new process accepts no more clients: the others stay here");
        let Message::Client(client) = message else { return None };
        Parcel::from_descriptor(socket).ok().map(|parcel| Departure { shard, client, parcel })
    }

    fn give_back(&self, departure: Departure) {
        if let Some(shard) = self.shards.get(departure.shard) {
            shard.send(Mail::Arrival(Box::new(departure)));
        }
    }
}
