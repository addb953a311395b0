//! One client of the V2 protocol.
//!
//! Answers are sent in the order of the commands, although some are known at once (an error, `CLOSE_WAIT`)
//! and others only when a write has reached its durability (the OK of a PUB). So a connection keeps a line of
//! [owed](Owed) answers, where each waits for those before it. Messages and heartbeats are outside that
//! order.

mod owed;

use std::net::IpAddr;
use std::sync::Arc;

use access::{Connected, User};
use net::{ConnId, Instant, LayerInfo, Peer, TimerId};
use wire::nsq::auth::Secret;
use wire::nsq::identify::{Settings, Upgrades};
use wire::nsq::{ClientState, Gate, Limits, Scanner};

use crate::authority::Grant;
use crate::consumers::ConsumerKey;
use crate::registry::TopicKey;
use crate::topic::ChannelKey;
use crate::work_list::Mark;

pub use owed::{Owed, OwedLine};

/// Subscription of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// The topic.
    pub topic: TopicKey,
    /// The channel.
    pub channel: ChannelKey,
    /// The connection, as a consumer of the channel.
    pub consumer: ConsumerKey,
}

/// Event a connection waits for before its next command is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holdup {
    /// The TLS handshake, whose deadline the event loop keeps. Compression follows it.
    Handshake(Upgrades),
    /// The authority's answer to AUTH, to be passed to the client.
    Auth,
    /// The authority's answer to the renewal of an expired grant.
    Renewal,
    /// Too many answers are owed to it; it goes on when some were sent.
    Owed,
    /// The verification of its password.
    Login,
    /// Room under its user's limit on requests.
    Limit,
    /// The creation of a channel on the engine.
    Engine,
}

/// A client's identity, as given in IDENTIFY.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Name of the client; default its address.
    pub client_id: String,
    /// Host of the client; default its address.
    pub hostname: String,
    /// Software of the client.
    pub user_agent: String,
    /// Topology region.
    pub topology_region: String,
    /// Topology zone.
    pub topology_zone: String,
}

/// Rights of a client.
#[derive(Debug)]
pub struct Authorization {
    /// The body of AUTH, for renewals.
    pub secret: Secret,
    /// The rights granted.
    pub grant: Box<dyn Grant>,
    /// Time at which they must be renewed.
    pub expires: Instant,
}

/// A client's user.
#[derive(Debug)]
pub struct UserLogin {
    /// Its rights and limits.
    pub user: Arc<User>,
    /// The client is identified by its certificate.
    pub by_certificate: bool,
    /// Counts the connection as one of the user's.
    pub connected: Connected,
}

/// Topic that a client last published to: a producer has few, and its next publication finds the topic, its
/// right to it and its count here.
#[derive(Debug, Default)]
pub struct LastTopic {
    name: String,
    /// Its key; stale once the topic is deleted.
    pub key: Option<TopicKey>,
    /// The client's user may publish to it, and has no limit on requests.
    pub is_granted: bool,
    /// Its place in [`Connection::published`].
    counted_at: Option<usize>,
}

impl LastTopic {
    /// Sets the topic; of another one than before nothing is known yet.
    #[inline]
    pub fn set(&mut self, name: &str) {
        if self.name != name {
            self.replace(name);
        }
    }

    #[cold]
    fn replace(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        (self.key, self.is_granted, self.counted_at) = (None, false, None);
    }
}

