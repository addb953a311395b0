//! External services the queue depends on: authorization, and registries of topics and channels.

use access::Proof;

use crate::authority::AuthQuery;

/// A change to the set of topics and channels, whatever its cause: all notices since the process started, or
/// since the last [`Notice::All`], add up to that set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A topic was created, restored or imported.
    TopicAdded(String),
    /// A topic was removed, with all its channels.
    TopicRemoved(String),
    /// A channel was added: topic, channel.
    ChannelAdded(String, String),
    /// A channel was removed: topic, channel.
    ChannelRemoved(String, String),
    /// All topics, with their channels. Supersedes earlier notices.
    All(Vec<(String, Vec<String>)>),
}

/// Names a connection in a request whose answer comes by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub net::ConnId);

/// The external services. No call blocks, and pending requests are limited.
pub trait Outside: Send {
    /// Requests a client's rights; [`crate::Mail::Auth`] follows. False if too many requests are pending.
    fn ask_authority(&mut self, asker: Asker, query: AuthQuery) -> bool;
    /// Verifies a password with a slow hash; [`crate::Mail::Login`] follows. False if too many are pending.
    fn verify(&mut self, asker: Asker, proof: Proof) -> bool;
    /// Passes a notice to the registries. False if too many are pending: [`Notice::All`] has to follow.
    fn notice(&mut self, notice: Notice) -> bool;
    /// Asks the registries for the channels of a new topic; [`crate::Mail::KnownChannels`] follows. False if
    /// there are none, or too many requests are pending: the topic then delivers at once.
    fn ask_channels(&mut self, topic: &str) -> bool;
    /// Reports a failed login, once a second at most: the name of the user, empty if there is none of that
    /// name, and the address.
    fn login_failed(&mut self, user: &str, address: &str) {
        let _ = (user, address);
    }
}

/// No services: AUTH fails, and notices are dropped.
#[derive(Debug, Default, Clone, Copy)]
pub struct Nobody;

impl Outside for Nobody {
    fn ask_authority(&mut self, _asker: Asker, _query: AuthQuery) -> bool {
        true
    }
    fn verify(&mut self, _asker: Asker, _proof: Proof) -> bool {
        false
    }
    fn notice(&mut self, _notice: Notice) -> bool {
        true
    }
    fn ask_channels(&mut self, _topic: &str) -> bool {
        false
    }
}
