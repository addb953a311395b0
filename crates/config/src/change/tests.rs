//! Changes of each option, and the lines shown to people.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::checked::Server;
use crate::native;
use crate::options::{self, Kind, OptionSpec};
use crate::quantity::show_duration;
use crate::setting::quoted;

fn config(text: &str) -> Config {
    let report = native::check(text, 4);
    report.config.unwrap_or_else(|| panic!("{text}\n{:#?}", report.faults))
}

fn lines(old: &str, new: &str) -> Vec<String> {
    changes(&config(old), &config(new)).iter().map(ToString::to_string).collect()
}

/// Two TOML values of an option. Path values are files in `files`.
fn two_values(option: &OptionSpec, files: &Path) -> [String; 2] {
    if option.scope == Scope::User {
        return two_values_of_user(option, files);
    }
    if option.name == "nkey" {
        return ["A", "B"].map(|letter| quoted(&format!("SU{}", letter.repeat(56))));
    }
    match option.kind {
        Kind::Bool => ["true", "false"].map(str::to_owned),
        Kind::Integer { min, .. } => [min, min + 1].map(|value| value.to_string()),
        Kind::Duration { min, .. } => {
            [100, 200].map(|us| quoted(&show_duration(min + Duration::from_micros(us))))
        }
        Kind::Size { min, .. } => [min + 4096, min + 8192].map(|value| value.to_string()),
        Kind::Path | Kind::PathOrNone | Kind::SecretFile { .. } => {
            [1, 2].map(|n| quoted(&files.join(format!("{}.{n}", option.name)).display().to_string()))
        }
        Kind::Text | Kind::Secret => ["one", "two"].map(quoted),
        Kind::Choice(words) => [words()[0], words()[1]].map(quoted),
        Kind::HashTag => ["{}", "[]"].map(quoted),
        Kind::Listen | Kind::Listens | Kind::Target => ["127.0.0.1:7001", "127.0.0.1:7002"].map(quoted),
        Kind::Topics => ["a", "b"].map(|name| format!("[{{ match = \"{name}\" }}]")),
        Kind::Servers => ["[\"a:1\", \"b:1\"]", "[\"b:1\"]"].map(str::to_owned),
        Kind::Texts if option.name == "servers" => {
            ["[\"nats://one:1\"]", "[\"nats://two:2\"]"].map(str::to_owned)
        }
        Kind::Texts if option.name == "allow" => ["flush", "admin"].map(quoted),
        Kind::Texts => ["[\"one:1\"]", "[\"two:2\"]"].map(str::to_owned),
        Kind::Quantiles => ["[0.5]", "[0.99]"].map(str::to_owned),
        Kind::Rate => ["1/s", "2/s"].map(quoted),
        Kind::Secrets => ["[\"one\"]", "[\"two\"]"].map(str::to_owned),
        Kind::Tls => ["a", "b"].map(|name| format!("{{ cert = \"{name}\", key = \"k\" }}")),
        Kind::ServerTls => ["a", "b"].map(|name| format!("{{ ca = \"{name}\" }}")),
    }
}

