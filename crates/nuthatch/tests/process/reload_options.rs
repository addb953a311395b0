//! Every row of the options table, changed in a running process: it takes effect when the row says so.
//!
//! For each option two files differ only in it. A process started with the first reads the second: the change
//! is reported with the time at which it applies. A change that applies with the reload is in force
//! afterwards, so a dry run finds no difference; one that needs a restart is still a difference.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use config::options::{self, Applies, Kind, OptionSpec, Scope};

use crate::support::{Running, binary, called, free_port, text, wait_for};

/// Options whose change shows as another option's, or not alone.
const SHOWN_AS: &[(Scope, &str, &str)] = &[
    (Scope::Server, "name", "server two ("),
    (Scope::Server, "address", "server a moved"),
    (Scope::Server, "weight", "server a weight"),
    (Scope::Server, "password", "server a password changed"),
    (Scope::Server, "password_file", "server a password_file changed"),
    (Scope::Engine, "password_file", "engine: "),
    (Scope::Engine, "nkey_file", "engine: "),
    (Scope::QueueTopic, "match", "topic "),
    (Scope::QueueTopic, "storage", "topic "),
    (Scope::QueueTopic, "accept", "topic "),
    (Scope::Pool, "servers", "server "),
    (Scope::Pool, "masters", "server "),
    (Scope::Listener, "address", "listen"),
    (Scope::Listener, "tls", "listen"),
];

/// Options of a pool with Sentinels.
const OF_SENTINELS: &[&str] =
    &["sentinels", "masters", "sentinel_user", "sentinel_password", "sentinel_password_file", "sentinel_tls"];

/// Options of a pool over a cluster.
const OF_CLUSTER: &[&str] = &["hedge_after", "zones", "read_from", "zone", "replica_lag_max"];

fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

/// Two TOML values of an option. Path values are files in `files`.
fn two_values(option: &OptionSpec, files: &Path) -> [String; 2] {
    let files = |name: &str| [1, 2].map(|n| quoted(files.join(format!("{name}.{n}")).display()));
    match (option.scope, option.name) {
        (Scope::User, "password_sha256") => ["0", "1"].map(|digit| quoted(digit.repeat(64))),
        (Scope::User, "password_argon2") => ["c29tZXNhbHQ", "c29tZXNhbHU"].map(|salt| {
            quoted(format!("$argon2id$v=19$m=256,t=2,p=1${salt}$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"))
        }),
        (Scope::User, "commands") => ["+get", "+set"].map(quoted),
        (Scope::User, "certificate" | "pools" | "keys" | "publish" | "consume") => ["one", "two"].map(quoted),
        (Scope::User, "admin") => ["view", "operate"].map(quoted),
        (Scope::Tls | Scope::ServerTls, "cert" | "client_ca" | "ca") => files("tls_cert"),
        (Scope::Tls | Scope::ServerTls, "key") => files("tls_key"),
        (_, "tls_root_ca_file") => files("tls_cert"),
        (Scope::Queue, "auth_http_addresses") => {
            ["[\"127.0.0.1:1\"]", "[\"127.0.0.1:2\"]"].map(str::to_owned)
        }
        (Scope::Engine, "nkey") => ["A", "B"].map(|letter| quoted(format!("SU{}", letter.repeat(56)))),
        (Scope::Process, "threads") => ["2", "3"].map(str::to_owned),
        (Scope::Pool, "allow") => ["[\"flush\"]", "[\"admin\"]"].map(str::to_owned),
        (Scope::Pool, "hedge_after") => ["p95", "10ms"].map(quoted),
        (Scope::Pool, "zones") => ["[\"one=a\"]", "[\"two=b\"]"].map(str::to_owned),
        (Scope::Pool, "masters") => ["[\"one\"]", "[\"two\"]"].map(str::to_owned),
        _ => match option.kind {
            Kind::Bool => ["true", "false"].map(str::to_owned),
            Kind::Integer { min, .. } => [min, min + 1].map(|value| value.to_string()),
            Kind::Duration { min, .. } => [100, 200].map(|us| quoted(format!("{}us", min.as_micros() + us))),
            Kind::Size { min, .. } => [min + 4096, min + 8192].map(|value| value.to_string()),
            Kind::Path | Kind::PathOrNone | Kind::SecretFile { .. } => files(option.name),
            Kind::Text | Kind::Secret => ["one", "two"].map(quoted),
            Kind::Choice(words) => [words()[0], words()[1]].map(quoted),
            Kind::HashTag => ["{}", "[]"].map(quoted),
            Kind::Listen | Kind::Listens => [(); 2].map(|()| quoted(format!("127.0.0.1:{}", free_port()))),
            Kind::Target => ["127.0.0.1:1", "127.0.0.1:2"].map(quoted),
            Kind::Topics => ["a", "b"].map(|name| format!("[{{ match = \"{name}\" }}]")),
            Kind::Servers => ["[\"127.0.0.1:1\", \"127.0.0.1:2\"]", "[\"127.0.0.1:1\"]"].map(str::to_owned),
            Kind::Texts => ["[\"one:1\"]", "[\"two:2\"]"].map(str::to_owned),
            Kind::Quantiles => ["[0.5]", "[0.99]"].map(str::to_owned),
            Kind::Rate => ["1/s", "2/s"].map(quoted),
            Kind::Secrets => ["[\"one\"]", "[\"two\"]"].map(str::to_owned),
            Kind::Tls => {
                let (cert, key) = (files("tls_cert"), files("tls_key"));
                [0, 1].map(|n| format!("{{ cert = {}, key = {} }}", cert[n], key[n]))
            }
            Kind::ServerTls => files("tls_cert").map(|ca| format!("{{ ca = {ca} }}")),
        },
    }
}

