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
    option(
        "tls",
        Kind::ServerTls,
        Absent::Unset("none"),
        "TLS on every connection to NATS, with the options of `server_tls` of pools but for server_name: certificates have the names that \
         stand in servers. Its files are read at the start.",
    ),
    option("user", Kind::Text, Absent::Unset("none"), "User of NATS."),
    option("password", Kind::Secret, Absent::Unset("none"), "Its password."),
    option(
        "password_file",
        Kind::SecretFile { of: "password" },
        Absent::Unset("none"),
        "File whose first line is `password`. It is read when the configuration is.",
    ),
    option(
        "nkey",
        Kind::Secret,
        Absent::Unset("none"),
        "Seed of an nkey by which this process logs in to NATS, `SU...`.",
    ),
    option(
        "nkey_file",
        Kind::SecretFile { of: "nkey" },
        Absent::Unset("none"),
        "File whose first line is `nkey`. It is read when the configuration is.",
    ),
    option(
        "credentials_file",
        Kind::Path,
        Absent::Unset("none"),
        "File of credentials, as `nsc` writes it: a JWT and a seed. It is read at the start.",
    ),
];
