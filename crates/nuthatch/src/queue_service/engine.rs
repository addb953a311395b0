//! The engine of the queue's topics, as configured: its thread reports to the queue's shard.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use config::Secret;
use config::checked::{self, EngineLogin};
use engine::jetstream::{self, Login, Options};
use net::Handle;
use queue::{Mail, Queue};

/// Bits of the tag that distinguishes the ids of this process.
const TAG_BITS: u32 = 24;

/// Bytes read of a file of credentials.
const CREDENTIALS_BYTES_MAX: u64 = 64 << 10;

/// Starts the engine's thread, which ends with the queue.
///
/// # Errors
/// The system's error, or a file that cannot be used.
pub fn start(
    settings: &checked::Engine,
    tls: Option<Arc<rustls::ClientConfig>>,
    queue: &mut Queue,
    shard: &Handle<Mail>,
) -> io::Result<JoinHandle<()>> {
    let tag = random() >> (u64::BITS - TAG_BITS);
    let login = login(&settings.login)?;
    let options = Options {
        servers: settings.servers.clone(),
        login,
        tls: tls.map(Arc::unwrap_or_clone),
        replicas: settings.replicas,
        prefix: settings.prefix.clone(),
        node: format!("{tag:06x}"),
    };
    let shard = shard.clone();
    let (engine, thread) = jetstream::start(options, move |completion| {
        shard.send(Mail::Engine(completion));
    })?;
    queue.use_engine(Box::new(engine), tag as u32, settings.forward_bytes_max);
    Ok(thread)
}

/// The login, with the content of its file.
fn login(login: &EngineLogin) -> io::Result<Login> {
    let (option, login) = match login {
        EngineLogin::Nobody => return Ok(Login::Nobody),
        EngineLogin::User(user, password) => {
            let password = password.as_ref().map_or("", Secret::reveal);
            return Ok(Login::User(user.clone(), password.to_owned()));
        }
        EngineLogin::Nkey(seed) => ("nkey", Login::Nkey(seed.reveal().to_owned())),
        EngineLogin::Credentials(path) => {
            let read = |path: &Path| {
                let mut text = String::new();
                File::open(path)?.take(CREDENTIALS_BYTES_MAX).read_to_string(&mut text).map(|_| text)
            };
            let text = read(path).map_err(|e| {
                io::Error::new(e.kind(), format!("[engine]: credentials_file: {}: {e}", path.display()))
            })?;
            ("credentials_file", Login::Credentials(text))
        }
    };
    match login.check() {
        Ok(()) => Ok(login),
        Err(why) => Err(io::Error::other(format!("[engine]: {option} cannot be used: {why}"))),
    }
}

/// A number that other processes do not have: std seeds its hashers so.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
