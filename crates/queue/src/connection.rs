//! One client of the V2 protocol.
//!
//! Answers leave in the order of the commands, although some are known at once (an error, `CLOSE_WAIT`) and
//! others only when a write has reached its durability (the OK of a PUB). So a connection has a line of what
//! it is [owed](Owed): an answer behind an outstanding one waits. Messages and heartbeats are not part of
//! that order and pass by.

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
    /// Itself, in the channel.
    pub consumer: ConsumerKey,
}

/// Event a connection waits for before its next command is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holdup {
    /// The handshake of TLS, whose deadline is the event loop's. Compression follows it.
    Handshake(Upgrades),
    /// The authority's answer to AUTH, which the client is to be told.
    Auth,
    /// The authority's answer to a query made because the grant has expired.
    Renewal,
    /// Too much is owed to it; it goes on when something was paid.
    Owed,
    /// The verification of its password.
    Login,
    /// Room under its user's limit on requests.
    Limit,
}

/// A client's identity by its own word.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// Name of the client; its address if it never said.
    pub client_id: String,
    /// Host of the client; its address if it never said.
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
    /// The body of AUTH, for asking again.
    pub secret: Secret,
    /// The rules.
    pub grant: Box<dyn Grant>,
    /// Time at which they have to be asked for again.
    pub expires: Instant,
}

/// A client's user.
#[derive(Debug)]
pub struct UserLogin {
    /// Its rights and limits.
    pub user: Arc<User>,
    /// The client shows by its certificate who it is.
    pub by_certificate: bool,
    /// Counts the connection as one of the user's.
    pub connected: Connected,
    /// Topic that it has published to last: a producer has few.
    pub granted: String,
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
    /// Its identity by its own word.
    pub identity: Identity,
    /// Limits on its commands.
    pub limits: Limits,
    /// Settings agreed with IDENTIFY.
    pub settings: Settings,
    /// Layers that stand.
    pub upgrades: Upgrades,
    /// Its TLS.
    pub tls: Option<LayerInfo>,
    /// Its rights, once it sent AUTH.
    pub authorization: Option<Authorization>,
    /// Its user, where users say what clients may do.
    pub login: Option<UserLogin>,
    /// The secret of an AUTH, or of a renewal, under way.
    pub pending_secret: Secret,
    /// Event it waits for.
    pub holdup: Option<Holdup>,
    /// The topic of an MPUB whose rights were to be checked when it was held up.
    pub batch_topic: Option<String>,
    /// Its subscription.
    pub subscription: Option<Subscription>,
    /// Answers that are outstanding.
    pub owed: OwedLine,
    /// Messages published, by topic.
    pub published: Vec<(String, u64)>,
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
    /// It is in the list of those to be settled in this turn.
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
            owed: OwedLine::default(),
            published: Vec::new(),
            past: (0, 0, 0),
            connected_at: wall_seconds,
            heard: now,
            timer: None,
            stalled: false,
            listed: Mark::default(),
        }
    }

    /// Commands its past allows.
    pub fn gate(&self, tls_required: bool) -> Gate {
        Gate {
            state: self.state,
            tls_missing: tls_required && self.tls.is_none(),
            heartbeats_off: self.settings.heartbeat_ms.is_none(),
        }
    }

    /// Counts messages published.
    pub fn count_published(&mut self, topic: &str, count: u64) {
        if let Some((_, total)) = self.published.iter_mut().find(|(name, _)| name == topic) {
            *total += count;
            return;
        }
        if self.published.len() < PUBLISHED_TOPICS_MAX {
            self.published.push((topic.to_owned(), count));
        }
    }
}

/// Topics that are counted per connection.
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
