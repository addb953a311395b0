//! Tests from a file to its faults.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Secret;
use crate::checked::{Listen, PoolListen, Protocol, Target};
use crate::endpoint::show_listen;
use crate::fault::Severity;

/// Every fault as `LINE:COLUMN SEVERITY TEXT`, W for a warning.
fn faults(text: &str) -> Vec<String> {
    check(text, 2)
        .faults
        .iter()
        .map(|fault| {
            let at = fault.position.map_or(String::new(), |p| format!("{}:{} ", p.line, p.column));
            let severity = if fault.severity == Severity::Warning { "W " } else { "" };
            format!("{at}{severity}{}", fault.text)
        })
        .collect()
}

#[test]
fn topologies() {
    let pool = "[pool.p]\nlisten = \"127.0.0.1:1\"\nservers = [\"127.0.0.1:2\"]\n";
    let sentinel = |text: &str| format!("[pool.p]: {text}");
    for (options, wanted) in [
        ("topology = \"ring\"", vec![]),
        ("masters = [\"m\"]", vec![sentinel("masters is for pools with topology = \"sentinel\" only")]),
        ("topology = \"cluster\"\ntopology_refresh = \"1s\"", vec![]),
        ("topology = \"cluster\"\ndb = 1", vec!["[pool.p]: a cluster has database 0 only".to_owned()]),
        (
            "topology = \"cluster\"\nhash = \"md5\"",
            vec!["[pool.p]: hash has no meaning in a cluster".to_owned()],
        ),
        ("pretend_cluster = true\npretend_cluster_peers = [\"a:1\", \"[::1]:2\"]", vec![]),
        (
            "pretend_cluster_peers = [\"a:1\"]",
            vec!["[pool.p]: pretend_cluster_peers is for pretend_cluster = true only".to_owned()],
        ),
        (
            "pretend_cluster = true\npretend_cluster_peers = [\"a\"]",
            vec!["[pool.p]: \"a\" is no address".to_owned()],
        ),
        ("topology = \"cluster\"\nread_from = \"nearest\"\nzone = \"a\"\nreplica_lag_max = \"1s\"", vec![]),
        (
            "topology = \"cluster\"\nread_from = \"nearest\"\nzone = \"a\"\nzones = [\"10.0.0.1=a\", \"::1=b\"]",
            vec![],
        ),
        (
            "topology = \"cluster\"\nread_from = \"nearest\"\nzone = \"a\"\nzones = [\"10.0.0.1\"]",
            vec!["[pool.p]: \"10.0.0.1\" names no zone of a host".to_owned()],
        ),
        (
            "topology = \"cluster\"\nread_from = \"nearest\"\nzones = [\"h=a\"]",
            vec!["[pool.p]: zones are compared with zone, which is not set".to_owned()],
        ),
        ("topology = \"cluster\"\nread_from = \"replica\"\nhedge_after = \"p95\"", vec![]),
        ("topology = \"cluster\"\nread_from = \"replica\"\nhedge_after = \"1ms\"", vec![]),
        (
            "topology = \"cluster\"\nread_from = \"replica\"\nhedge_after = \"11s\"",
            vec!["[pool.p]: \"11s\" is no time to hedge after".to_owned()],
        ),
        (
            "topology = \"cluster\"\nhedge_after = \"p95\"",
            vec!["[pool.p]: hedge_after is for pools that read from replicas".to_owned()],
        ),
        (
            "topology = \"cluster\"\nzone = \"a\"",
            vec!["[pool.p]: zone is for pools that read from replicas".to_owned()],
        ),
        (
            "read_from = \"replica\"",
            vec![
                "[pool.p]: read_from is for pools with topology = \"cluster\" or \"sentinel\" only"
                    .to_owned(),
            ],
        ),
        (
            "topology = \"cluster\"\nserver_connections = 2",
            vec![
                "[pool.p]: a cluster pool has one connection to each node, which keeps requests in order"
                    .to_owned(),
            ],
        ),
    ] {
        let faults = check(&format!("{pool}{options}\n"), 1).faults;
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        let errors: Vec<String> = errors.map(|fault| fault.text.clone()).collect();
        assert_eq!(errors, wanted, "{options}");
    }
}

