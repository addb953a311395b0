//! Logins whose passwords take long to verify (argon2), on a thread of their own: shards never wait for one.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use net::Handle;
use proxy::{Mail, SlowLogin};

/// Logins that wait at most; more are refused. With the usual hashes a second or two of work.
const WAITING_MAX: usize = 64;

/// Takes logins, if there is room for one more.
#[derive(Clone)]
pub struct Verifier(SyncSender<SlowLogin>);

impl Verifier {
    /// Starts the thread. It ends with the last clone of the verifier; `shards` are told of each outcome.
    pub fn start(shards: Vec<Handle<Mail>>) -> io::Result<Verifier> {
        let (sender, logins) = sync_channel(WAITING_MAX);
        std::thread::Builder::new().name("logins".into()).spawn(move || verify_all(&logins, &shards))?;
        Ok(Verifier(sender))
    }

    /// False if too many wait.
    pub fn verify(&self, login: SlowLogin) -> bool {
        self.0.try_send(login).is_ok()
    }
}

fn verify_all(logins: &Receiver<SlowLogin>, shards: &[Handle<Mail>]) {
    for login in logins {
        let shard = login.shard;
        let verified = login.verify();
        if let Some(shard) = shards.get(shard) {
            // A shard that has stopped has no client that waits.
            shard.send(Mail::Verified(verified));
        }
    }
}
