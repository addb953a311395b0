//! nsqadmin's settings, checked.
//!
//! They come from its flags and its file ([`crate::nsqadmin`]); the native file has no section for nsqadmin.

use std::path::PathBuf;
use std::time::Duration;

use crate::go_flags::GoValues;
use crate::listen::Listen;
use crate::nsqadmin::Cidr;
use crate::secret::SecretUrl;

/// nsqadmin's settings, ready for a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Nsqadmin {
    /// Listener for browsers and scripts.
    pub http: Listen,
    /// Prefix of all paths: `/`, or without a slash at its end.
    pub base_path: String,
    /// HTTP addresses of the lookups of the fleet.
    pub lookups: Vec<String>,
    /// HTTP addresses of the queues, if there is no lookup.
    pub nsqds: Vec<String>,
    /// Admin ports of nuthatches: `HOST:PORT`, with `https://` before it for TLS.
    pub admins: Vec<String>,
    /// Client for other daemons.
    pub client: HttpClient,
    /// Graphs.
    pub graphite: Graphite,
    /// Clients that may use `/config`. None: all.
    pub config_from: Option<Cidr>,
    /// URL for notifications of changes; empty: none.
    pub notification_endpoint: SecretUrl,
    /// Name of the header with the name of the user.
    pub acl_header: String,
    /// Users who may make changes; empty: all.
    pub admin_users: Vec<String>,
    /// Further host names, besides the machine's own, under which browsers may use it.
    pub http_names: Vec<String>,
    /// Every flag as given, for `/config`.
    pub flags: GoValues,
}

/// Times and files of the HTTP client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpClient {
    /// Time limit for connecting.
    pub connect_timeout: Duration,
    /// Time limit for a whole exchange.
    pub request_timeout: Duration,
    /// Skip the verification of servers' certificates.
    pub insecure: bool,
    /// Authorities for certificates of servers. None: the system's.
    pub root_ca: Option<PathBuf>,
    /// The client's own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Source of graphs, and the naming of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphite {
    /// Address; empty: no graphs.
    pub url: SecretUrl,
    /// Fetch graphs for browsers through nsqadmin.
    pub proxied: bool,
    /// Prefix of keys, with `%s` for the host.
    pub statsd_prefix: String,
    /// Key format of a counter.
    pub counter_format: String,
    /// Key format of a gauge.
    pub gauge_format: String,
    /// Interval of nsqd's pushes to statsd.
    pub statsd_interval: Duration,
}