/// A client.
#[derive(Debug)]
pub struct Connection {
    /// Its id in the loop.
    pub id: ConnId,
    /// Its peer.
    pub peer: Peer,
    /// True once the protocol magic has arrived.
    pub greeted: bool,
    /// The stream of commands.
    pub scanner: Scanner,
    /// Its state.
    pub state: ClientState,
    /// Its identity, as given in IDENTIFY.
    pub identity: Identity,
    /// Limits on its commands.
    pub limits: Limits,
    /// Settings agreed with IDENTIFY.
    pub settings: Settings,
    /// Active layers.
    pub upgrades: Upgrades,
    /// Its TLS.
    pub tls: Option<LayerInfo>,
    /// Its rights, once it sent AUTH.
    pub authorization: Option<Authorization>,
    /// Its user, where rights come from the configured users.
    pub login: Option<UserLogin>,
    /// The secret of a pending AUTH or renewal.
    pub pending_secret: Secret,
    /// Event it waits for.
    pub holdup: Option<Holdup>,
    /// The topic of an MPUB that was held up at the check of its rights.
    pub batch_topic: Option<String>,
    /// Its subscription.
    pub subscription: Option<Subscription>,
    /// Its subscription before its topic was moved, through which it still holds messages.
    pub former: Option<Subscription>,
    /// Answers that are outstanding.
    pub owed: OwedLine,
    /// Messages published, by topic.
    pub published: Vec<(String, u64)>,
    /// Topic it last published to.
    pub last_topic: LastTopic,
    /// Messages delivered, finished and requeued by a subscription that has ended (its channel was deleted).
    pub past: (u64, u64, u64),
    /// Time it connected (wall, seconds).
    pub connected_at: i64,
    /// Time it last finished a command.
    pub heard: Instant,
    /// The timer of its heartbeat, or of the magic's deadline.
    pub timer: Option<TimerId>,
    /// Output was waiting for the kernel at the last heartbeat.
    pub stalled: bool,
    /// Set while it is in the list of connections to be settled in this turn.
    pub listed: Mark,
}

impl Connection {
    /// A client that has just arrived.
    pub fn new(
        id: ConnId,
        peer: Peer,
        limits: Limits,
        settings: Settings,
        now: Instant,
        wall_seconds: i64,
    ) -> Connection {
        let host = host_of(peer);
        Connection {
            id,
            peer,
            greeted: false,
            scanner: Scanner::default(),
            state: ClientState::Init,
            identity: Identity { client_id: host.clone(), hostname: host, ..Identity::default() },
            limits,
            settings,
            upgrades: Upgrades { tls: false, snappy: false, deflate: false, deflate_level: 6 },
            tls: None,
            authorization: None,
            login: None,
            pending_secret: Secret::default(),
            holdup: None,
            batch_topic: None,
            subscription: None,
            former: None,
            owed: OwedLine::default(),
            published: Vec::new(),
            last_topic: LastTopic::default(),
            past: (0, 0, 0),
            connected_at: wall_seconds,
            heard: now,
            timer: None,
            stalled: false,
            listed: Mark::default(),
        }
    }

    /// Ends the login of its user.
    pub fn log_out(&mut self) {
        self.login = None;
        self.last_topic.is_granted = false;
    }

    /// Commands allowed in its present state.
    pub fn gate(&self, tls_required: bool) -> Gate {
        Gate {
            state: self.state,
            tls_missing: tls_required && self.tls.is_none(),
            heartbeats_off: self.settings.heartbeat_ms.is_none(),
        }
    }

    /// Counts messages published to [`Connection::last_topic`].
    #[inline]
    pub fn count_published(&mut self, count: u64) {
        let place = match self.last_topic.counted_at {
            Some(at) => Some(at),
            None => self.place_of_count(),
        };
        if let Some((_, total)) = place.and_then(|at| self.published.get_mut(at)) {
            *total += count;
        }
    }

    /// The place of the last topic's count; `None` if too many topics are counted.
    #[cold]
    fn place_of_count(&mut self) -> Option<usize> {
        let topic = &self.last_topic.name;
        let at = match self.published.iter().position(|(name, _)| name == topic) {
            Some(at) => at,
            None if self.published.len() < PUBLISHED_TOPICS_MAX => {
                self.published.push((topic.clone(), 0));
                self.published.len() - 1
            }
            None => return None,
        };
        self.last_topic.counted_at = Some(at);
        Some(at)
    }
}

/// Most topics counted per connection.
const PUBLISHED_TOPICS_MAX: usize = 1000;

/// A client's address; `None` on a unix socket.
pub fn ip_of(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip()),
        Peer::Unix => None,
    }
}

/// A client's address without its port; empty on a unix socket.
pub fn host_of(peer: Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.ip().to_string(),
        Peer::Unix => String::new(),
    }
}
