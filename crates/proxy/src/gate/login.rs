//! Logins: by name and password, in the words of Redis and of memcached, or by a certificate.
//!
//! Addresses with too many failed logins are ignored for a while ([`access::LoginGuard`]). A failed login is
//! counted, and logged at most once a second, without its password; the name is logged only if it is a
//! user's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use access::{GuardLimits, Login, LoginGuard};
use config::checked::Protocol;
use net::{ConnId, Io, LayerInfo};
use wire::memcache;
use wire::redis::{Args, Local, Request};

use super::{SlowLogin, Verified, since_start};
use crate::answer::{HELLO_NEEDS_AUTH, OK, greet, read_hello};
use crate::client::{Client, Pending, Wait};
use crate::fail::too_many_clients;
use crate::keys::PoolKey;
use crate::notice::Notice;
use crate::proxy::Proxy;

const WRONGPASS: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const TOO_OFTEN: &str = "too many failed logins from this address, try again later";
const TOO_MANY: &str = "too many logins are being verified, try again later";
// memcached's reply to a login.
const STORED: &[u8] = b"STORED\r\n";
const FAILURE: &[u8] = b"CLIENT_ERROR authentication failure\r\n";
const MALFORMED: &[u8] = b"CLIENT_ERROR bad authentication token format\r\n";

/// The outcome of a login attempt.
enum Attempt {
    In,
    Wrong,
    /// Refused, with this error.
    Refused(Vec<u8>),
    /// Pending: its request is handled again later.
    Later,
}

