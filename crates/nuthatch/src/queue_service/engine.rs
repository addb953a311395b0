//! The engine of the queue's topics, as configured: its thread reports to the queue's shard.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::thread::JoinHandle;

use config::checked;
use engine::jetstream::{self, Options};
use net::Handle;
use queue::{Mail, Queue};

/// Bits of the tag that distinguishes the ids of this process.
const TAG_BITS: u32 = 24;

/// Starts the engine's thread, which ends with the queue.
///
/// # Errors
/// The system's error.
pub fn start(
    settings: &checked::Engine,
    queue: &mut Queue,
    shard: &Handle<Mail>,
) -> io::Result<JoinHandle<()>> {
    let tag = random() >> (u64::BITS - TAG_BITS);
    let password = settings.password.as_ref().map_or("", |password| password.reveal());
    let options = Options {
        servers: settings.servers.clone(),
        login: settings.user.clone().map(|user| (user, password.to_owned())),
        replicas: settings.replicas,
        prefix: settings.prefix.clone(),
        node: format!("{tag:06x}"),
    };
    let shard = shard.clone();
    let (engine, thread) = jetstream::start(options, move |completion| {
        shard.send(Mail::Engine(completion));
    })?;
    queue.use_engine(Box::new(engine), settings.globs(), tag as u32);
    if settings.accept_locally {
        queue.accept_locally(settings.forward_bytes_max);
    }
    Ok(thread)
}

/// A number that other processes do not have: std seeds its hashers so.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
