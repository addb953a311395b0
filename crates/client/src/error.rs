//! Errors; those of publications say whether the message may have been accepted.

use std::fmt;

use crate::config::ConfigError;

/// The reason a consumer or a producer cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// An invalid setting.
    Config(ConfigError),
    /// An invalid topic name.
    Topic(String),
    /// An invalid channel name.
    Channel(String),
    /// A consumer without an address of an nsqd or a lookupd.
    NoAddress,
    /// A consumer without heartbeats, which servers do not let subscribe.
    NoHeartbeats,
    /// Not an address: `HOST:PORT`, or the path of a unix socket; for lookupds `HOST:PORT` or a URL.
    Address(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(error) => error.fmt(f),
            StartError::Topic(name) => write!(f, "invalid topic name {name:?}: {NAME_RULE}"),
            StartError::Channel(name) => write!(f, "invalid channel name {name:?}: {NAME_RULE}"),
            StartError::NoAddress => f.write_str("no address: name an nsqd or an nsqlookupd"),
            StartError::NoHeartbeats => {
                f.write_str("a consumer needs heartbeats: heartbeat_interval cannot be negative")
            }
            StartError::Address(address) => write!(f, "invalid address {address:?}: use HOST:PORT"),
        }
    }
}

const NAME_RULE: &str =
    "1 to 64 letters, digits, '.', '_' and '-', with #ephemeral at the end if it shall not last";

impl std::error::Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> StartError {
        StartError::Config(error)
    }
}

/// The reason a publication got no OK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// It was never sent: an invalid name, an empty body, no connection in time. Nothing was accepted.
    NotSent(String),
    /// The server refused it, in its words (`E_BAD_TOPIC …`). Nothing was accepted.
    Refused(String),
    /// The server could not store it, in its words (`E_PUB_FAILED …`). A part may have been stored.
    Failed(String),
    /// It was sent, and then the connection was lost or no answer came in time: the message may have been
    /// accepted, and sending it again may duplicate it.
    Unanswered(String),
}

impl PublishError {
    /// True if the message may have been accepted despite the error, so that a retry may duplicate it.
    pub fn may_have_been_accepted(&self) -> bool {
        matches!(self, PublishError::Failed(_) | PublishError::Unanswered(_))
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::NotSent(why) => write!(f, "not sent: {why}"),
            PublishError::Refused(why) => write!(f, "refused: {why}"),
            PublishError::Failed(why) => write!(f, "failed, it may have been accepted: {why}"),
            PublishError::Unanswered(why) => write!(f, "no answer, it may have been accepted: {why}"),
        }
    }
}

impl std::error::Error for PublishError {}
