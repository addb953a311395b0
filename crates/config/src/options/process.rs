//! Options of the process: everything but pools and the queue.
//!
//! Sections that only hold defaults (`[log]`, `[local]`) may be absent; a service (`[stats]`, `[admin]`) is
//! off without its section.

use std::time::Duration;

use super::Applies::{Live, NewConnections, Restart};
use super::{Absent, Kind, OptionSpec, Scope, duration, integer, option, size};
use crate::checked::{LogFormat, LogLevel};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        Scope::Process,
        "threads",
        integer(1, 1024),
        Absent::Computed("the number of cores"),
        Restart,
        "Shards: event loops, each on a thread of its own. Clients fill one shard before the next is used; when one has \
         no time left, clients without a request under way move to another.",
    ),
    option(
        Scope::Process,
        "memory_budget",
        size(16 << 20, u64::MAX >> 1),
        Absent::Is("1GiB"),
        Live,
        "Most memory for connection buffers and queued requests, over all shards. From five eighths of it on, clients \
         that hold more than their reserve (a quarter of the budget divided by the clients, at most 64 KiB) are not \
         read until they have taken their replies; at seven eighths those who hold most are closed, of the pool that holds most. Clients with \
         little outstanding are always served. A reply longer than a sixteenth of the budget is passed on while it \
         comes; if half of the budget is in use and its client does not keep up, its server's connection is not read, \
         for `timeout` (5 s without one) and a second for every 10 MiB at most, then the client is closed. A reply longer than half of the \
         budget is an error where it has to wait (for other replies of its client, or for the other parts of an MGET); so is a shorter one once three quarters are in use. \
         The embedded cache has a limit of its own.",
    ),
    option(
        Scope::Process,
        "stop_timeout",
        duration(0),
        Absent::Is("10s"),
        Live,
        "How long a graceful stop (SIGTERM) may take to finish what was accepted before the rest is closed; and how long a server that a \
         reload takes away may take to answer what was sent to it.",
    ),
    option(
        Scope::Process,
        "upgrade_timeout",
        duration(100),
        Absent::Is("60s"),
        Live,
        "How long the new process of an upgrade (SIGUSR2) may take to check its configuration and to listen, and then once more \
         to open the queue. After that it is ended, and the running process goes on.",
    ),
    option(
        Scope::Process,
        "drain_timeout",
        duration(0),
        Absent::Is("10m"),
        Live,
        "How long the old process of an upgrade goes on for clients that the new one cannot be given: those under TLS, and those \
         that are never between two requests. Then it stops as by SIGTERM.",
    ),
    option(
        Scope::Process,
        "watch_config",
        Kind::Bool,
        Absent::Is("false"),
        Live,
        "Reload when the configuration file or a file that it names (secrets, certificates) changes: rewritten, renamed over, \
         or behind a symbolic link that is swapped, as Kubernetes does. They are looked at every second, and a change \
         counts once it has stood still for one. A reload that fails leaves everything as it is; the next change is \
         the next try.",
    ),
    option(
        Scope::Process,
        "coalesce",
        Kind::Duration { min: Duration::from_micros(1), max: Duration::from_millis(1), off: true },
        Absent::Is("200us"),
        Live,
        "Longest time that a cache shard sleeps before it looks for traffic. Whether it sleeps, and how long, it measures \
         as it runs: only while it finds few events at a time in quick succession, while sleeping saves CPU time, and \
         while the median latency grows by 15 % at most; so not with few clients, little traffic or full rounds. What \
         comes together is read, passed on and answered together, which takes less CPU of the proxy, the servers and \
         the clients. A request waits for two such times at most: on its way to the server and back.",
    ),
    option(
        Scope::Log,
        "level",
        Kind::Choice(LogLevel::names),
        Absent::Is("info"),
        Live,
        "Least severe level that is written.",
    ),
    option(
        Scope::Log,
        "format",
        Kind::Choice(|| LogFormat::ALL.map(|(_, name)| name).to_vec()),
        Absent::Is("text"),
        Live,
        "Shape of a line: text for people, json for machines.",
    ),
    option(
        Scope::Log,
        "file",
        Kind::Path,
        Absent::Unset("standard error"),
        Live,
        "File that lines are appended to. SIGHUP reopens it, so that it can be rotated by renaming; and reads the configuration again.",
    ),
    option(
        Scope::Stats,
        "listen",
        Kind::Listen,
        Absent::Is("127.0.0.1:22222"),
        Live,
        "Where the statistics are served.",
    ),
    option(
        Scope::Stats,
        "interval",
        duration(0),
        Absent::Is("30s"),
        Live,
        "Accepted so that a nutcracker configuration can be carried over; counters are always current here.",
    ),
    option(
        Scope::Stats,
        "statsd_address",
        Kind::Text,
        Absent::Unset("off"),
        Live,
        "UDP address of a statsd server that the statistics of pools and servers are pushed to, as HOST:PORT.",
    ),
    option(
        Scope::Stats,
        "statsd_prefix",
        Kind::Text,
        Absent::Is("nuthatch.%s"),
        Live,
        "Prefix of the keys sent to statsd; %s stands for the machine's name.",
    ),
    option(
        Scope::Stats,
        "statsd_interval",
        duration(1000),
        Absent::Is("1m"),
        Live,
        "Time between pushes to statsd.",
    ),
    option(
        Scope::Stats,
        "statsd_udp_packet_size",
        integer(64, 65_507),
        Absent::Is("508"),
        Live,
        "Most bytes of one packet to statsd.",
    ),
    option(
        Scope::Admin,
        "listen",
        Kind::Listen,
        Absent::Is("127.0.0.1:22220"),
        Live,
        "Where /metrics and the web interface are served.",
    ),
    option(
        Scope::Admin,
        "tls",
        Kind::Tls,
        Absent::Unset("plain HTTP"),
        NewConnections,
        "HTTPS instead of HTTP.",
    ),
    option(
        Scope::Admin,
        "http_names",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Names under which browsers may open the pages. Addresses, names without a dot and this machine's need not be listed; \
         clients that are no browsers use any name.",
    ),
    option(
        Scope::Admin,
        "metrics_topics_max",
        integer(0, u32::MAX as i64),
        Absent::Is("10000"),
        Live,
        "Most topics with rows of their own in /metrics, by name. The rest is summed in rows of the topic `(other)` and counted in \
         `nuthatch_metrics_hidden_topics`.",
    ),
    option(
        Scope::Admin,
        "metrics_channels_max",
        integer(0, u32::MAX as i64),
        Absent::Is("20000"),
        Live,
        "Most channels with rows of their own in /metrics, over all topics that have some. The rest is summed likewise and counted in \
         `nuthatch_metrics_hidden_channels`.",
    ),
    option(
        Scope::Admin,
        "events",
        Kind::PathOrNone,
        Absent::Unset("events.jsonl in data_path of [queue]; without one, none"),
        Restart,
        "File in which the last 1,000 events are kept over restarts, changes by hand and who made them included. Its directory must \
         exist.",
    ),
    option(
        Scope::Local,
        "bytes",
        size(1 << 16, u64::MAX >> 1),
        Absent::Is("64MiB"),
        Restart,
        "Most bytes of keys and values in the embedded cache; past it the least valuable entries are evicted.",
    ),
];