#[test]
fn sentinels() {
    let pool = "[pool.p]\nlisten = \"127.0.0.1:1\"\ntopology = \"sentinel\"\n";
    let checked = |options: &str| check(&format!("{pool}{options}\n"), 1);
    let faults =
        |options: &str| checked(options).faults.into_iter().map(|fault| fault.text).collect::<Vec<_>>();
    let good = "sentinels = [\"a:1\", \"[::1]:2\"]\nmasters = [\"two\", \"m\"]\n";
    let config = checked(good).config.expect("no faults");
    let pool = &config.pools[0];
    assert_eq!(pool.discovery.sentinels.addresses, [("a".to_owned(), 1), ("::1".to_owned(), 2)]);
    let names: Vec<&str> = pool.servers.iter().map(|server| &*server.identity).collect();
    assert_eq!(names, ["m", "two"]);
    assert!(pool.servers.iter().all(|server| server.target == Target::Master));
    for (options, wanted) in [
        ("", vec!["there are no sentinels", "there are no masters"]),
        ("sentinels = [\"a\"]\nmasters = [\"m\"]", vec!["\"a\" is no address"]),
        ("sentinels = [\"/a\"]\nmasters = [\"m\"]", vec!["\"/a\" is no address"]),
        ("sentinels = [\"a:1\"]\nmasters = [\"m\", \"m\"]", vec!["masters has \"m\" twice"]),
        ("sentinels = [\"a:1\"]\nmasters = [\"a b\"]", vec!["\"a b\" is no name of a master"]),
        (&format!("{good}servers = [\"a:1\"]"), vec!["the Sentinels name the servers"]),
        (&format!("{good}protocol = \"memcache\""), vec!["Sentinels watch no memcached servers"]),
        (&format!("{good}sentinel_user = \"u\""), vec!["sentinel_user has no password"]),
    ] {
        let found = faults(options);
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        assert!(found.iter().zip(&wanted).all(|(found, wanted)| found.contains(wanted)), "{found:?}");
    }
}

#[test]
fn an_empty_snapshot_is_none() {
    for (written, file) in
        [("", Some("nuthatch-data/lookup.json")), ("snapshot = \"\"", None), ("snapshot = \"s\"", Some("s"))]
    {
        let config = check(&format!("[queue]\n[lookup]\n{written}\n"), 1).config.unwrap();
        assert_eq!(config.lookup.unwrap().snapshot.as_deref(), file.map(std::path::Path::new), "{written}");
    }
}

#[test]
fn the_default_file() {
    let config = default(3);
    assert_eq!(check(DEFAULT_FILE, 3).faults, []);
    assert_eq!(config.threads, 3);
    let pools: Vec<_> =
        config.pools.iter().map(|p| (p.name.as_str(), p.protocol, p.listen.clone())).collect();
    let at = |port| Listen::Tcp { host: "127.0.0.1".into(), port };
    let only = |port| vec![PoolListen::plain(at(port))];
    assert_eq!(
        pools,
        [("redis", Protocol::Redis, only(22121)), ("memcache", Protocol::Memcache, only(22122))]
    );
    assert!(config.pools.iter().all(|pool| pool.servers[0].target == Target::Local));
    assert_eq!(config.admin.as_ref().unwrap().listen, at(22220));
    assert_eq!(config.stats.as_ref().unwrap().listen, Listen::Tcp { host: "127.0.0.1".into(), port: 22222 });
    let queue = config.queue.unwrap();
    assert_eq!(queue.tcp, Listen::Tcp { host: "127.0.0.1".into(), port: 4150 });
    assert_eq!(queue.data_path.to_str(), Some("nuthatch-data"));
}

