//! Options of a user: its logins, its rights and its limits.

use super::Applies::{Live, NewConnections};
use super::{Absent, Applies, Kind, OptionSpec, Scope, integer};

const fn option(
    name: &'static str,
    kind: Kind,
    absent: Absent,
    applies: Applies,
    doc: &'static str,
) -> OptionSpec {
    super::option(Scope::User, name, kind, absent, applies, doc)
}

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "password_sha256",
        Kind::Secrets,
        Absent::Unset("none"),
        NewConnections,
        "SHA-256 of its password, in lower-case hex as Redis' ACL has it; of several passwords any logs in, so that one can be \
         exchanged without a gap. For passwords that a machine has drawn: `openssl rand -hex 32 | tee password | tr -d '\\n' | sha256sum`.",
    ),
    option(
        "password_argon2",
        Kind::Secrets,
        Absent::Unset("none"),
        NewConnections,
        "Argon2id hash of its password (`$argon2id$v=19$m=…`), for passwords that a person has thought of. At most 256 MiB of memory. \
         The first login after a start takes as long as the hash is expensive, later ones do not.",
    ),
    option(
        "password_file",
        Kind::Path,
        Absent::Unset("none"),
        NewConnections,
        "File whose first line is its password, such as a mounted secret. It is read when the configuration is.",
    ),
    option(
        "certificate",
        Kind::Texts,
        Absent::Unset("none"),
        NewConnections,
        "Globs of names in a client's TLS certificate: whoever shows one that its authority has signed is logged in as this user.",
    ),
    option(
        "pools",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Pools in which it may log in. A pool that any user names answers requests before a login with NOAUTH, and its own `auth` is \
         for its servers only.",
    ),
    option(
        "keys",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Keys that it may touch, as Redis' globs: `app:*` to read and write, `%R~shared:*` to read, `%W~log:*` to write, `*` for all.",
    ),
    option(
        "commands",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Commands that it may run, as rules of Redis' ACL SETUSER, each of which changes what those before it left: `+get`, `-del`, \
         `+@read`, `-@dangerous`, `+config|get`, `+@all`. Scripts (EVAL, FCALL) can do anything on their server, so they need \
         `+@scripting` or their names unless keys and commands are unlimited. A memcached command is taken for the Redis command that \
         does the same.",
    ),
    option(
        "channels",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Channels of Redis' publish and subscribe, as globs.",
    ),
    option(
        "publish",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Topics of the queue that it may publish to, as globs.",
    ),
    option(
        "consume",
        Kind::Texts,
        Absent::Unset("none"),
        Live,
        "Channels of the queue that it may consume, as globs of topic and channel: `orders.*:mail*`; `orders.*` is all channels of these \
         topics.",
    ),
    option(
        "admin",
        Kind::Choice(|| vec!["none", "view", "operate"]),
        Absent::Is("none"),
        Live,
        "Its rights at the admin port, at the queue's HTTP API beyond publishing, and to change a lookup over HTTP: none, to see, or to act as well.",
    ),
    option(
        "limit_requests",
        Kind::Rate,
        Absent::Unset("no limit"),
        Live,
        "Request rate over all of its connections, to pools, the queue and HTTP together; more get an error, or wait (publishers and consumers of the queue). Without a burst as many as in a second may come at once.",
    ),
    option(
        "limit_connections",
        integer(1, u32::MAX as i64),
        Absent::Unset("no limit"),
        NewConnections,
        "Its connections at a time, to pools, the queue and HTTP together; the login of one more fails.",
    ),
];
