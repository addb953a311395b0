//! AUTH with rights from the configured users instead of an authorization server.
//!
//! ```text
//! AUTH user:password, or a token ▸ failed too often? ▸ book ─┬▸ user ▸ limit on its connections ▸ identity
//!                                                            ├▸ slow (argon2) ▸ another thread ▸ mail ▸ user
//!                                                            └▸ E_AUTH_FAILED, counted, in the log once a second at most
//! ```
//! A certificate signed by a trusted authority logs in without AUTH. A client at its limit on requests is not
//! refused, because every error of PUB closes the connection: it is paused until there is room.

use std::sync::Arc;
use std::time::Duration;

use access::{GuardLimits, Login, LoginGuard, User};
use config::checked::ClientAuth;
use net::{ConnId, Instant, Io};
use wire::nsq::{Refusal, Verb};

use super::Flow;
use super::auth::Rights;
use crate::authority::Access;
use crate::connection::{Connection, Holdup, UserLogin, ip_of};
use crate::outside::Asker;
use crate::queue::Queue;

impl Queue {
    /// Logs a client in by `user:password`, or by a password that is a token.
    pub(super) fn log_in<I: Io>(&mut self, io: &mut I, client: &mut Connection, secret: &[u8]) -> Flow {
        let (name, password) = match secret.iter().position(|byte| *byte == b':') {
            Some(at) => (&secret[..at], Some(&secret[at + 1..])),
            None => (&b""[..], None),
        };
        let (from, now) = (ip_of(client.peer), uptime(self.clock().now));
        if self.logins.guard.as_ref().is_some_and(|guard| !guard.may_try(from, name, now)) {
            self.logins.failures += 1;
            return self.fail(io, client, &Refusal::AuthFailed);
        }
        let users = &self.options().users;
        let login = match password {
            Some(password) => users.login(name, password),
            None => users.bearer(secret).map_or(Login::Denied, |user| Login::Granted(Arc::clone(user))),
        };
        match login {
            Login::Granted(user) => match Self::enter(client, &user, false) {
                Ok(()) => {
                    self.tell_user(io, client);
                    Flow::Next
                }
                Err(refusal) => self.fail(io, client, &refusal),
            },
            Login::Denied => {
                self.login_failed(client, name);
                self.fail(io, client, &Refusal::AuthFailed)
            }
            Login::Slow(proof) => {
                if !self.outside().verify(Asker(client.id), proof) {
                    telemetry::warn!(peer = %client.peer, "login refused: too many passwords are being verified");
                    return self.fail(io, client, &Refusal::AuthFailed);
                }
                // Only the name: a failure is counted against it.
                client.pending_secret = name.to_vec().into();
                client.holdup = Some(Holdup::Login);
                Flow::Hold
            }
        }
    }

    /// Handles the result of a password verification.
    pub(crate) fn login_verified<I: Io>(&mut self, io: &mut I, conn: ConnId, user: Option<Arc<User>>) {
        let Some(mut client) = self.take_client(conn) else { return };
        if client.holdup != Some(Holdup::Login) {
            return self.put_client(client);
        }
        client.holdup = None;
        let name = std::mem::take(&mut client.pending_secret);
        // A reload may have changed the users.
        let user = user.and_then(|user| self.options().users.user(user.name().as_bytes()).cloned());
        let entered = match user {
            Some(user) => Self::enter(&mut client, &user, false),
            None => {
                self.login_failed(&client, name.bytes());
                Err(Refusal::AuthFailed)
            }
        };
        match entered {
            Ok(()) => self.tell_user(io, &mut client),
            Err(refusal) => {
                self.refuse(io, &mut client, &refusal);
                Self::close_after_owed(io, &mut client);
            }
        }
        self.go_on(io, client);
    }