#[test]
fn a_full_file() {
    let text = r#"
threads = 4
memory_budget = "512MiB"
stop_timeout = "3s"
coalesce = "off"
[log]
level = "debug"
format = "json"
file = "/var/log/nuthatch.log"
[local]
bytes = "1MiB"
[pool.beta]
listen = ["127.0.0.1:1001", "/tmp/beta.sock 0660"]
servers = ["10.0.0.1:6379:2 one", { address = "10.0.0.2:6379", weight = 3, name = "two", password = "pw" }, "local x"]
hash = "murmur"
distribution = "modula"
hash_tag = "{}"
timeout = "400ms"
db = 3
auth = "secret"
server_retry_timeout = 500
unsupported = "close"
client_connections = 10
keepalive = "off"
[queue]
tcp = "127.0.0.1:0"
max_msg_size = "2MiB"
e2e_processing_latency_percentiles = [0.5, 1]
durability = "fsync"
channels_from = "beginning"
max_defer_timeout = "30d"
"#;
    assert_eq!(faults(text), Vec::<String>::new());
    let config = check(text, 2).config.unwrap();
    assert_eq!((config.threads, config.memory_budget_bytes), (4, 512 << 20));
    assert_eq!((config.coalesce.as_micros(), default(1).coalesce.as_micros()), (0, 200));
    assert_eq!((config.stats, config.admin), (None, None));
    let pool = &config.pools[0];
    let identities: Vec<_> = pool.servers.iter().map(|s| (s.identity.as_str(), s.weight)).collect();
    assert_eq!(identities, [("x", 1), ("one", 2), ("two", 3)]);
    assert_eq!(pool.servers[2].password, Some(crate::Secret::new("pw")));
    assert_eq!((pool.timeout.unwrap().as_millis(), pool.server_retry_timeout.as_millis()), (400, 500));
    assert_eq!((pool.keepalive, pool.client_connections), (None, Some(10)));
    let queue = config.queue.unwrap();
    assert_eq!((queue.max_msg_size, queue.e2e_percentiles), (2 << 20, vec![1.0, 0.5]));
    assert_eq!(queue.durability, journal::Durability::Fsync);
    assert!(queue.channels_from_beginning);
    assert_eq!(queue.max_defer_timeout.as_secs(), 30 * 86_400);
    assert_eq!(default(1).queue.unwrap().max_defer_timeout.as_secs(), 3600);
}

