//! Options of TLS: the tables that `tls` and `server_tls` are, and a listener written as a table.

use super::Applies::{Live, NewConnections};
use super::{Absent, Kind, OptionSpec, Scope, option};
use crate::checked::{ClientCertificate, TlsVersion};

const VERSIONS: Kind = Kind::Choice(|| TlsVersion::SPOKEN.map(|(_, name)| name).to_vec());

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(Scope::Listener, "address", Kind::Listen, Absent::Required, Live, "Where clients connect."),
    option(
        Scope::Listener,
        "tls",
        Kind::Bool,
        Absent::Is("false"),
        NewConnections,
        "Clients speak TLS here, with the pool's `tls`.",
    ),
    option(
        Scope::Tls,
        "cert",
        Kind::Path,
        Absent::Required,
        NewConnections,
        "PEM file of the certificate that clients are shown, and behind it those between it and its authority.",
    ),
    option(
        Scope::Tls,
        "key",
        Kind::Path,
        Absent::Required,
        NewConnections,
        "PEM file of its private key, not encrypted. Only the process's user should be able to read it.",
    ),
    option(
        Scope::Tls,
        "client_ca",
        Kind::Path,
        Absent::Unset("no certificates of clients are asked for"),
        NewConnections,
        "PEM file of the authorities that sign certificates of clients.",
    ),
    option(
        Scope::Tls,
        "client_auth",
        Kind::Choice(|| ClientCertificate::ALL.map(|(_, name)| name).to_vec()),
        Absent::Computed("required with client_ca, or else none"),
        NewConnections,
        "What is asked of clients: no certificate, one if they have one, or one. A certificate that is sent must be signed by an \
         authority of client_ca and valid, also where it is optional.",
    ),
    option(
        Scope::Tls,
        "client_names",
        Kind::Texts,
        Absent::Unset("every name will do"),
        NewConnections,
        "Patterns (`*`, `?`, `[a-z]`) of the names that a client's certificate may have: one of its common name, DNS names, URIs and \
         mail addresses must match one of them.",
    ),
    option(
        Scope::Tls,
        "min_version",
        VERSIONS,
        Absent::Is("tls1.2"),
        NewConnections,
        "Oldest version of TLS that is spoken.",
    ),
    option(
        Scope::ServerTls,
        "ca",
        Kind::Path,
        Absent::Unset("the authorities that the system trusts"),
        Live,
        "PEM file of the authorities that sign the servers' certificates.",
    ),
    option(
        Scope::ServerTls,
        "cert",
        Kind::Path,
        Absent::Unset("servers are shown none"),
        Live,
        "PEM file of the certificate that servers are shown.",
    ),
    option(
        Scope::ServerTls,
        "key",
        Kind::Path,
        Absent::Unset("servers are shown no certificate"),
        Live,
        "PEM file of its private key, not encrypted.",
    ),
    option(
        Scope::ServerTls,
        "server_name",
        Kind::Text,
        Absent::Unset("the host of each server's address"),
        Live,
        "Name that the certificate of every server of the pool must have.",
    ),
    option(
        Scope::ServerTls,
        "min_version",
        VERSIONS,
        Absent::Is("tls1.2"),
        Live,
        "Oldest version of TLS that is spoken.",
    ),
];
