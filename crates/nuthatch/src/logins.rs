//! Logins whose passwords are slow to verify (argon2), on a thread of their own: shards never block on them.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use net::Handle;
use proxy::{Mail, SlowLogin};

/// Most logins queued; further ones are refused. With the usual hashes a second or two of work.
const WAITING_MAX: usize = 64;

/// Queue of logins to verify.
#[derive(Clone)]
pub struct Verifier(SyncSender<SlowLogin>);

impl Verifier {
    /// Starts the thread. It ends with the last clone of the verifier; `shards` receive each outcome by mail.
    pub fn start(shards: Vec<Handle<Mail>>) -> io::Result<Verifier> {
        let (sender, logins) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("logins".into()).spawn(move || verify_all(&logins, &shards))?;
        Ok(Verifier(sender))
    }

    /// Queues a login; false if the queue is full.
    pub fn verify(&self, login: SlowLogin) -> bool {
        self.0.try_send(login).is_ok()
    }
}

fn verify_all(logins: &Receiver<SlowLogin>, shards: &[Handle<Mail>]) {
    for login in logins {
        let shard = login.shard;
        let verified = login.verify();
        if let Some(shard) = shards.get(shard) {
            // A stopped shard has no waiting client.
            shard.send(Mail::Verified(verified));
        }
    }
}
