//! Options of the queue: nsqd's, under their nsqd names where those fit, and our own.
//!
//! Options about external services are in [`outside`]. A row that names a flag of nsqd takes part in nsqd's
//! checks. Defaults are nsqd's, except that the native queue listens on loopback.

pub(super) mod outside;

use journal::Durability;

use crate::checked::Storage;

use super::Applies::{Live, NewConnections, Restart};
use super::{Absent, Applies, Kind, OptionSpec, Scope, duration, integer, size};

const fn option(
    name: &'static str,
    nsqd: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    OptionSpec { nsqd: Some(nsqd), ..super::option(Scope::Queue, name, kind, absent, applies, doc) }
}

const fn own(
    name: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    super::option(Scope::Queue, name, kind, absent, applies, doc)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "tcp",
        "tcp-address",
        Kind::Listen,
        Absent::Is("127.0.0.1:4150"),
        Restart,
        "Where producers and consumers connect.",
    ),
    option(
        "http",
        "http-address",
        Kind::Listen,
        Absent::Is("127.0.0.1:4151"),
        Restart,
        "Where the HTTP API is served.",
    ),
    option(
        "https",
        "https-address",
        Kind::Listen,
        Absent::Is("127.0.0.1:4152"),
        Restart,
        "Where the HTTP API is served over TLS; only if there is a certificate at the start.",
    ),
    option(
        "data_path",
        "data-path",
        Kind::Path,
        Absent::Is("nuthatch-data"),
        Restart,
        "Directory of the messages. One process at a time may use it.",
    ),
    own(
        "durability",
        Kind::Choice(|| Durability::NAMES.to_vec()),
        Absent::Is("os"),
        Live,
        "When a publication is answered with OK: memory (at once; lost if the process dies), os (handed to the operating \
         system; survives kill -9) or fsync (on the disk; survives a power cut).",
    ),
    own(
        "storage",
        Kind::Choice(|| Storage::NAMES.to_vec()),
        Absent::Is("local"),
        Live,
        "Where new topics are kept that no rule says it of: `local` (here, in data_path) or `engine` (see [engine]). A topic that exists \
         stays where it is; ephemeral ones are always local.",
    ),
    own(
        "topic",
        Kind::Topics,
        Absent::Unset("no rules"),
        Live,
        "Rules for topics by name; the first that matches counts.",
    ),
    own(
        "channels_from",
        Kind::Choice(|| vec!["now", "beginning"]),
        Absent::Is("now"),
        Live,
        "Where a channel begins that is created while its topic has others: with what is published from then on, as \
         in nsqd, or with the oldest message that is kept. A topic's first channel always gets all of it.",
    ),
    own(
        "journal_cache",
        size(1 << 20, u64::MAX >> 1),
        Absent::Is("24MiB"),
        Live,
        "Memory for the newest messages of all journals together, from which fast consumers are served.",
    ),
    own(
        "max_defer_timeout",
        duration(0),
        Absent::Unset("the value of max_req_timeout, as in nsqd"),
        Live,
        "Longest delay of a deferred message.",
    ),
    own(
        "http_names",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Names under which browsers may use the HTTP API, and of pages that may. Addresses, names without a dot, this \
         machine's and broadcast_address need not be listed; clients that are no browsers use any name.",
    ),
    own(
        "max_deferred",
        integer(0, i64::MAX),
        Absent::Is("1000000"),
        Live,
        "Most deferred messages of one topic; more are refused.",
    ),
    own(
        "max_topics",
        integer(0, i64::MAX),
        Absent::Is("100000"),
        Live,
        "Most topics at once; creating another is refused. 0 means no limit.",
    ),
    own(
        "max_channels",
        integer(0, i64::MAX),
        Absent::Is("100000"),
        Live,
        "Most channels of all topics together; creating another is refused. 0 means no limit.",
    ),
    own(
        "max_channels_per_topic",
        integer(0, i64::MAX),
        Absent::Is("10000"),
        Live,
        "Most channels of one topic; creating another is refused. 0 means no limit.",
    ),
    own(
        "max_memory",
        size(0, u64::MAX >> 1),
        Absent::Is("1GiB"),
        Live,
        "Most memory for topics and channels: about 2 KiB for each, what is noted of messages that are deferred, in flight or \
         waiting again, and messages of topics in memory. What would add to it is refused: creations, publications to topics \
         in memory, deferred ones. Counted apart, buffers of clients may take as much: clients that hold most are closed. 0 \
         means no limit. journal_cache has a limit of its own.",
    ),
    own(
        "max_connections",
        integer(0, u32::MAX as i64),
        Absent::Is("0"),
        Live,
        "Most clients at once; 0 means no limit.",
    ),
    own(
        "magic_timeout",
        duration(1),
        Absent::Is("30s"),
        NewConnections,
        "How long a client may take to say which protocol it speaks.",
    ),
    option(
        "mem_queue_size",
        "mem-queue-size",
        integer(0, i64::MAX),
        Absent::Is("10000"),
        Live,
        "Most messages that an ephemeral topic or channel holds, more are dropped; and the depth past which statistics count messages as nsqd's on disk.",
    ),
    option(
        "max_bytes_per_file",
        "max-bytes-per-file",
        size(1024, u64::MAX >> 1),
        Absent::Is("16MiB"),
        Live,
        "Size past which a new segment of a journal is begun. A change is for segments begun after it.",
    ),
    option(
        "sync_every",
        "sync-every",
        integer(1, i64::MAX),
        Absent::Is("2500"),
        Live,
        "Accepted for the sake of old configurations; a journal is flushed every two seconds where durability does not say so earlier.",
    ),
    option(
        "sync_timeout",
        "sync-timeout",
        duration(1),
        Absent::Is("2s"),
        Live,
        "Accepted for the sake of old configurations; a journal is flushed every two seconds where durability does not say so earlier.",
    ),
    option(
        "msg_timeout",
        "msg-timeout",
        duration(1),
        Absent::Is("1m"),
        NewConnections,
        "How long a consumer may hold a message before it goes to another one.",
    ),
    option(
        "max_msg_timeout",
        "max-msg-timeout",
        duration(1),
        Absent::Is("15m"),
        Live,
        "Longest msg_timeout that a client may ask for, and longest time that TOUCH can extend to.",
    ),
    option(
        "max_req_timeout",
        "max-req-timeout",
        duration(0),
        Absent::Is("1h"),
        Live,
        "Longest delay of a requeued message.",
    ),
    option(
        "max_msg_size",
        "max-msg-size",
        size(1, 1 << 31),
        Absent::Is("1MiB"),
        Live,
        "Most bytes of one message.",
    ),
    option(
        "max_body_size",
        "max-body-size",
        size(1, 1 << 31),
        Absent::Is("5MiB"),
        Live,
        "Most bytes of one command, such as MPUB.",
    ),
    option(
        "max_rdy_count",
        "max-rdy-count",
        integer(0, i64::MAX),
        Absent::Is("2500"),
        NewConnections,
        "Most messages in flight that a consumer may ask for.",
    ),
    option(
        "max_channel_consumers",
        "max-channel-consumers",
        integer(0, u32::MAX as i64),
        Absent::Is("0"),
        Live,
        "Most consumers of one channel; 0 means no limit.",
    ),
    option(
        "max_heartbeat_interval",
        "max-heartbeat-interval",
        duration(1),
        Absent::Is("1m"),
        NewConnections,
        "Longest heartbeat interval that a client may ask for.",
    ),
    option(
        "output_buffer_timeout",
        "output-buffer-timeout",
        duration(0),
        Absent::Is("250ms"),
        NewConnections,
        "Time between flushes to a client that asked for none.",
    ),
    option(
        "min_output_buffer_timeout",
        "min-output-buffer-timeout",
        duration(0),
        Absent::Is("25ms"),
        NewConnections,
        "Shortest time between flushes that a client may ask for.",
    ),
    option(
        "max_output_buffer_timeout",
        "max-output-buffer-timeout",
        duration(0),
        Absent::Is("30s"),
        NewConnections,
        "Longest time between flushes that a client may ask for.",
    ),
    option(
        "max_output_buffer_size",
        "max-output-buffer-size",
        size(64, 1 << 31),
        Absent::Is("64KiB"),
        NewConnections,
        "Largest output buffer that a client may ask for.",
    ),
    option(
        "deflate",
        "deflate",
        Kind::Bool,
        Absent::Is("true"),
        NewConnections,
        "Clients may negotiate deflate compression.",
    ),
    option(
        "max_deflate_level",
        "max-deflate-level",
        integer(1, 9),
        Absent::Is("6"),
        NewConnections,
        "Highest deflate level that a client may ask for.",
    ),
    option(
        "snappy",
        "snappy",
        Kind::Bool,
        Absent::Is("true"),
        NewConnections,
        "Clients may negotiate snappy compression.",
    ),
];

const fn rule(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> OptionSpec {
    super::option(Scope::QueueTopic, name, kind, absent, Live, doc)
}

pub(super) const RULES: &[OptionSpec] = &[
    rule("match", Kind::Text, Absent::Required, "Names of topics, with `*`, `?` and `[a-z]`."),
    rule(
        "storage",
        Kind::Choice(|| Storage::NAMES.to_vec()),
        Absent::Unset("the value of storage in [queue]"),
        "Where new ones are kept: `local` or `engine`.",
    ),
    rule(
        "accept",
        Kind::Choice(|| vec!["engine", "local"]),
        Absent::Is("engine"),
        "When a publication to one on the engine is answered with OK: `engine` (when most of the replicas have it) or `local` (when the \
         journal of this node has it, as `durability` says; it is forwarded from there, also after an outage).",
    ),
];