impl Proxy {
    /// Handles `AUTH` or `HELLO` in a pool with users. False if the request has to stay in the input.
    pub(crate) fn log_in_redis<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        local: Local,
        request: &Request,
        frame: &[u8],
    ) -> bool {
        let mut args = request.args(frame);
        args.next();
        let reply = match local {
            Local::Hello => self.hello(io, client, args),
            _ => self.auth(io, client, args),
        };
        let Some(reply) = reply else { return false };
        self.pools[client.pool].stats.answered_here.inc();
        self.give(io, client, &reply);
        true
    }

    /// Handles `AUTH [user] password`; the default user is `default`. None: later.
    fn auth<I: Io>(&mut self, io: &mut I, client: &mut Client, mut args: Args<'_>) -> Option<Vec<u8>> {
        let (first, second, more) = (args.next(), args.next(), args.next());
        let (name, secret) = match (&first, &second, more) {
            (Some(name), Some(secret), None) => (name.bytes(), secret.bytes()),
            (Some(secret), None, _) => (&b"default"[..], secret.bytes()),
            _ => return Some(b"-ERR syntax error\r\n".to_vec()),
        };
        Some(match self.attempt(io, client, name, secret) {
            Attempt::In => OK.to_vec(),
            Attempt::Wrong => WRONGPASS.to_vec(),
            Attempt::Refused(error) => error,
            Attempt::Later => return None,
        })
    }

    /// Handles `HELLO [version [AUTH user password] [SETNAME name]]`. None: later.
    fn hello<I: Io>(&mut self, io: &mut I, client: &mut Client, args: Args<'_>) -> Option<Vec<u8>> {
        let hello = match read_hello(args, client.session.resp3) {
            Ok(hello) => hello,
            Err(error) => return Some(error),
        };
        if let Some((name, secret)) = hello.auth {
            match self.attempt(io, client, name, secret) {
                Attempt::In => {}
                Attempt::Wrong => return Some(WRONGPASS.to_vec()),
                Attempt::Refused(error) => return Some(error),
                Attempt::Later => return None,
            }
        }
        if !client.session.authenticated {
            return Some(HELLO_NEEDS_AUTH.to_vec());
        }
        let mut reply = Vec::new();
        greet(&mut client.session, &self.pools[client.pool].config, &hello, &mut reply);
        Some(reply)
    }

    /// Handles the first `set` of a memcached client: its data is name and password with a space between
    /// them, its key is ignored. It is answered even with `noreply`, as in memcached. False if the request
    /// has to stay in the input.
    pub(crate) fn log_in_memcache<I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Client,
        request: &memcache::Request,
        frame: &[u8],
    ) -> bool {
        let token = request.data().of(frame);
        let reply = match token.iter().position(|byte| *byte == b' ') {
            None => MALFORMED.to_vec(),
            Some(at) => {
                let (name, secret) = (&token[..at], token[at..].trim_ascii_start());
                match self.attempt(io, client, name, secret) {
                    Attempt::In => STORED.to_vec(),
                    Attempt::Wrong => FAILURE.to_vec(),
                    Attempt::Refused(error) => error,
                    Attempt::Later => return false,
                }
            }
        };
        self.pools[client.pool].stats.answered_here.inc();
        self.give(io, client, &reply);
        true
    }

    fn attempt<I: Io>(&mut self, io: &mut I, client: &mut Client, name: &[u8], secret: &[u8]) -> Attempt {
        let pool = &self.pools[client.pool];
        let (gate, protocol) = (Arc::clone(&pool.gate), pool.config.protocol);
        let now = since_start(io.now());
        let from = client.session.from.map(|address| address.ip());
        let user = match std::mem::take(&mut client.session.pending) {
            // The book may have changed since.
            Pending::Answered(user) => user.and_then(|user| gate.book.user(user.name().as_bytes()).cloned()),
            Pending::Asked | Pending::None => {
                if self.guard.as_ref().is_some_and(|guard| !guard.may_try(from, name, now)) {
                    pool.stats.login_failures.inc();
                    return Attempt::Refused(refusal(protocol, TOO_OFTEN));
                }
                match gate.book.login(name, secret) {
                    Login::Granted(user) => Some(user),
                    Login::Denied => None,
                    Login::Slow(proof) => {
                        if !(self.verify)(SlowLogin { shard: self.shard, client: client.id, proof }) {
                            return Attempt::Refused(refusal(protocol, TOO_MANY));
                        }
                        client.session.pending = Pending::Asked;
                        client.session.paused = Some(Wait::Login);
                        io.pause(client.id);
                        return Attempt::Later;
                    }
                }
            }
        };
        match user {
            Some(user) if self.pools[client.pool].gate.enter(&mut client.session, &user) => Attempt::In,
            Some(_) => Attempt::Refused(too_many_clients(protocol).to_vec()),
            None => {
                self.login_failed(client.pool, from, name, now);
                Attempt::Wrong
            }
        }
    }

    #[cold]
    fn login_failed(&mut self, pool: PoolKey, from: Option<IpAddr>, name: &[u8], now: Duration) {
        let guard = self.guard.get_or_insert_with(|| LoginGuard::new(GuardLimits::default()));
        guard.failed(from, name, now);
        let pool = &self.pools[pool];
        pool.stats.login_failures.inc();
        if pool.gate.told.take(now) {
            // An unknown name may be a password typed in its place.
            let user = pool.gate.book.user(name).map(|user| user.name().to_owned());
            let address = from.map(|address| address.to_string());
            let pool = pool.config.name.clone();
            self.tell(Some(Notice::LoginFailed { pool, user, address }));
        }
    }

    /// Handles a verified login: resumes the client's request.
    pub(crate) fn verified<I: Io>(&mut self, io: &mut I, verified: Verified) {
        let Some(client) = self.client_mut(verified.client) else { return };
        if matches!(client.session.pending, Pending::Asked) {
            client.session.pending = Pending::Answered(verified.user);
        }
        self.resume_client(io, verified.client, Wait::Login);
    }

    /// Logs a client in as the user of its certificate, if there is one.
    pub(crate) fn certified<I: Io>(&mut self, io: &mut I, id: ConnId, info: &LayerInfo) {
        let Some(mut client) = self.take_client(id) else { return };
        let pool = &self.pools[client.pool];
        let gate = Arc::clone(&pool.gate);
        if gate.needs_login
            && info.client_certificate
            && let Some(user) = gate.book.certified(info.names.iter().map(String::as_str))
            && !gate.enter(&mut client.session, user)
        {
            let error = too_many_clients(pool.config.protocol);
            self.give(io, &mut client, error);
            client.session.leaving = true;
        }
        self.settle(io, client);
    }
}

fn refusal(protocol: Protocol, why: &str) -> Vec<u8> {
    match protocol {
        Protocol::Redis => format!("-ERR {why}\r\n").into_bytes(),
        Protocol::Memcache => format!("SERVER_ERROR {why}\r\n").into_bytes(),
    }
}
