//! nsqadmin's settings, checked.
//!
//! They come from its flags and its file ([`crate::nsqadmin`]); the native file has no section for it.

use std::path::PathBuf;
use std::time::Duration;

use crate::go_flags::GoValues;
use crate::listen::Listen;
use crate::nsqadmin::Cidr;

/// nsqadmin, ready to be started.
#[derive(Debug, Clone, PartialEq)]
pub struct Nsqadmin {
    /// Listener for browsers and scripts.
    pub http: Listen,
    /// Beginning of all paths; `/` or without a slash at its end.
    pub base_path: String,
    /// HTTP addresses of the lookups that know the fleet.
    pub lookups: Vec<String>,
    /// HTTP addresses of the queues, if no lookup is asked.
    pub nsqds: Vec<String>,
    /// Client for other daemons.
    pub client: HttpClient,
    /// Graphs.
    pub graphite: Graphite,
    /// Clients that may use `/config`. None: all.
    pub config_from: Option<Cidr>,
    /// URL for notifications of changes; empty: none.
    pub notification_endpoint: String,
    /// Name of the header that says who a user is.
    pub acl_header: String,
    /// Users who may make changes; empty: everybody.
    pub admin_users: Vec<String>,
    /// Names besides the machine's own that browsers may use it under.
    pub http_names: Vec<String>,
    /// Every flag as given, for `/config`.
    pub flags: GoValues,
}

/// Times and files of the HTTP client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpClient {
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for a whole exchange.
    pub request_timeout: Duration,
    /// Certificates of servers are not verified.
    pub insecure: bool,
    /// Authorities for certificates of servers. None: the system's.
    pub root_ca: Option<PathBuf>,
    /// The client's own certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Source of graphs, and the names of its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphite {
    /// Address; empty: no graphs.
    pub url: String,
    /// Browsers get their graphs through nsqadmin.
    pub proxied: bool,
    /// Beginning of keys, with `%s` for the host.
    pub statsd_prefix: String,
    /// Key of a counter.
    pub counter_format: String,
    /// Key of a gauge.
    pub gauge_format: String,
    /// Interval at which nsqd pushes to statsd.
    pub statsd_interval: Duration,
}
