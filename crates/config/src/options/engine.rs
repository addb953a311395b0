//! Options of the engine that keeps topics outside this process.

use super::Applies::Restart;
use super::{Absent, Kind, OptionSpec, Scope, integer, size};

const fn option(name: &'static str, kind: Kind, absent: Absent, doc: &'static str) -> OptionSpec {
    super::option(Scope::Engine, name, kind, absent, Restart, doc)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "servers",
        Kind::Texts,
        Absent::Required,
        "Servers of NATS with JetStream, `nats://HOST:PORT`, any of one cluster. The others are learned from them.",
    ),
    option(
        "topics",
        Kind::Texts,
        Absent::Required,
        "Globs of the topics that are created there, such as `orders.*`. A topic that exists here stays here; ephemeral ones are \
         always local.",
    ),
    option(
        "accept",
        Kind::Choice(|| vec!["engine", "local"]),
        Absent::Is("engine"),
        "When a publication is answered with OK: `engine` (when most of the replicas have it) or `local` (when the journal of this node \
         has it, as `durability` of `[queue]` says; it is forwarded from there, also after an outage).",
    ),
    option(
        "forward_bytes_max",
        size(0, i64::MAX as u64),
        Absent::Is("1GiB"),
        "With accept = \"local\", most bytes of a topic that wait here for the engine; then its publications are refused. 0 means no \
         limit.",
    ),
    option(
        "replicas",
        integer(1, 5),
        Absent::Is("3"),
        "Servers that keep each message. A message is accepted when most of them have it.",
    ),
    option(
        "prefix",
        Kind::Text,
        Absent::Is("nuthatch"),
        "How the names of streams, subjects and buckets begin: letters, digits, `_` and `-`. Nodes with the same prefix serve the same \
         topics.",
    ),
    option("user", Kind::Text, Absent::Unset("none"), "User of NATS."),
    option("password", Kind::Secret, Absent::Unset("none"), "Its password."),
    option(
        "password_file",
        Kind::SecretFile { of: "password" },
        Absent::Unset("none"),
        "File whose first line is `password`. It is read when the configuration is.",
    ),
];