#[test]
fn every_fault_at_once() {
    let text = "\
thread = 2
memory_budget = \"lots\"
[lgo]
[pool.a]
listen = \"127.0.0.1\"
servers = [\"a:1:0\", \"b:1\", \"b:1\", 7, { name = \"x y\" }]
timout = \"1s\"
hash = \"murmer\"
backlog = -1
preconnect = \"yes\"
hash_tag = \"abc\"
[pool.b]
protocol = \"memcache\"
listen = []
auth = \"x\"
redis_db = 3
";
    assert_eq!(
        faults(text),
        [
            "1:1 unknown option thread in the top of the file",
            "2:17 memory_budget is not a size such as \"16KiB\", \"64MiB\" or \"1GB\"",
            "3:2 unknown section [lgo]",
            "5:10 listen: \"127.0.0.1\" has no port",
            "6:12 servers: \"a:1:0\" has an invalid weight",
            "6:35 servers has a whole number in it",
            "6:38 a server has no address",
            "6:47 name = \"x y\" has a space",
            "7:1 unknown option timout in [pool.a]",
            "8:8 hash = \"murmer\" is unknown",
            "9:11 backlog = -1 is out of range",
            "10:14 preconnect is a text",
            "11:12 hash_tag = \"abc\" is not two characters",
            "12:7 [pool.b] has no servers",
            "14:10 listen is empty",
            "15:8 [pool.b]: auth is for redis pools only",
            "16:1 unknown option redis_db in [pool.b]",
        ]
    );
    let help: Vec<_> = check(text, 2).faults.into_iter().map(|fault| fault.help).collect();
    assert_eq!(help[0], "did you mean threads?");
    assert_eq!(help[2], "did you mean [log]?");
    assert_eq!(help[8], "did you mean timeout?");
    assert_eq!(help[16], "here it is called db");
}

#[test]
fn an_option_in_the_wrong_section_is_told_where_it_belongs() {
    for (text, help) in [
        ("msg_timeout = \"5s\"\n", "write msg_timeout in [queue]"),
        ("tcp_address = \":4150\"\n", "write tcp in [queue]"),
        ("lookupd_tcp_address = [\"a:1\"]\n", "write nsqlookupd_tcp_addresses in [queue]"),
        ("[queue]\nmemory_budget = \"1GiB\"\n", "write memory_budget in the top of the file"),
        ("[log]\nservers = []\n", "write servers in [pool.NAME]"),
        ("[queue]\nmax_topic = 5\n", "did you mean max_topics?"),
    ] {
        assert_eq!(check(text, 1).faults[0].help, help, "{text}");
    }
}

#[test]
fn one_fault_each() {
    let pool = |lines: &str| format!("[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"a:1\"]\n{lines}\n");
    let cases = [
        (
            pool("timeout = \"5\\u0073s\""),
            "4:11 timeout is not a duration such as \"400ms\", \"2s\" or \"1m30s\"",
        ),
        (pool("timeout = -1"), "4:11 timeout is negative"),
        (pool("timeout = 1.5"), "4:11 timeout is a number with a fraction"),
        (pool("timeout = \"400d\""), "4:11 timeout is out of range"),
        (pool("db = 99999999999"), "4:6 db = 99999999999 is out of range"),
        (pool("auth = \"\""), "4:8 auth is empty"),
        (pool("auth = 1"), "4:8 auth is a whole number"),
        (pool("db = 2020-01-01"), "4:6 db is a date"),
        (pool("db = 1\ndb = 2"), "5:1 duplicate key"),
        ("queue = 3\n".into(), "1:1 queue is a section, not an option"),
        (
            pool("client_output_soft_bytes = \"2GiB\""),
            "4:28 [pool.a]: client_output_soft_bytes is above client_output_hard_bytes",
        ),
        (
            pool("[stats]\nlisten = \"127.0.0.1:1\""),
            "2:10 127.0.0.1:1 is listened on twice (first on line 5)",
        ),
        (
            "[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"a:1\", \"b:2 a:1\"]\n".into(),
            "3:19 [pool.a] has two servers called \"a:1\" (the other on line 3)",
        ),
        ("[pool]\na = 1\n[queue]\n".into(), "2:1 a stands in [pool], which has no options"),
        ("[queue]\nmax_deflate_level = 10\n".into(), "2:21 max_deflate_level = 10 is out of range"),
        (
            "[queue]\ntls_required = \"true\"\n".into(),
            "2:16 [queue]: cannot require TLS client connections without TLS key and cert",
        ),
        ("[queue]\nmax_req_timeot = 1\n".into(), "2:1 unknown option max_req_timeot in [queue]"),
        ("[queue]\ntcp_address = \"a:1\"\n".into(), "2:1 unknown option tcp_address in [queue]"),
    ];
    for (text, fault) in cases {
        assert_eq!(faults(&text), [fault], "{text}");
        assert_eq!(check(&text, 1).config, None);
    }
}

#[test]
fn more_servers_than_shards_can_number_are_refused() {
    use crate::limits::{POOL_SERVERS_MAX, POOLS_MAX, SERVERS_MAX, of_all};
    let check_pool = |servers: usize| {
        let servers: String = (0..servers).map(|i| format!("\"s{i}:1\",\n")).collect();
        check(&format!("[pool.p]\nlisten = \"/s\"\nservers = [\n{servers}]\ndistribution = \"modula\"\n"), 1)
    };
    let errors = |report: &Report| -> Vec<String> {
        let errors = report.faults.iter().filter(|fault| fault.severity == Severity::Error);
        errors.map(|fault| fault.text.clone()).collect()
    };
    let report = check_pool(POOL_SERVERS_MAX + 1);
    assert_eq!(errors(&report), ["pool 'p' has 16385 servers, at most 16384 are possible"]);
    let report = check_pool(POOL_SERVERS_MAX);
    assert!(errors(&report).is_empty());
    let full = report.config.unwrap().pools.remove(0);
    let empty = Pool { servers: Vec::new(), ..full.clone() };
    let one = Pool { servers: full.servers[..1].to_vec(), ..full.clone() };
    let mut pools = vec![full; SERVERS_MAX / POOL_SERVERS_MAX];
    pools.resize(POOLS_MAX, empty);
    assert_eq!(of_all(&pools), None);
    let text = |pools: &[Pool]| of_all(pools).map(|(text, _)| text).unwrap_or_default();
    pools[POOLS_MAX - 1] = one.clone();
    assert_eq!(text(&pools), "131073 servers in all pools together, at most 131072 are possible");
    pools.push(one);
    assert_eq!(text(&pools), "16385 pools, at most 16384 are possible");
}

#[test]
fn files_of_tls_hold_what_they_should() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cert = file("c.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let key = file("k.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let junk = file("junk", "junk");
    let (c, k, ca) = ("2:12 [queue]: ", "3:11 [queue]: ", "4:20 [queue]: ");
    let failed = "failed to build TLS config - ";
    for (lines, expected) in [
        (vec![("tls_cert", &cert), ("tls_key", &key), ("tls_root_ca_file", &cert)], vec![]),
        (vec![("tls_cert", &cert)], vec![format!("{c}tls_cert has no effect without tls_key")]),
        (vec![("tls_key", &key)], vec!["2:11 [queue]: tls_key has no effect without tls_cert".into()]),
        (
            vec![("tls_cert", &junk), ("tls_key", &junk), ("tls_root_ca_file", &junk)],
            vec![
                format!("{c}{failed}{junk}: tls: failed to find any PEM data in certificate input"),
                format!("{k}{failed}{junk}: tls: failed to find any PEM data in key input"),
                format!("{ca}{failed}{junk}: failed to append certificate to pool"),
            ],
        ),
    ] {
        let lines: String = lines.iter().map(|(option, path)| format!("{option} = \"{path}\"\n")).collect();
        assert_eq!(faults(&format!("[queue]\n{lines}")), expected, "{lines}");
    }
}

#[test]
fn every_file_that_cannot_be_read_is_named_beside_other_faults() {
    let text = "[queue]\ntls_cert = \"/nonexistent/c\"\ntls_key = \"/nonexistent/k\"\ntls_root_ca_file = \"/nonexistent/r\"\nsnappy = 1\n";
    let open = |line, column, path| {
        format!(
            "{line}:{column} [queue]: failed to build TLS config - open /nonexistent/{path}: no such file or directory"
        )
    };
    let expected =
        [open(2, 12, "c"), open(3, 11, "k"), open(4, 20, "r"), "5:10 snappy is a whole number".into()];
    let mut got = faults(text);
    got.sort();
    assert_eq!(got, expected);
}

#[test]
fn warnings() {
    let pool = |listen: &str, lines: &str| {
        format!("[pool.a]\nlisten = \"{listen}\"\nservers = [\"a:1\", \"b:1\"]\n{lines}\n")
    };
    let cases = [
        (pool("0.0.0.0:1", ""), "2:10 W [pool.a]: 0.0.0.0:1 is open to everybody who can reach this machine"),
        (
            pool("127.0.0.1:1", "timeout = 0"),
            "4:11 W [pool.a]: without a timeout a stuck server holds its clients for ever",
        ),
        (
            pool("127.0.0.1:1", "server_connections = 3"),
            "4:22 W [pool.a]: with server_connections = 3 a client's requests to one server may overtake each other",
        ),
        (
            "[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"a:1\"]\nauto_eject_hosts = true\n".into(),
            "4:20 W [pool.a]: auto_eject_hosts with one server leaves none when it is ejected",
        ),
        (
            "[queue]\ntcp = \"0.0.0.0:1\"\n".into(),
            "2:7 W [queue]: 0.0.0.0:1 is open to everybody who can reach this machine",
        ),
        (
            "[queue]\n[admin]\nlisten = \"0.0.0.0:1\"\n".into(),
            "3:10 W [admin]: 0.0.0.0:1 shows names, keys and messages to everybody who can reach it",
        ),
        (
            "[queue]\n[admin]\nlisten = \"0.0.0.0:1\"\n[user.a]\ncertificate = \"a\"\nadmin = \"operate\"\n"
                .into(),
            "3:10 W [admin]: passwords cross the network in clear at 0.0.0.0:1",
        ),
        ("[queue]\nmsg_timeout = \"20m\"\n".into(), "2:15 W [queue]: msg_timeout is above max_msg_timeout"),
        (
            "[queue]\nmin_output_buffer_timeout = \"1m\"\n".into(),
            "2:29 W [queue]: min_output_buffer_timeout is above max_output_buffer_timeout",
        ),
        (
            "[queue]\nnsqlookupd_tcp_addresses = [\"[::1]:4160\", \"lookup\"]\n".into(),
            "2:28 W [queue]: lookup has no port",
        ),
        ("[queue]\nstatsd_address = \"statsd\"\n".into(), "2:18 W [queue]: statsd has no port"),
        (
            "[queue]\nenable_experiment = [\"topology-aware-consumption\", \"warp\"]\n".into(),
            "2:21 W [queue]: there is no experiment warp",
        ),
        ("threads = 1\n".into(), "W nothing is served"),
    ];
    for (text, warning) in cases {
        assert_eq!(faults(&text), [warning], "{text}");
        assert!(check(&text, 1).config.is_some());
    }
    let narrow = pool("127.0.0.1:1", "hash = \"crc32\"");
    assert!(
        faults(&narrow)[0].starts_with("4:8 W [pool.a]: hash crc32 has 15 bits only"),
        "{:?}",
        faults(&narrow)
    );
    let poor = "[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"a:1:1\", \"b:1:1000000\"]\n";
    assert!(faults(poor)[0].contains("gets no keys"), "{:?}", faults(poor));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        check(&text, 1);
    }

    #[test]
    fn no_toml_like_text_panics(
        lines in proptest::collection::vec(
            "(\\[(pool\\.a|queue|log|stats|x)\\]|(listen|servers|timeout|hash|tcp|level|threads|auth|backlog) = ([0-9-]{1,25}|\"[a-z0-9:.\\[\\] /]{0,20}\"|\\[[\"a:1,{}= ]{0,12}\\]|true|1e400|nan))",
            0..8,
        )
    ) {
        check(&lines.join("\n"), 1);
    }
}