    /// Logs a client in as the user of its verified certificate, if there is one.
    pub(crate) fn log_in_by_certificate(&mut self, client: &mut Connection) {
        let is_verified =
            self.settings().tls.as_ref().is_some_and(|tls| tls.client_auth == ClientAuth::RequireVerify);
        let Some(tls) = client.tls.as_ref().filter(|tls| is_verified && tls.client_certificate) else {
            return;
        };
        let user = self.options().users.certified(tls.names.iter().map(String::as_str)).cloned();
        if let Some(user) = user {
            // At its user's connection limit it is not logged in, and its next command is refused.
            let _ = Self::enter(client, &user, true);
        }
    }

    fn enter(
        client: &mut Connection,
        user: &Arc<User>,
        by_certificate: bool,
    ) -> Result<(), Refusal<'static>> {
        if !user.uses_queue() {
            return Err(Refusal::AuthNothing);
        }
        client.log_out();
        let Some(connected) = user.connect() else {
            telemetry::warn!(user = user.name(), peer = %client.peer, "login refused: limit_connections");
            return Err(Refusal::AuthFailed);
        };
        client.login = Some(UserLogin { user: Arc::clone(user), by_certificate, connected });
        Ok(())
    }

    fn tell_user<I: Io>(&mut self, io: &mut I, client: &mut Connection) {
        let Some(login) = &client.login else { return };
        let name = serde_json::to_string(login.user.name()).unwrap_or_default();
        let count = login.user.queue_rules();
        let answer = format!("{{\"identity\":{name},\"identity_url\":\"\",\"permission_count\":{count}}}");
        self.reply(io, client, answer.as_bytes());
    }

    #[cold]
    fn login_failed(&mut self, client: &Connection, name: &[u8]) {
        let (from, now) = (ip_of(client.peer), uptime(self.clock().now));
        let guard = self.logins.guard.get_or_insert_with(|| LoginGuard::new(GuardLimits::default()));
        guard.failed(from, name, now);
        self.logins.failures += 1;
        if !self.logins.told.take(now) {
            return;
        }
        // A name that is no user's may be a password typed in its place: it is not logged.
        let user = self.options().users.user(name).map_or("", |user| user.name()).to_owned();
        let address = from.map_or_else(|| "unix socket".to_owned(), |address| address.to_string());
        telemetry::warn!(user, address, count = self.logins.failures, "login to the queue failed");
        self.outside().login_failed(&user, &address);
    }

    /// Checks the rights of a client's user, then its limit on requests. What is granted for the client's
    /// last topic is remembered there, unless its requests are to be counted.
    #[inline(never)]
    pub(super) fn check_user<'a, I: Io>(
        &mut self,
        io: &mut I,
        client: &mut Connection,
        verb: Verb,
        access: Access,
        topic: &'a str,
        channel: &'a str,
    ) -> Rights<'a> {
        let Some(login) = &client.login else { return Rights::Refused(Refusal::AuthFirst(verb)) };
        if !may(&login.user, access, topic, channel) {
            return Rights::Refused(Refusal::Unauthorized(verb, topic, channel));
        }
        let now = self.clock().now;
        match login.user.requests() {
            Some(meter) if !meter.take(uptime(now)) => {
                let pause = meter.wait(uptime(now)).max(PAUSE_MIN);
                client.holdup = Some(Holdup::Limit);
                Self::wake_client(io, client.id, now + pause);
                Rights::Wait
            }
            Some(_) => Rights::Granted,
            None => {
                client.last_topic.is_granted = access == Access::Publish;
                Rights::Granted
            }
        }
    }
}

/// Shortest pause of a client at its limit on requests.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// True if a user may do this.
pub(crate) fn may(user: &User, access: Access, topic: &str, channel: &str) -> bool {
    match access {
        Access::Publish => user.may_publish(topic.as_bytes()),
        Access::Subscribe => user.may_consume(topic.as_bytes(), channel.as_bytes()),
    }
}

/// Time since a moment shared by all meters of the process.
fn uptime(now: Instant) -> Duration {
    now.since(Instant::default())
}