fn two_values_of_user(option: &OptionSpec, files: &Path) -> [String; 2] {
    let argon2 = |salt: &str| {
        format!("$argon2id$v=19$m=256,t=2,p=1${salt}$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
    };
    match option.name {
        "password_sha256" => ["0", "1"].map(|digit| quoted(&digit.repeat(64))),
        "password_argon2" => ["c29tZXNhbHQ", "c29tZXNhbHU"].map(|salt| quoted(&argon2(salt))),
        "password_file" => {
            ["tls_key.1", "tls_key.2"].map(|name| quoted(&files.join(name).display().to_string()))
        }
        "commands" => ["+get", "+set"].map(quoted),
        "admin" => ["view", "operate"].map(quoted),
        "limit_connections" => ["1", "2"].map(str::to_owned),
        "limit_requests" => ["1/s", "2/s"].map(quoted),
        _ => ["one", "two"].map(quoted),
    }
}

/// A file with one section of this kind, in which an option has this value.
fn file(scope: Scope, option: &str, value: &str, files: &Path) -> String {
    let certificate = |name: &str| quoted(&files.join(name).display().to_string());
    let mut settings: BTreeMap<&str, String> = match scope {
        Scope::Pool => BTreeMap::from([
            ("listen", quoted("127.0.0.1:7001")),
            ("servers", "[\"a:1\"]".into()),
            ("client_output_soft_bytes", "1024".into()),
        ]),
        Scope::Server => BTreeMap::from([("address", quoted("a:1")), ("name", quoted("a"))]),
        Scope::Listener => BTreeMap::from([("address", quoted("127.0.0.1:7001"))]),
        Scope::Tls => BTreeMap::from([
            ("cert", quoted("c")),
            ("key", quoted("k")),
            ("client_ca", quoted("a")),
            ("client_auth", quoted("optional")),
        ]),
        Scope::ServerTls => BTreeMap::from([("cert", quoted("c")), ("key", quoted("k"))]),
        // The defaults of these depend on other options.
        Scope::Queue => BTreeMap::from([
            ("max_defer_timeout", quoted("1h")),
            ("tls_cert", certificate("tls_cert.1")),
            ("tls_key", certificate("tls_key.1")),
        ]),
        Scope::User => BTreeMap::from([("certificate", quoted("app"))]),
        Scope::Engine if option.starts_with("password") => {
            BTreeMap::from([("servers", quoted("a:1")), ("user", quoted("u"))])
        }
        Scope::Engine => BTreeMap::from([("servers", quoted("a:1"))]),
        Scope::QueueTopic => BTreeMap::from([("match", quoted("t"))]),
        _ => BTreeMap::new(),
    };
    settings.insert(option, value.into());
    let settings = settings.iter().map(|(name, value)| format!("{name} = {value}"));
    match scope {
        Scope::Process => settings.collect::<Vec<_>>().join("\n"),
        Scope::Server => {
            let fields = settings.collect::<Vec<_>>().join(", ");
            format!("[pool.p]\nlisten = \"127.0.0.1:7001\"\nservers = [{{ {fields} }}, \"b:1\"]\n")
        }
        Scope::Listener | Scope::Tls | Scope::ServerTls => {
            let fields = settings.collect::<Vec<_>>().join(", ");
            let files = "{ cert = \"c\", key = \"k\" }";
            let (listen, tls) = match scope {
                Scope::Listener => (
                    format!("[{{ {fields} }}, {{ address = \"127.0.0.1:7009\", tls = true }}]"),
                    files.to_owned(),
                ),
                Scope::Tls => ("\"127.0.0.1:7001\"".into(), format!("{{ {fields} }}")),
                _ => {
                    return format!(
                        "[pool.p]\nlisten = \"127.0.0.1:7001\"\nserver_tls = {{ {fields} }}\nservers = [\"a:1\"]\n"
                    );
                }
            };
            format!("[pool.p]\nlisten = {listen}\ntls = {tls}\nservers = [\"a:1\"]\n")
        }
        scope => {
            let heading = scope.heading().replace("NAME", "p");
            let pool =
                |name, port| format!("[pool.{name}]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"a:1\"]\n");
            let pools =
                if scope == Scope::User { pool("one", 7003) + &pool("two", 7004) } else { String::new() };
            // Topics on the engine need one.
            let engine = match scope {
                Scope::Queue | Scope::QueueTopic => "[engine]\nservers = \"a:1\"\n",
                _ => "",
            };
            format!("{pools}{engine}{heading}\n{}\n", settings.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// The option that a change names.
fn named(change: &Change) -> &'static str {
    match change.what {
        What::Option { name, .. } => name,
        What::ListenerAdded(_) | What::ListenerRemoved(_) => "listen",
        What::ServerAdded(_) | What::ServerRemoved(_) => "servers",
        What::ServerMoved { .. } => "address",
        What::ServerWeight { .. } => "weight",
        What::ServerPassword { .. } => "password",
        What::PasswordFile => "password_file",
        What::ServerPasswordFile { .. } => "password_file",
        What::Added(_) | What::Removed | What::Settings | What::Ring => "",
    }
}

/// Options that come with others.
const OF_TOPOLOGY: [&str; 12] = [
    "pretend_cluster_peers",
    "read_from",
    "zone",
    "zones",
    "hedge_after",
    "replica_lag_max",
    "sentinels",
    "masters",
    "sentinel_user",
    "sentinel_password",
    "sentinel_password_file",
    "sentinel_tls",
];

#[test]
fn every_option_is_one_change() {
    let files = tempfile::tempdir().unwrap();
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    for name in ["auth_file", "password_file"] {
        for n in [1, 2] {
            std::fs::write(files.path().join(format!("{name}.{n}")), "s3cret\n").unwrap();
        }
    }
    for n in [1, 2] {
        let seed = format!("SU{}\n", "A".repeat(56));
        std::fs::write(files.path().join(format!("nkey_file.{n}")), seed).unwrap();
    }
    for (name, kind) in
        [("tls_cert", "CERTIFICATE"), ("tls_key", "PRIVATE KEY"), ("tls_root_ca_file", "CERTIFICATE")]
    {
        for n in [1, 2] {
            std::fs::write(files.path().join(format!("{name}.{n}")), pem(kind)).unwrap();
        }
    }
    for option in options::all() {
        if OF_TOPOLOGY.contains(&option.name) {
            continue;
        }
        let [old, new] = two_values(option, files.path())
            .map(|value| file(option.scope, option.name, &value, files.path()));
        let (old_config, new_config) = (config(&old), config(&new));
        let found = changes(&old_config, &new_config);
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        if (option.scope, option.name) == (Scope::Server, "name") {
            assert_eq!(
                shown,
                [
                    "pool p: server one (a:1) removed",
                    "pool p: server two (a:1) added",
                    "pool p: together 68 % of keys move"
                ]
            );
            continue;
        }
        let [change] = found.as_slice() else { panic!("{old}\n{new}\n{shown:#?}") };
        // Tables are changed as a whole.
        let name = match option.scope {
            Scope::Listener => "listen",
            Scope::Tls => "tls",
            Scope::ServerTls => "server_tls",
            Scope::QueueTopic => "topic",
            _ => option.name,
        };
        assert_eq!(named(change), name, "{shown:?}");
        assert_eq!(change.applies, option.applies, "{shown:?}");
        assert!(shown[0].contains("restart") == (option.applies == Applies::Restart), "{shown:?}");
        let in_force = in_force(&old_config, &new_config);
        let (applied, left) = (changes(&old_config, &in_force), changes(&in_force, &new_config));
        match option.applies {
            Applies::Restart => assert_eq!((applied.len(), left), (0, found)),
            Applies::Live | Applies::NewConnections => assert_eq!((applied, left.len()), (found, 0)),
        }
    }
}

const SENTINELS: &str = "\
[pool.s]
listen = \"127.0.0.1:1\"
topology = \"sentinel\"
sentinels = [\"a:1\"]
masters = [\"one\", \"two\"]
sentinel_user = \"u\"
sentinel_password = \"x\"
";

#[test]
fn changes_of_sentinels() {
    for (from, to, wanted) in [
        ("[\"a:1\"]", "[\"a:1\", \"b:2\"]", vec!["pool s: sentinels [\"a:1\"] -> [\"a:1\", \"b:2\"]"]),
        ("\"two\"]", "\"two\", \"three\"]", vec!["pool s: server three added, 35 % of keys move"]),
        ("\"one\", ", "", vec!["pool s: server one removed, 51 % of keys move"]),
        ("\"u\"", "\"v\"", vec!["pool s: sentinel_user u -> v"]),
        ("\"x\"", "\"y\"", vec!["pool s: sentinel_password changed"]),
    ] {
        assert_eq!(lines(SENTINELS, &SENTINELS.replace(from, to)), wanted);
    }
}

const POOLS: &str = "\
[pool.cache]
listen = \"127.0.0.1:1\"
auth = \"s3cret\"
servers = [\"10.0.0.1:6379\", \"10.0.0.2:6379:1 two\"]
";

#[test]
fn lines_for_people() {
    let changed = |from: &str, to: &str| lines(POOLS, &POOLS.replace(from, to));
    let servers = "\"10.0.0.1:6379\", \"10.0.0.2:6379:1 two\"";
    for (from, to, wanted) in [
        ("[pool", "threads = 2\n[pool", vec!["threads 4 -> 2 needs a restart"]),
        ("servers", "timeout = \"250ms\"\nservers", vec!["pool cache: timeout 5s -> 250ms"]),
        ("servers", "timeout = \"off\"\nservers", vec!["pool cache: timeout 5s -> off"]),
        ("servers", "db = 3\nservers", vec!["pool cache: db 0 -> 3"]),
        ("servers", "client_connections = 3\nservers", vec!["pool cache: client_connections unset -> 3"]),
        (
            "servers",
            "hash_tag = \"{}\"\nservers",
            vec!["pool cache: hash_tag unset -> {}, keys with a hash tag move"],
        ),
        ("s3cret", "other", vec!["pool cache: auth changed, for new connections"]),
        ("auth = \"s3cret\"", "", vec!["pool cache: auth removed, for new connections"]),
        ("127.0.0.1:1", "127.0.0.1:2", vec!["pool cache: listen 127.0.0.1:1 -> 127.0.0.1:2"]),
        (
            "\"127.0.0.1:1\"",
            "[\"127.0.0.1:2\", \"/a b 0600\"]",
            vec![
                "pool cache: listener 127.0.0.1:1 removed",
                "pool cache: listener 127.0.0.1:2 added",
                "pool cache: listener \"/a b 0600\" added",
            ],
        ),
        (servers, "\"10.0.0.2:6379:1 two\", \"10.0.0.1:6379\"", vec![]),
        ("\"127.0.0.1:1\"", "[\"127.0.0.1:1\"]", vec![]),
        (
            "10.0.0.2",
            "10.0.0.9",
            vec!["pool cache: server two moved from 10.0.0.2:6379 to 10.0.0.9:6379, no keys move"],
        ),
        (
            "6379\",",
            "6379\", \"10.0.0.3:6379\",",
            vec!["pool cache: server 10.0.0.3:6379 added, 36 % of keys move"],
        ),
        ("\"10.0.0.1:6379\", ", "", vec!["pool cache: server 10.0.0.1:6379 removed, 48 % of keys move"]),
        (":1 two", ":3 two", vec!["pool cache: server two weight 1 -> 3, 24 % of keys move"]),
        (
            servers,
            "\"10.0.0.1:6379:2\", \"10.0.0.7:6379\", { address = \"10.0.0.2:6379\", name = \"two\", password = \"x\" }",
            vec![
                "pool cache: server two password changed",
                "pool cache: server 10.0.0.1:6379 weight 1 -> 2",
                "pool cache: server 10.0.0.7:6379 added",
                "pool cache: together 36 % of keys move",
            ],
        ),
        (
            servers,
            "\"local\"",
            vec![
                "pool cache: server two (10.0.0.2:6379) removed needs a restart",
                "pool cache: server 10.0.0.1:6379 removed needs a restart",
                "pool cache: server local added needs a restart",
                "pool cache: together all keys move",
            ],
        ),
        ("servers", "distribution = \"random\"\nservers", vec!["pool cache: distribution ketama -> random"]),
        (
            "auth = \"s3cret\"",
            "protocol = \"memcache\"",
            vec![
                "pool cache: protocol redis -> memcache, its clients are disconnected",
                "pool cache: auth removed, for new connections",
            ],
        ),
        (
            "cache",
            "\"a b\"",
            vec!["pool cache removed, its clients are disconnected", "pool \"a b\" added on 127.0.0.1:1"],
        ),
        (
            "[pool",
            "[stats]\n[log]\nfile = \"/l\"\n[pool",
            vec!["log: file unset -> /l", "stats added on 127.0.0.1:22222"],
        ),
        (
            "[pool",
            "[queue]\nhttp = \"127.0.0.1:4\"\n[pool",
            vec!["queue added on 127.0.0.1:4150, 127.0.0.1:4, 127.0.0.1:4152 needs a restart"],
        ),
    ] {
        assert_eq!(changed(from, to), wanted, "{to}");
    }
}

/// The addresses of authorization servers may contain a user and a password.
#[test]
fn a_secret_of_an_address_is_not_shown() {
    let queue = |address: &str| format!("[queue]\nauth_http_addresses = [\"http://{address}\", \"b:1\"]\n");
    let shown = lines(&queue("u:s3cret@a"), &queue("a?s3cret"));
    assert_eq!(
        shown,
        ["queue: auth_http_addresses [(hidden), \"b:1\"] -> [(hidden), \"b:1\"], for new connections"]
    );
}

/// Changes to the presence of the queue, the lookup or a pool's embedded cache need a restart.
#[test]
fn in_force_until_a_restart() {
    let pool = |server: &str| format!("[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"{server}\"]\n");
    for (old, new) in [
        (pool("a:1"), pool("local")),
        (pool("local"), pool("a:1")),
        (pool("a:1"), pool("a:1") + "[queue]\n[lookup]\n"),
        (pool("a:1") + "[queue]\n[lookup]\n", pool("a:1")),
    ] {
        let (old, new) = (config(&old), config(&new));
        assert_ne!(changes(&old, &new), []);
        assert_eq!(changes(&old, &in_force(&old, &new)), []);
    }
}

#[test]
fn sets_for_a_reload() {
    let old = config(
        &format!("{POOLS}\"c:1\"]\n[pool.old]\nlisten = \"127.0.0.1:2\"\nservers = [\"a:1\"]\n")
            .replace("]\n\"c:1\"]", ", \"c:1\"]"),
    );
    let new = config(
        "[pool.cache]\nlisten = \"127.0.0.1:1\"\nauth = \"other\"\nservers = [\"10.0.0.1:6379:5\", \"d:1\", \
         { address = \"c:1\", password = \"s3cret\" }]\n\
         [pool.new]\nlisten = \"127.0.0.1:2\"\nservers = [\"a:1\"]\n",
    );
    let pools = pools(&old, &new);
    let names =
        |pools: &[&crate::checked::Pool]| pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&pools.added), names(&pools.removed)), (vec!["new".into()], vec!["old".into()]));
    let [(before, after)] = pools.changed.as_slice() else { panic!("{:?}", pools.changed) };
    let servers = servers(before, after);
    let names =
        |servers: &[&Server]| servers.iter().map(|server| server.identity.clone()).collect::<Vec<_>>();
    let pairs = |pairs: &[(&Server, &Server)]| names(&pairs.iter().map(|(_, new)| *new).collect::<Vec<_>>());
    assert_eq!(
        (names(&servers.added), names(&servers.removed)),
        (vec!["d:1".to_owned()], vec!["two".to_owned()])
    );
    // The first server used the pool's password, which changes; the other now
    // has the pool's old one as its own.
    assert_eq!(pairs(&servers.replaced), ["10.0.0.1:6379"]);
    assert_eq!(pairs(&servers.kept), ["c:1"]);
}