#[test]
fn a_socket_of_the_queue_has_its_mode() {
    let text = "[queue]\ntcp = \"/run/q.sock 0660\"\nhttp = \"/run/h.sock\"\n";
    let queue = check(text, 1).config.unwrap().queue.unwrap();
    assert_eq!(queue.tcp, Listen::Unix { path: "/run/q.sock".into(), mode: Some(0o660) });
    assert_eq!(queue.http, Some(Listen::Unix { path: "/run/h.sock".into(), mode: None }));
}

#[test]
fn all_addresses_of_ipv4_are_no_more_than_that() {
    let queue = check("[queue]\ntcp = \"0.0.0.0:4150\"\n", 1).config.unwrap().queue.unwrap();
    assert_eq!(queue.tcp, Listen::Tcp { host: "0.0.0.0".into(), port: 4150 });
}

/// Checks a file with its own variables.
fn check_with_variables(text: &str) -> Report {
    check_with(text, 1, &|name| match name {
        "HOST" => Ok("10.0.0.1".into()),
        "PORT" => Ok("6379".into()),
        "WAIT" => Ok("250ms".into()),
        "PASSWORD" => Ok("s3${cret".into()),
        _ => Err(std::env::VarError::NotPresent),
    })
}

#[test]
fn variables_in_every_text() {
    let text = "[log]\nfile = \"$${HOST}\"\n[pool.p]\nlisten = [\"${HOST}:1\", \"[::1]:${PORT}\"]\n\
                timeout = \"${WAIT}\"\nauth = '${PASSWORD}'\n\
                servers = [\"${HOST}:${PORT}:2 n\", { address = \"b:1\", password = \"x${PASSWORD}\" }]\n";
    let report = check_with_variables(text);
    let config = report.config.unwrap_or_else(|| panic!("{:?}", report.faults));
    assert_eq!(config.log.file, Some("${HOST}".into()));
    let pool = &config.pools[0];
    assert_eq!(
        pool.listen.iter().map(|listen| show_listen(&listen.address)).collect::<Vec<_>>(),
        ["10.0.0.1:1", "[::1]:6379"]
    );
    assert_eq!(pool.timeout, Some(Duration::from_millis(250)));
    assert_eq!(pool.auth.as_ref().map(Secret::reveal), Some("s3${cret"));
    assert_eq!(pool.servers[0].target, Target::Tcp { host: "10.0.0.1".into(), port: 6379 });
    assert_eq!(pool.servers[1].password.as_ref().map(Secret::reveal), Some("xs3${cret"));
}

