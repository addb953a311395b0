//! A user as configured, and its faults.

use std::fmt;

use crate::digest::{Digest, SECRET_BYTES_MAX};
use crate::rate::Rate;

/// Most users of one configuration.
pub const USERS_MAX: usize = 10_000;
/// Bytes of the longest name.
pub const NAME_BYTES_MAX: usize = 64;
/// Most entries of each list of a user.
pub const ENTRIES_MAX: usize = 1000;

/// A `[user.NAME]` section.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserSpec {
    /// Its name.
    pub name: String,
    /// Its passwords; any of them is accepted.
    pub passwords: Vec<PasswordSpec>,
    /// Globs of names in a client's certificate; any match is accepted.
    pub certificates: Vec<String>,
    /// Names of the pools in which it may log in.
    pub pools: Vec<String>,
    /// Patterns of keys: see [`crate::KeyRules`].
    pub keys: Vec<String>,
    /// Rules of commands: see [`crate::CommandRules`].
    pub commands: Vec<String>,
    /// Globs of channels of Redis' publish and subscribe.
    pub channels: Vec<String>,
    /// Globs of topics.
    pub publish: Vec<String>,
    /// Globs `topic:channel`.
    pub consume: Vec<String>,
    /// Its rights at the admin port.
    pub admin: AdminRole,
    /// Limit on its request rate, over all connections.
    pub limit_requests: Option<Rate>,
    /// Limit on its connections at a time.
    pub limit_connections: Option<u32>,
}

impl UserSpec {
    /// Its lists, each with the option's name.
    pub(crate) fn lists(&self) -> [(&'static str, &[String]); 7] {
        [
            ("certificate", &self.certificates),
            ("pools", &self.pools),
            ("keys", &self.keys),
            ("commands", &self.commands),
            ("channels", &self.channels),
            ("publish", &self.publish),
            ("consume", &self.consume),
        ]
    }
}

/// A configured password. Its `Debug` shows only the kind.
#[derive(Clone, PartialEq)]
pub enum PasswordSpec {
    /// SHA-256 in lower-case hex, as Redis' `#…`.
    Sha256(String),
    /// `$argon2id$…`
    Argon2(String),
    /// A plain password from a file, of which only the digest is kept.
    Plain(Digest),
}

impl PasswordSpec {
    /// Makes the spec of a plain password; fails if its length is invalid.
    pub fn plain(secret: &[u8]) -> Result<PasswordSpec, &'static str> {
        match secret.len() {
            0 => Err("is empty"),
            1..=SECRET_BYTES_MAX => Ok(PasswordSpec::Plain(Digest::of(secret))),
            _ => Err("is longer than 1024 bytes"),
        }
    }

    /// The option that sets it.
    pub fn option(&self) -> &'static str {
        match self {
            PasswordSpec::Sha256(_) => "password_sha256",
            PasswordSpec::Argon2(_) => "password_argon2",
            PasswordSpec::Plain(_) => "password_file",
        }
    }
}

impl fmt::Debug for PasswordSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(…)", self.option())
    }
}

/// Rights at the admin port; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum AdminRole {
    /// None.
    #[default]
    None,
    /// Read-only access.
    View,
    /// Read access and actions.
    Operate,
}

impl AdminRole {
    /// Parses `none`, `view` or `operate`.
    pub fn parse(text: &str) -> Option<AdminRole> {
        match text {
            "none" => Some(AdminRole::None),
            "view" => Some(AdminRole::View),
            "operate" => Some(AdminRole::Operate),
            _ => None,
        }
    }
}

/// A fault of a user, and its remedy. It shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Name of the user.
    pub user: String,
    /// The option; empty if the name itself is at fault.
    pub option: &'static str,
    /// The rest of the message.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.escape_default();
        match self.option {
            "" => write!(f, "user \"{user}\": {}", self.why),
            option => write!(f, "user \"{user}\": {option}: {}", self.why),
        }
    }
}

impl std::error::Error for Fault {}
