//! The gate of a pool: its users, what each may send, and the limits on requests.
//!
//! ```text
//! accepted ▸ needs_login? ── no ──▸ open, as without users
//!              └ yes ▸ AUTH, HELLO, set (memcached), a certificate ▸ login ─┬▸ granted ▸ the session has a user
//!                                                                           ├▸ denied
//!                                                                           └▸ slow ▸ another thread ▸ mail ▸ tried again
//! request ▸ plan ▸ the user's verdict ▸ admission ▸ limits of user and pool ▸ sent
//! ```
//! A gate is planned with its generation and shared by all shards. A pool without users and limits has an
//! open gate, which checks nothing.

pub(crate) mod acl;
mod login;

use std::sync::Arc;
use std::time::Duration;

use access::{Book, Meter, Proof, Rate, User};
use config::checked;
use net::{ConnId, Instant};

use crate::client::{Client, Pending, Session};
use crate::fail::Failure;

/// Error for Redis clients before their login, in Redis' words.
pub(crate) const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";
/// Error for memcached clients before theirs, in memcached's words.
pub(crate) const UNAUTHENTICATED: &[u8] = b"CLIENT_ERROR unauthenticated\r\n";
/// Bytes of the longest data block that a memcached client may send before its login.
pub(crate) const TOKEN_BYTES_MAX: usize = 2048;
/// Rate of failed logins in the log, over all pools and shards.
const FAILURES_LOGGED: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 1 };

/// The users of a process, shared by its pools.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    book: Book,
    /// Limits how often a failed login is logged.
    told: Arc<Meter>,
}

impl Default for Users {
    fn default() -> Self {
        Users { book: Book::default(), told: Arc::new(Meter::new(FAILURES_LOGGED)) }
    }
}

impl Users {
    /// The users.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// The users of the next generation.
    pub(crate) fn next(&self, book: Book) -> Users {
        Users { book, told: Arc::clone(&self.told) }
    }

    /// The gate of a pool: the previous one if nothing in it has changed.
    pub(crate) fn gate(&self, pool: &checked::Pool, before: Option<(&Users, &Arc<Gate>)>) -> Arc<Gate> {
        if let Some((users, gate)) = before
            && users.book.is_same(&self.book)
            && gate.limit() == pool.limit_requests
        {
            return Arc::clone(gate);
        }
        let kept = before.and_then(|(_, gate)| gate.requests.clone());
        let requests = pool.limit_requests.map(|rate| {
            kept.filter(|meter| meter.rate() == rate).unwrap_or_else(|| Arc::new(Meter::new(rate)))
        });
        let book = self.book.of_pool(&pool.name);
        Arc::new(Gate { needs_login: !book.is_empty(), book, requests, told: Arc::clone(&self.told) })
    }
}

/// The gate of a pool.
#[derive(Debug)]
pub struct Gate {
    /// At least one user is named for the pool.
    needs_login: bool,
    /// The users of the pool.
    book: Book,
    /// Limit on the requests of all clients.
    requests: Option<Arc<Meter>>,
    told: Arc<Meter>,
}

impl Gate {
    /// True if only users may send requests.
    pub(crate) fn needs_login(&self) -> bool {
        self.needs_login
    }

    /// True if there is a user of this name, as `ACL USERS` says.
    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        if self.needs_login { self.book.user(name).is_some() } else { name == b"default" }
    }

    fn limit(&self) -> Option<Rate> {
        self.requests.as_ref().map(|meter| meter.rate())
    }

    /// True if requests are counted, whichever user sends them.
    pub(crate) fn is_limited(&self) -> bool {
        self.requests.is_some()
    }

    /// Prepares the session of a new client.
    pub(crate) fn prepare(&self, session: &mut Session, config: &checked::Pool) {
        session.authenticated = !self.needs_login && config.auth.is_none();
        session.limited = self.is_limited();
    }

    /// Logs a client in as this user; false at its connection limit.
    fn enter(&self, session: &mut Session, user: &Arc<User>) -> bool {
        let is_in = session.user.as_ref().is_some_and(|known| known.name() == user.name());
        if !is_in {
            let Some(connected) = user.connect() else { return false };
            session.connected = Some(connected);
        }
        session.user = Some(Arc::clone(user));
        session.authenticated = true;
        session.limited = self.is_limited() || user.requests().is_some();
        true
    }

    /// Logs a client out.
    pub(crate) fn leave(&self, session: &mut Session, config: &checked::Pool) {
        (session.user, session.connected) = (None, None);
        self.prepare(session, config);
    }

    /// Moves a client to this gate from another gate, or from another process as the user of this name. False
    /// if its user no longer exists.
    pub(crate) fn take_over(
        &self,
        session: &mut Session,
        user: Option<&[u8]>,
        config: &checked::Pool,
    ) -> bool {
        // A pending verification used another book.
        session.pending = Pending::None;
        let name = user.map(<[u8]>::to_vec).or_else(|| session.user.as_ref().map(|user| user.name().into()));
        match name {
            Some(name) if self.needs_login => match self.book.user(&name) {
                Some(user) => self.enter(session, user),
                None => {
                    self.leave(session, config);
                    false
                }
            },
            Some(_) => {
                self.leave(session, config);
                true
            }
            None => {
                // A client that has sent the pool's password stays logged in when that changes.
                let is_open = session.authenticated || config.auth.is_none();
                session.authenticated = is_open && !self.needs_login;
                session.limited = self.is_limited();
                true
            }
        }
    }

    /// Counts a request of a client against the limits of its user and of the pool.
    pub(crate) fn count_request(&self, client: &Client, now: Instant) -> Result<(), Failure> {
        if !matches!(client.session.pending, Pending::None) {
            // A login is counted when its verification begins.
            return Ok(());
        }
        let now = since_start(now);
        let user = client.session.user.as_deref().and_then(User::requests);
        match () {
            () if user.is_some_and(|meter| !meter.take(now)) => Err(Failure::UserLimit),
            () if self.requests.as_ref().is_some_and(|meter| !meter.take(now)) => Err(Failure::PoolLimit),
            () => Ok(()),
        }
    }
}

fn since_start(now: Instant) -> Duration {
    now.since(Instant::default())
}

/// A login that is slow to verify, for a thread that may block.
#[derive(Debug)]
pub struct SlowLogin {
    /// Shard of the client.
    pub shard: usize,
    pub(crate) client: ConnId,
    proof: Proof,
}

/// The outcome of a [`SlowLogin`], for its shard.
#[derive(Debug)]
pub struct Verified {
    pub(crate) client: ConnId,
    pub(crate) user: Option<Arc<User>>,
}

impl SlowLogin {
    /// Verifies the login. Takes milliseconds to seconds.
    #[must_use]
    pub fn verify(self) -> Verified {
        Verified { client: self.client, user: self.proof.verify() }
    }
}

#[cfg(test)]
mod tests;