/// A text with an unknown variable has no further faults; the rest of the file is checked.
#[test]
fn every_unknown_variable_with_its_line() {
    let text = "[pool.p]\nlisten = [\"${A}:1\", \"wrong\"]\nservers = [\"${HOST}\",\n  \"${B}\",\n  { address = \"${C}\" }]\n\
                timeout = \"${D}\"\nhash = \"${E\"\n[queue]\nhttp_names = [\"${F}\"]\nnode_id = \"${G}\"\n";
    let report = check_with_variables(text);
    assert_eq!(report.config, None);
    let found: Vec<String> = report.faults.iter().map(|fault| fault.show("f").to_string()).collect();
    let literal = "set it; for a literal ${ write $${";
    assert_eq!(
        found,
        [
            format!("f:2:11: error: the variable A is not set; {literal}"),
            "f:2:21: error: listen: \"wrong\" has no port; write HOST:PORT, such as \"127.0.0.1:22121\" or \"[::1]:22121\", or a path \
             that begins with /"
                .into(),
            "f:3:12: error: servers: \"10.0.0.1\" has no port; write HOST:PORT, such as \"127.0.0.1:22121\" or \"[::1]:22121\", or a \
             path that begins with /"
                .into(),
            format!("f:4:3: error: the variable B is not set; {literal}"),
            format!("f:5:15: error: the variable C is not set; {literal}"),
            format!("f:6:11: error: the variable D is not set; {literal}"),
            "f:7:8: error: ${E has no closing brace; write ${NAME} for a variable, $${ for a literal ${".into(),
            format!("f:9:15: error: the variable F is not set; {literal}"),
            format!("f:10:11: error: the variable G is not set; {literal}"),
        ]
    );
}

