//! External services the queue depends on: authorization, and listeners to the coming and going of topics and channels.

use crate::authority::AuthQuery;

/// A change to the set of topics and channels that are here, whatever made it: all notices since the process started add up
/// to that set.
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
}

/// Names a connection in a question whose answer comes by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker(pub net::ConnId);

/// The world. No call blocks.
pub trait Outside: Send {
    /// Asks what a client may do; [`crate::Mail::Auth`] follows.
    fn ask_authority(&mut self, asker: Asker, query: AuthQuery);
    /// Tells whoever registers topics and channels elsewhere.
    fn notice(&mut self, notice: Notice);
    /// Asks which channels others know of a topic that is new here; [`crate::Mail::KnownChannels`] follows. False if there
    /// is nobody to ask: then the topic hands its messages out at once.
    fn ask_channels(&mut self, topic: &str) -> bool;
}

/// Nobody: AUTH fails, and notices are not heard.
#[derive(Debug, Default, Clone, Copy)]
pub struct Nobody;

impl Outside for Nobody {
    fn ask_authority(&mut self, _asker: Asker, _query: AuthQuery) {}
    fn notice(&mut self, _notice: Notice) {}
    fn ask_channels(&mut self, _topic: &str) -> bool {
        false
    }
}