/// Ports of the parts of one process, so that only intended changes move a port.
struct Ports {
    admin: u16,
    pool: u16,
    second: u16,
    stats: u16,
    queue: [u16; 3],
    lookup: [u16; 2],
}

/// The engine, and a rule for topics if one is tested. `lines` adds the tested option to the settings.
fn of_engine(scope: Scope, option: &str, lines: impl Fn(&[(&'static str, String)]) -> String) -> String {
    let mut engine = vec![("servers", quoted("127.0.0.1:1"))];
    if option.starts_with("password") {
        engine.push(("user", quoted("u")));
    }
    match scope {
        Scope::QueueTopic => {
            let rule = lines(&[("match", quoted("t"))]);
            format!("[[queue.topic]]\n{rule}[engine]\nservers = \"127.0.0.1:1\"\n")
        }
        Scope::Engine => format!("[engine]\n{}", lines(&engine)),
        _ => "[engine]\nservers = \"127.0.0.1:1\"\n".to_owned(),
    }
}

/// A file in which the option of this scope has this value.
fn file(scope: Scope, option: &str, value: &str, (files, ports): (&Path, &Ports)) -> String {
    let address = |port: u16| quoted(format!("127.0.0.1:{port}"));
    let path = |name: &str| quoted(files.join(name).display());
    let tls = format!("{{ cert = {}, key = {} }}", path("tls_cert.1"), path("tls_key.1"));
    let set = |settings: &[(&'static str, String)], of: &[Scope]| {
        let mut settings: BTreeMap<&str, String> = settings.iter().cloned().collect();
        if of.contains(&scope) {
            settings.insert(option, value.to_owned());
        }
        settings
    };
    let lines = |settings: BTreeMap<&str, String>| {
        settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect::<String>()
    };
    let table = |settings: BTreeMap<&str, String>| {
        let fields: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        format!("{{ {} }}", fields.join(", "))
    };
    let mut text = lines(set(&[("threads", "2".into())], &[Scope::Process]));
    // The log goes to standard error unless it is the tested option.
    text += &format!("[log]\n{}", lines(set(&[], &[Scope::Log])));
    text += &format!("[admin]\n{}", lines(set(&[("listen", address(ports.admin))], &[Scope::Admin])));
    text += &format!("[stats]\n{}", lines(set(&[("listen", address(ports.stats))], &[Scope::Stats])));
    text += &format!("[local]\n{}", lines(set(&[], &[Scope::Local])));
    let mut pool = set(
        &[
            ("listen", address(ports.pool)),
            ("servers", "[\"127.0.0.1:1\"]".into()),
            ("client_output_soft_bytes", "1024".into()),
        ],
        &[Scope::Pool],
    );
    match scope {
        Scope::Pool if option == "pretend_cluster_peers" => {
            pool.insert("pretend_cluster", "true".into());
        }
        Scope::Pool if OF_CLUSTER.contains(&option) => {
            pool.insert("topology", quoted("cluster"));
            pool.entry("read_from").or_insert(quoted("replica"));
            pool.extend((option == "zones").then(|| ("zone", quoted("a"))));
        }
        Scope::Pool if OF_SENTINELS.contains(&option) => {
            pool.remove("servers");
            pool.insert("topology", quoted("sentinel"));
            pool.entry("sentinels").or_insert("[\"127.0.0.1:1\"]".into());
            pool.entry("masters").or_insert("[\"m\"]".into());
            if option == "sentinel_user" {
                pool.insert("sentinel_password", quoted("s3cret"));
            }
        }
        Scope::Server => {
            let server = set(&[("address", address(1)), ("name", quoted("a"))], &[scope]);
            pool.insert("servers", format!("[{}, \"127.0.0.1:3\"]", table(server)));
        }
        Scope::Listener => {
            let listener = set(&[("address", address(ports.pool))], &[scope]);
            pool.insert("tls", tls);
            pool.insert(
                "listen",
                format!("[{}, {{ address = {}, tls = true }}]", table(listener), address(ports.second)),
            );
        }
        Scope::Tls => {
            let client = [
                ("cert", path("tls_cert.1")),
                ("key", path("tls_key.1")),
                ("client_ca", path("tls_cert.1")),
                ("client_auth", quoted("optional")),
            ];
            pool.insert("tls", table(set(&client, &[scope])));
        }
        Scope::ServerTls => {
            let server = [("cert", path("tls_cert.1")), ("key", path("tls_key.1"))];
            pool.insert("server_tls", table(set(&server, &[scope])));
        }
        _ => {}
    }
    text += &format!("[pool.p]\n{}", lines(pool));
    let queue = [
        ("tcp", address(ports.queue[0])),
        ("http", address(ports.queue[1])),
        ("https", address(ports.queue[2])),
        ("data_path", path("data")),
        ("max_defer_timeout", quoted("1h")),
        ("tls_cert", path("tls_cert.1")),
        ("tls_key", path("tls_key.1")),
    ];
    text += &format!("[queue]\n{}", lines(set(&queue, &[Scope::Queue])));
    text += &of_engine(scope, option, |settings| lines(set(settings, &[scope])));
    let lookup = [("tcp", address(ports.lookup[0])), ("http", address(ports.lookup[1]))];
    text += &format!("[lookup]\n{}", lines(set(&lookup, &[Scope::Lookup])));
    if scope == Scope::User {
        for name in ["one", "two"] {
            text += &format!(
                "[pool.{name}]\nlisten = \"{}\"\nservers = [\"127.0.0.1:1\"]\n",
                files.join(name).display()
            );
        }
        text += &format!("[user.u]\n{}", lines(set(&[("certificate", quoted("app"))], &[scope])));
    }
    text
}

/// A running process, and the file that it reads.
struct Process {
    directory: tempfile::TempDir,
    ports: Ports,
    running: Running,
}

impl Process {
    fn start() -> Process {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path();
        std::fs::create_dir(path.join("data")).expect("made");
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        for n in [1, 2] {
            std::fs::write(path.join(format!("tls_cert.{n}")), signed.cert.pem()).expect("written");
            std::fs::write(path.join(format!("tls_key.{n}")), signed.signing_key.serialize_pem())
                .expect("written");
            for name in ["auth_file", "password_file", "sentinel_password_file"] {
                std::fs::write(path.join(format!("{name}.{n}")), "s3cret\n").expect("written");
            }
            let seed = format!("SU{}\n", "A".repeat(56));
            std::fs::write(path.join(format!("nkey_file.{n}")), seed).expect("written");
        }
        let [admin, pool, second, stats] = [(); 4].map(|()| free_port());
        let ports = Ports {
            admin,
            pool,
            second,
            stats,
            queue: [(); 3].map(|()| free_port()),
            lookup: [(); 2].map(|()| free_port()),
        };
        std::fs::write(path.join("nuthatch.toml"), file(Scope::Process, "threads", "2", (path, &ports)))
            .expect("written");
        let mut command = called("nuthatch");
        let running = Running::start(command.args(["run", "-c", "nuthatch.toml"]).current_dir(path));
        wait_for("the admin port", || TcpStream::connect(("127.0.0.1", admin)).ok());
        Process { directory, ports, running }
    }

    /// Writes the file and reloads it. Returns the output, and whether the reload succeeded. It is triggered
    /// by a signal: the admin port moves, and may use TLS.
    fn reload(&self, content: &str) -> (bool, String) {
        std::fs::write(self.directory.path().join("nuthatch.toml"), content).expect("written");
        command(&["reload", "--pid", &self.running.pid().to_string()])
    }

    /// Changes that a reload would make.
    fn dry_run(admin: u16) -> (bool, String) {
        command(&["reload", "--dry-run", "--address", &format!("127.0.0.1:{admin}")])
    }
}

fn command(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().expect("it runs");
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// The port number in an address value.
fn port_of(value: &str) -> Option<u16> {
    value.trim_matches('"').rsplit(':').next()?.parse().ok()
}

#[test]
fn every_option_applies_when_its_row_says_so() {
    let process = Process::start();
    let files = process.directory.path();
    let ports = &process.ports;
    let mut looked_at = 0;
    for option in options::all() {
        let values = two_values(option, files);
        let [old, new] = [0, 1].map(|n| file(option.scope, option.name, &values[n], (files, ports)));
        let (done, said) = process.reload(&old);
        assert!(done, "{} {}: {said}\n{old}", option.scope.heading(), option.name);
        let (done, said) = process.reload(&new);
        assert!(done, "{} {}: {said}\n{new}", option.scope.heading(), option.name);
        let shown = SHOWN_AS.iter().find(|(scope, name, _)| (*scope, *name) == (option.scope, option.name));
        let named = match option.scope {
            Scope::Tls => "tls ",
            Scope::ServerTls => "server_tls ",
            _ => shown.map_or(option.name, |(.., shown)| shown),
        };
        let line = |said: &str| said.lines().find(|line| line.contains(named)).map(str::to_owned);
        let needs_restart = |line: &String| line.ends_with("needs a restart");
        let told = line(&said).unwrap_or_else(|| panic!("{}: {said}", option.name));
        assert_eq!(needs_restart(&told), option.applies == Applies::Restart, "{told}");
        looked_at += 1;
        let admin = match (option.scope, option.name) {
            (Scope::Admin, "listen") => port_of(&values[1]).expect("a port"),
            // No dry run over TLS, nor without a required login.
            (Scope::Admin, "tls") | (Scope::User, "admin") => continue,
            _ => ports.admin,
        };
        let (done, said) = Process::dry_run(admin);
        assert!(done, "{said}");
        let is_change = |line: &&str| !line.contains("is in force") && !line.contains(": warning: ");
        let left: Vec<&str> = said.lines().filter(is_change).collect();
        match option.applies {
            Applies::Restart => assert!(line(&said).as_ref().is_some_and(needs_restart), "{said}"),
            Applies::Live | Applies::NewConnections => {
                let in_force = left.iter().all(|line| line.ends_with("needs a restart"));
                assert!(in_force, "{} is not in force: {said}", option.name);
            }
        }
    }
    assert!(looked_at > 140, "{looked_at}");
}