#[test]
fn passwords_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    std::fs::write(&path, "s3cret\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let path = path.display();
    let text = format!(
        "[pool.p]\nlisten = \"127.0.0.1:1\"\nauth_file = \"{path}\"\n\
         servers = [{{ address = \"a:1\", password_file = \"{path}\" }}, \"b:1\"]\n"
    );
    let report = check(&text, 1);
    let open = format!("{path} can be read by others than its owner (mode 0644); chmod 600 {path}");
    let found: Vec<String> = report.faults.iter().map(|fault| fault.show("f").to_string()).collect();
    assert_eq!(
        found,
        [format!("f:3:13: warning: auth_file: {open}"), format!("f:4:47: warning: password_file: {open}")]
    );
    let pool = &report.config.unwrap().pools[0];
    for secret in [&pool.auth, &pool.servers[0].password] {
        assert_eq!(secret.as_ref().map(Secret::reveal), Some("s3cret"));
    }
    for (option, wrong) in [
        (format!("auth = \"x\"\nauth_file = \"{path}\""), "4:13: error: auth and auth_file are both written"),
        (
            format!("protocol = \"memcache\"\nauth_file = \"{path}\""),
            "4:13: error: [pool.p]: auth_file is for redis pools",
        ),
        (
            "auth_file = \"/none\"".into(),
            "3:13: error: auth_file: /none cannot be read: no such file or directory",
        ),
        ("auth_file = \"\"".into(), "3:13: error: auth_file is empty"),
    ] {
        let text = format!("[pool.p]\nlisten = \"127.0.0.1:1\"\n{option}\nservers = [\"b:1\"]\n");
        let report = check(&text, 1);
        let found: Vec<String> = report.faults.iter().map(|fault| fault.show("f").to_string()).collect();
        assert!(found.iter().any(|fault| fault.contains(wrong)), "{found:?}");
        assert_eq!(report.config, None);
    }
}

