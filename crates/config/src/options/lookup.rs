//! Options of the lookup: nsqlookupd's, and our own.

use super::Applies::{Live, NewConnections, Restart};
use super::{Absent, Applies, Kind, OptionSpec, Scope, duration, integer};

const fn option(
    name: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    super::option(Scope::Lookup, name, kind, absent, applies, doc)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "tcp",
        Kind::Listen,
        Absent::Is("127.0.0.1:4160"),
        Restart,
        "Where nodes register their topics and channels.",
    ),
    option(
        "http",
        Kind::Listen,
        Absent::Is("127.0.0.1:4161"),
        Restart,
        "Where consumers ask who has a topic.",
    ),
    option(
        "broadcast_address",
        Kind::Text,
        Absent::Unset("the host name"),
        NewConnections,
        "Name or address of this lookup as advertised to nodes.",
    ),
    option(
        "inactive_producer_timeout",
        duration(0),
        Absent::Is("5m"),
        Live,
        "How long a node is in answers after its last sign of life. Nodes give one every 15 seconds.",
    ),
    option(
        "tombstone_lifetime",
        duration(0),
        Absent::Is("45s"),
        Live,
        "How long a tombstone hides a node from those who look for a topic.",
    ),
    option(
        "max_connections",
        integer(0, u32::MAX as i64),
        Absent::Is("65536"),
        Live,
        "Most nodes at once; 0 means no limit.",
    ),
    option(
        "max_names",
        integer(1, u32::MAX as i64),
        Absent::Is("1000000"),
        Live,
        "Most topics and channels that are known, together; more are refused.",
    ),
    option(
        "magic_timeout",
        duration(1),
        Absent::Is("30s"),
        NewConnections,
        "How long a node may take to say which protocol it speaks.",
    ),
    option(
        "snapshot",
        Kind::PathOrNone,
        Absent::Unset("lookup.json in data_path of [queue]; without one, none"),
        Restart,
        "File in which the lookup keeps what it knows, so that after a restart consumers are answered at once. Its directory must \
         exist.",
    ),
    option(
        "snapshot_lifetime",
        duration(1),
        Absent::Is("35s"),
        Restart,
        "How long after a start answers come from the snapshot, marked `stale`, where nodes have not registered again. nsqd needs up \
         to two of its 15 s intervals, a nuthatch one.",
    ),
    option(
        "http_names",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Names under which browsers may use the HTTP API, and of pages that may. Addresses, names without a dot, this \
         machine's and broadcast_address need not be listed; clients that are no browsers use any name.",
    ),
];
