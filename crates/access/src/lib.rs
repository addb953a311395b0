//! Users: their logins and their rights. Pure: no socket, no clock, no log.
//!
//! ```text
//! [user.NAME] ▸ UserSpec ▸ Book::build ▸ Book ─┬─ login(name, secret) ▸ Granted(user) | Denied | Slow(proof)
//!                     (or all its faults)      ├─ bearer(secret), certified(names of a certificate)
//!                                              └─ part(of the users): those of a pool, of the queue, of the admin port
//! User ─┬─ verdict(command, arguments) ▸ Allowed | the reason, in Redis' words
//!       ├─ may_publish(topic), may_consume(topic, channel), admin()
//!       └─ requests: a Meter, connections: a Gauge, both shared by all shards
//! LoginGuard: failed logins per address, in bounded memory
//! ```
//! Rules of commands and keys are those of Redis' `ACL SETUSER`, and tests compare them with a redis-server.
//! Only scripts are treated more strictly: see [`CommandRules`]. A verdict allocates nothing. Secrets are
//! held as digests, compared in constant time, and shown by no `Debug`.
//!
//! Argon2 is slow on purpose: run [`Proof::verify`] on a thread that may block, never on a shard. A verified
//! secret is remembered by its digest, so that the user's next login is quick.

#![forbid(unsafe_code)]

mod book;
mod command_rules;
mod digest;
pub mod fuzzing;
mod glob;
mod guard;
mod key_rules;
mod meter;
mod one_key;
mod password;
mod rate;
mod spec;
mod topics;
mod user;
mod verdict;

pub use book::{Book, Login, Proof};
pub use command_rules::CommandRules;
pub use digest::{Digest, SECRET_BYTES_MAX};
pub use glob::{GLOB_BYTES_MAX, Glob};
pub use guard::{GuardLimits, LoginGuard};
pub use key_rules::KeyRules;
pub use meter::{Connected, Gauge, Meter};
pub use rate::Rate;
pub use spec::{AdminRole, ENTRIES_MAX, Fault, PasswordSpec, USERS_MAX, UserSpec};
pub use topics::{ConsumeRules, PublishRules};
pub use user::User;
pub use verdict::Verdict;
