//! Logins over HTTP: `Authorization: Basic` with name and password, or `Bearer` with a password used as a
//! token.
//!
//! ```text
//! request ▸ credentials ▸ failed too often? ▸ book ─┬▸ user ▸ limits on connections, requests ▸ its right
//!                                                   ├▸ slow (argon2) ▸ a blocking thread ▸ user
//!                                                   └▸ 401, counted, in the log once a second at most
//! ```
//! A request without credentials is of the user that the connection's certificate names, if there is one.
//! One desk serves all APIs and listeners of a process that share it. Topics are open unless some user may
//! publish or consume; operator functions are open unless some user has any of these rights. Addresses with
//! too many failed logins are ignored for a while ([`access::LoginGuard`]); passwords and unknown names
//! appear nowhere.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use access::{AdminRole, Book, GuardLimits, Login, LoginGuard, Meter, Proof, Rate, User};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use telemetry::warn;
use tokio::sync::Semaphore;

use crate::answer::HttpRefusal;
use crate::base64;
use crate::caller::Caller;

/// Rate of failed logins in the log: one per second.
const FAILURES_LOGGED: Rate = Rate { count: 1, per: Duration::from_secs(1), burst: 1 };
/// Most passwords waiting for slow verification; one is verified at a time.
const SLOW_MAX: usize = 64;
/// Longest credentials accepted.
const CREDENTIALS_BYTES_MAX: usize = 4096;

/// Right required by a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// None: open to everyone.
    Anybody,
    /// `admin = "view"`.
    View,
    /// `admin = "operate"`.
    Operate,
    /// A right to the topic named in the request; the handler checks it.
    Topic,
}

impl Right {
    /// True if a user has this right, except for the topic, which the handler checks.
    pub fn is_of(self, user: &User) -> bool {
        match self {
            Right::Anybody | Right::Topic => true,
            Right::View => user.admin() >= AdminRole::View,
            Right::Operate => user.admin() >= AdminRole::Operate,
        }
    }
}

/// Time since an origin shared by all meters of the process.
pub type Uptime = fn() -> Duration;

/// Receiver of failed logins: where (`HTTP`, `queue`), the name of the user, empty if there is none of that
/// name, and the address. It must not wait: shards call it.
pub type FailureReport = Box<dyn Fn(&str, &str, &str) + Send + Sync>;

/// The desk at which clients of HTTP log in.
pub struct LoginDesk {
    users: RwLock<Users>,
    guard: Mutex<LoginGuard>,
    failures: AtomicU64,
    told: Meter,
    waiting: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    uptime: Uptime,
    report: OnceLock<FailureReport>,
}

struct Users {
    book: Book,
    /// Some users may publish or consume.
    for_topics: bool,
    /// Some users have operator rights.
    for_operators: bool,
}

/// The reason a login failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denial {
    /// No credentials.
    Missing,
    /// Wrong credentials.
    Wrong,
    /// Too many failures before.
    TooOften,
    /// Too many passwords are being verified.
    Busy,
    /// The user has exceeded the request limit.
    Requests,
    /// The user has as many connections as it may.
    Connections,
}

impl LoginDesk {
    /// A desk for these users, with `uptime` as its clock.
    pub fn new(book: Book, uptime: Uptime) -> LoginDesk {
        LoginDesk {
            users: RwLock::new(Users::new(book)),
            guard: Mutex::new(LoginGuard::new(GuardLimits::default())),
            failures: AtomicU64::new(0),
            told: Meter::new(FAILURES_LOGGED),
            waiting: Arc::new(Semaphore::new(SLOW_MAX)),
            turn: Arc::new(Semaphore::new(1)),
            uptime,
            report: OnceLock::new(),
        }
    }

    /// Replaces the users.
    pub fn set_book(&self, book: Book) {
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = Users::new(book);
    }

    /// True if a request with this right requires a login.
    pub fn is_needed(&self, right: Right) -> bool {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        match right {
            Right::Anybody => false,
            Right::Topic => users.for_topics,
            Right::View | Right::Operate => users.for_topics || users.for_operators,
        }
    }

    /// True if some user has operator rights.
    pub fn has_operators(&self) -> bool {
        self.users.read().unwrap_or_else(PoisonError::into_inner).for_operators
    }

    /// Number of failed logins so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The logged-in user, who has the required right; `None` if no login is needed.
    ///
    /// # Errors
    /// 401 without a login, 403 without the right, 429 after too many failures or at a limit of the user, 503
    /// if too many passwords are being verified.
    pub async fn permit(
        &self,
        right: Right,
        headers: &HeaderMap,
        caller: &Caller,
    ) -> Result<Option<Arc<User>>, HttpRefusal> {
        if !self.is_needed(right) {
            return Ok(None);
        }
        let user = self.log_in(headers, caller).await.and_then(|user| self.count(user, caller));
        let user = user.map_err(refusal)?;
        if right.is_of(&user) { Ok(Some(user)) } else { Err(forbidden()) }
    }

    /// The user, unless it is at one of its limits.
    fn count(&self, user: Arc<User>, caller: &Caller) -> Result<Arc<User>, Denial> {
        match () {
            () if !caller.counts_for(&user) => Err(Denial::Connections),
            () if user.requests().is_some_and(|meter| !meter.take((self.uptime)())) => Err(Denial::Requests),
            () => Ok(user),
        }
    }