const TLS: &str = "tls = { cert = \"c\", key = \"k\" }";

/// Listeners of a pool: whether each uses TLS.
#[test]
fn listeners_that_speak_tls() {
    let (text, plain) = ("\"127.0.0.1:1\"", "{ address = \"127.0.0.1:2\", tls = false }");
    let tls = "{ address = \"127.0.0.1:3\", tls = true }";
    for (listen, options, wanted) in [
        (text.to_owned(), "", &[false][..]),
        (text.to_owned(), TLS, &[true]),
        (format!("[{text}, {plain}]"), TLS, &[true, false]),
        (format!("[{text}, {tls}]"), TLS, &[false, true]),
        (format!("[{text}, {plain}, {tls}]"), TLS, &[false, false, true]),
        (tls.to_owned(), TLS, &[true]),
    ] {
        let file = format!("[pool.p]\nlisten = {listen}\nservers = [\"local\"]\n{options}\n");
        let report = check(&file, 1);
        let pool = report.config.unwrap_or_else(|| panic!("{file}{:?}", report.faults)).pools.remove(0);
        assert_eq!(pool.listen.iter().map(|listen| listen.tls).collect::<Vec<_>>(), wanted, "{file}");
    }
}

#[test]
fn tls_that_cannot_be() {
    for (options, fault) in [
        (
            "listen = { address = \"127.0.0.1:1\", tls = true }",
            "a listener says tls = true, and the pool has no tls",
        ),
        (
            "listen = { address = \"127.0.0.1:1\", tls = false }\ntls = { cert = \"c\", key = \"k\" }",
            "tls is not used: every listener says tls = false",
        ),
        ("listen = \"127.0.0.1:1\"\ntls = { cert = \"c\" }", "tls has no key"),
        ("listen = \"127.0.0.1:1\"\ntls = true", "tls is a boolean"),
        (
            "listen = \"127.0.0.1:1\"\ntls = { cert = \"c\", key = \"k\", client_auth = \"required\" }",
            "client_auth = \"required\" without client_ca",
        ),
        (
            "listen = \"127.0.0.1:1\"\ntls = { cert = \"c\", key = \"k\", client_names = [\"a\"] }",
            "client_names without certificates of clients",
        ),
        ("listen = \"127.0.0.1:1\"\nserver_tls = { cert = \"c\" }", "server_tls: cert without key"),
        (
            "listen = \"127.0.0.1:1\"\nserver_tls = { ca = \"c\", caa = 1 }",
            "unknown option caa in server_tls",
        ),
    ] {
        let report = check(&format!("[pool.p]\n{options}\nservers = [\"a:1\"]\n"), 1);
        let found: Vec<&str> = report.faults.iter().map(|fault| fault.text.as_str()).collect();
        assert!(found.iter().any(|text| text.contains(fault)), "{options}: {found:?}");
        assert!(report.config.is_none(), "{options}");
    }
}
