//! External services the queue depends on: authorization, and listeners to the coming and going of topics and
//! channels.

use access::Proof;

use crate::authority::AuthQuery;

/// A change to the set of topics and channels that are here, whatever made it: all notices since the process
/// started, or since the last [`Notice::All`], add up to that set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A topic is here: created, restored or imported.
    TopicAdded(String),
    /// A topic is gone, with all its channels.
    TopicRemoved(String),
    /// A channel is here: topic, channel.
    ChannelAdded(String, String),
    /// A channel is gone: topic, channel.
    ChannelRemoved(String, String),
    /// All topics that are here, with their channels. Notices before it no longer count.
    All(Vec<(String, Vec<String>)>),
}

/// Names a connection in a question whose answer comes by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub net::ConnId);

/// The world. No call blocks, and what is under way is limited.
pub trait Outside: Send {
    /// Asks what a client may do; [`crate::Mail::Auth`] follows. False if too many questions are under way.
    fn ask_authority(&mut self, asker: Asker, query: AuthQuery) -> bool;
    /// Verifies a password that takes long; [`crate::Mail::Login`] follows. False if too many are under way.
    fn verify(&mut self, asker: Asker, proof: Proof) -> bool;
    /// Tells whoever registers topics and channels elsewhere. False if too much is under way: [`Notice::All`]
    /// has to follow.
    fn notice(&mut self, notice: Notice) -> bool;
    /// Asks which channels others know of a topic that is new here; [`crate::Mail::KnownChannels`] follows.
    /// False if there is nobody to ask, or too much is under way: then the topic hands its messages out at
    /// once.
    fn ask_channels(&mut self, topic: &str) -> bool;
}

/// Nobody: AUTH fails, and notices are not heard.
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