    async fn log_in(&self, headers: &HeaderMap, caller: &Caller) -> Result<Arc<User>, Denial> {
        let from = caller.ip;
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
            let user = users.book.certified(caller.names.iter().map(String::as_str));
            return user.cloned().ok_or(Denial::Missing);
        };
        if values.next().is_some() || value.len() > CREDENTIALS_BYTES_MAX {
            return Err(Denial::Missing);
        }
        let credentials = Credentials::read(value.as_bytes()).ok_or(Denial::Missing)?;
        let now = (self.uptime)();
        if !self.guard().may_try(from, credentials.name(), now) {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return Err(Denial::TooOften);
        }
        let user = match self.look_up(&credentials) {
            Login::Granted(user) => Some(user),
            Login::Denied => None,
            Login::Slow(proof) => self.verify(proof).await?,
        };
        user.ok_or_else(|| {
            self.failed(&credentials, from, now);
            Denial::Wrong
        })
    }

    fn look_up(&self, credentials: &Credentials) -> Login {
        let book = self.users.read().unwrap_or_else(PoisonError::into_inner).book.clone();
        match credentials {
            Credentials::Basic { name, secret } => book.login(name, secret),
            Credentials::Bearer(secret) => match book.bearer(secret) {
                Some(user) => Login::Granted(Arc::clone(user)),
                None => Login::Denied,
            },
        }
    }

    /// Verifies a slow password on a blocking thread, one at a time.
    async fn verify(&self, proof: Proof) -> Result<Option<Arc<User>>, Denial> {
        let _place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Denial::Busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| Denial::Busy)?;
        let verified = tokio::task::spawn_blocking(move || {
            let user = proof.verify();
            drop(turn);
            user
        });
        Ok(verified.await.unwrap_or_default())
    }

    #[cold]
    fn failed(&self, credentials: &Credentials, from: Option<IpAddr>, now: Duration) {
        self.guard().failed(from, credentials.name(), now);
        let count = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.told.take(now) {
            return;
        }
        // An unknown name may be a password typed in the wrong place.
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let user = users.book.user(credentials.name()).map_or("", |user| user.name()).to_owned();
        let address = from.map_or_else(|| "unix socket".to_owned(), |address| address.to_string());
        warn!(user, address, count, "login over HTTP failed");
        self.report_failure("HTTP", &user, &address);
    }

    /// Sets the receiver of failed logins, once.
    pub fn report_failures_to(&self, report: FailureReport) {
        let _ = self.report.set(report);
    }

    /// Reports a failed login of a part of the process that has logins of its own.
    pub fn report_failure(&self, place: &str, user: &str, address: &str) {
        if let Some(report) = self.report.get() {
            report(place, user, address);
        }
    }

    fn guard(&self) -> std::sync::MutexGuard<'_, LoginGuard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LoginDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LoginDesk {{ {} users }}",
            self.users.read().unwrap_or_else(PoisonError::into_inner).book.users().len()
        )
    }
}

impl Users {
    fn new(book: Book) -> Users {
        let for_topics = book.users().any(|user| user.uses_queue());
        let for_operators = book.users().any(|user| user.admin() > AdminRole::None);
        Users { book, for_topics, for_operators }
    }
}

/// Credentials of a request.
enum Credentials {
    Basic { name: Vec<u8>, secret: Vec<u8> },
    Bearer(Vec<u8>),
}

impl Credentials {
    /// Parses an `Authorization` value; `None` if it has another scheme or is malformed.
    fn read(value: &[u8]) -> Option<Credentials> {
        let at = value.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = (&value[..at], value[at..].trim_ascii());
        if scheme.eq_ignore_ascii_case(b"bearer") && !rest.is_empty() {
            return Some(Credentials::Bearer(rest.to_vec()));
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let text = base64::decode(std::str::from_utf8(rest).ok()?)?;
        let colon = text.iter().position(|byte| *byte == b':')?;
        Some(Credentials::Basic { name: text[..colon].to_vec(), secret: text[colon + 1..].to_vec() })
    }

    /// The name used; empty for a token.
    fn name(&self) -> &[u8] {
        match self {
            Credentials::Basic { name, .. } => name,
            Credentials::Bearer(_) => b"",
        }
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        let (Credentials::Basic { secret, .. } | Credentials::Bearer(secret)) = self;
        secret.fill(0);
        std::hint::black_box(&secret);
    }
}

/// Marks the credentials among a request's headers as secret, so that nothing shows them.
pub fn conceal(headers: &mut HeaderMap) {
    for (name, value) in headers.iter_mut() {
        value.set_sensitive(*name == AUTHORIZATION);
    }
}

/// 403: the user is known but lacks the right.
pub fn forbidden() -> HttpRefusal {
    HttpRefusal::new(StatusCode::FORBIDDEN, "FORBIDDEN").help("the user has no right to this")
}

fn refusal(denial: Denial) -> HttpRefusal {
    let unauthorized = HttpRefusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED").challenging();
    let too_many = |message| HttpRefusal::new(StatusCode::TOO_MANY_REQUESTS, message);
    match denial {
        Denial::Missing => unauthorized.help("log in as a user: Authorization: Basic or Bearer"),
        Denial::Wrong => unauthorized.help("wrong name or password"),
        Denial::TooOften => too_many("TOO_MANY_FAILED_LOGINS")
            .help("too many failed logins from this address, try again later"),
        Denial::Busy => HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, "BUSY")
            .help("too many logins are being verified, try again later"),
        Denial::Requests => too_many("TOO_MANY_REQUESTS").help("limit_requests of the user is reached"),
        Denial::Connections => {
            too_many("TOO_MANY_CONNECTIONS").help("limit_connections of the user is reached")
        }
    }
}

#[cfg(test)]
mod tests;
