//! Reload of the configuration while the process runs: what changes, what does not, and what is reported.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::home::Home;
use crate::support::{PATIENCE, Running, ask, binary, called, connect, exchange, free_port, text, wait_for};

/// A process of the native face with a pool `cache` over the embedded cache, and an admin port.
struct Scene {
    running: Running,
    home: Home,
    cache: u16,
}

impl Deref for Scene {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Scene {
    fn start(options: &str, sections: &str) -> Scene {
        let (home, cache) = (Home::new(), free_port());
        home.write(options, &with_cache(cache, sections));
        let running = Running::start(&mut native(home.directory()));
        wait_for("the admin port", || TcpStream::connect(("127.0.0.1", home.admin)).ok());
        Scene { running, home, cache }
    }

    /// Rewrites the file: options of the process, and sections after the fixed ones.
    fn configure(&self, options: &str, sections: &str) {
        self.write(options, &with_cache(self.cache, sections));
    }

    /// `nuthatch reload` with further arguments: exit status and output.
    fn reload(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let admin = format!("127.0.0.1:{}", self.admin);
        command(&[&["reload", "--address", &admin], arguments].concat(), self.directory())
    }

    /// Reloads successfully. Returns the output.
    fn succeed(&self) -> String {
        let (code, said) = self.reload(&[]);
        assert_eq!(code, Some(0), "{said}\n{}", self.log());
        said
    }

    fn wait_for_log(&self, line: &str) {
        wait_for(line, || self.log().contains(line).then_some(()));
    }

    fn generation(&self) -> u64 {
        self.status()["configuration"]["generation"].as_u64().expect("a number")
    }

    fn metric(&self, name: &str) -> u64 {
        let page = exchange(self.admin, b"GET /metrics HTTP/1.0\r\n\r\n");
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect(name);
        line.parse::<f64>().expect("a number") as u64
    }
}

/// The pool over the embedded cache, then these sections.
fn with_cache(port: u16, sections: &str) -> String {
    pool("cache", port, &["local"], "") + sections
}

fn native(directory: &Path) -> Command {
    let mut command = called("nuthatch");
    command.args(["run", "-c", "nuthatch.toml"]).current_dir(directory);
    command
}

fn command(arguments: &[&str], directory: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    let output = command.args(arguments).current_dir(directory).stdin(Stdio::null()).output().expect("runs");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// A pool with these servers and options.
fn pool(name: &str, port: u16, servers: &[&str], options: &str) -> String {
    format!("[pool.{name}]\nlisten = \"127.0.0.1:{port}\"\nservers = {servers:?}\n{options}\n")
}

fn ping(port: u16) {
    assert_eq!(exchange(port, b"PING\r\n"), "+PONG\r\n");
}

fn refused(port: u16) -> Option<()> {
    TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
}

#[test]
fn a_pool_comes_changes_and_goes_and_clients_of_others_notice_nothing() {
    let scene = Scene::start("", "");
    let client = connect(scene.cache);
    ask(&client, "SET k v\r\n", "+OK\r\n");
    let port = free_port();
    scene.configure("", &pool("more", port, &["local"], ""));
    let said = scene.succeed();
    assert!(said.contains(&format!("pool more added on 127.0.0.1:{port}\n")), "{said}");
    assert!(said.contains("generation 2 is in force"), "{said}");
    ping(port);
    let more = connect(port);
    ask(&more, "PING\r\n", "+PONG\r\n");
    scene.wait_for_log(&format!("configuration: pool more added on 127.0.0.1:{port}"));
    scene.wait_for_log("configuration reloaded generation=2 changes=1");
    let status = scene.status();
    let shown =
        |what: &str| status["listening"].as_array().expect("a list").iter().any(|at| at["what"] == what);
    assert!(shown("redis pool more") && shown("redis pool cache") && shown("admin"), "{status}");
    assert!(
        status["pools"].as_array().expect("a list").iter().any(|pool| pool["name"] == "more"),
        "{status}"
    );

    // New clients use the other address; connected ones stay.
    let moved = free_port();
    scene.configure("", &pool("more", moved, &["local"], "client_pipeline_max = 7"));
    let said = scene.succeed();
    assert!(said.contains(&format!("listen 127.0.0.1:{port} -> 127.0.0.1:{moved}\n")), "{said}");
    ping(moved);
    ask(&more, "PING\r\n", "+PONG\r\n");
    wait_for("the old listener to be closed", || refused(port));

    scene.configure("", "");
    let said = scene.succeed();
    assert!(said.contains("pool more removed, its clients are disconnected\n"), "{said}");
    let mut rest = String::new();
    (&more).read_to_string(&mut rest).expect("an end");
    assert!(rest.starts_with("-ERR"), "{rest}");
    wait_for("the listener to be closed", || refused(moved));
    ask(&client, "GET k\r\n", "$1\r\nv\r\n");
    assert_eq!(scene.generation(), 4);
}

#[test]
fn an_address_is_listened_on_again_while_its_listener_still_leaves() {
    let scene = Scene::start("", "");
    let ports = [free_port(), free_port()];
    scene.configure("", &pool("more", ports[0], &["local"], ""));
    scene.succeed();
    for n in 1..6 {
        let port = ports[n % 2];
        scene.configure("", &pool("more", port, &["local"], ""));
        scene.succeed();
        ping(port);
    }
}

/// Faults of a new configuration, and the report of each. The old one stays in force.
#[test]
fn a_configuration_with_a_fault_changes_nothing() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("bound").port();
    let scene = Scene::start("", "");
    let client = connect(scene.cache);
    let port = free_port();
    let good = pool("more", port, &["local"], "");
    for (options, sections, reason) in [
        ("colour = 1", String::new(), "nuthatch.toml:2:1: error: "),
        ("", "[pool.more".to_owned(), "nuthatch.toml:"),
        ("", pool("more", taken, &["local"], ""), "[pool.more] listen: cannot listen on 127.0.0.1:"),
        ("", good.clone() + "[stats]\nlisten = \"127.0.0.1:TAKEN\"\n", "[stats] listen: cannot listen on "),
        (
            "",
            good.clone() + &pool("far", free_port(), &["no-such-host.invalid:1:1"], ""),
            "pool far: the server's name no-such-host.invalid cannot be resolved: ",
        ),
        ("", good + "[pool.cache2]\nlisten = \"127.0.0.1:1\"\n", "servers"),
    ] {
        scene.configure(options, &sections.replace("TAKEN", &taken.to_string()));
        let (code, said) = scene.reload(&[]);
        assert_eq!(code, Some(1), "{sections}: {said}");
        assert!(said.starts_with("nuthatch: not reloaded: ") && said.contains(reason), "{reason}: {said}");
        assert_eq!((scene.generation(), scene.metric("nuthatch_config_reload_failed")), (1, 1));
        ask(&client, "PING\r\n", "+PONG\r\n");
        assert!(refused(port).is_some(), "nothing of it listens");
        let status = scene.status();
        let shown = status["configuration"]["failure"]["error"].as_str().expect("an error");
        assert!(shown.contains(reason), "{status}");
        let troubles = status["troubles"].as_array().expect("a list");
        assert!(troubles.iter().any(|trouble| trouble["subject"] == "configuration"), "{status}");
    }
    scene.wait_for_log("reload failed: the configuration in force is unchanged generation=1");
    // A valid file again.
    scene.configure("", "");
    let said = scene.succeed();
    assert!(said.contains("nothing changes: generation 1 is in force"), "{said}");
    assert_eq!(scene.metric("nuthatch_config_reload_failed"), 0);
    assert!(scene.status()["configuration"]["failure"].is_null());
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let scene = Scene::start("", "");
    std::fs::remove_file(scene.path("nuthatch.toml")).expect("removed");
    let (code, said) = scene.reload(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("nuthatch.toml: No such file"), "{said}");
    ping(scene.cache);
}

#[test]
fn a_dry_run_changes_nothing() {
    let scene = Scene::start("", "");
    let port = free_port();
    scene.configure("", &pool("more", port, &["local"], ""));
    let (code, said) = scene.reload(&["--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("pool more added") && said.ends_with("not applied: generation 1 is in force\n"),
        "{said}"
    );
    assert!(refused(port).is_some());
    scene.configure("colour = 1", "");
    assert_eq!(scene.reload(&["--dry-run"]).0, Some(1));
    // It was a dry run: nothing has failed.
    assert_eq!(scene.metric("nuthatch_config_reload_failed"), 0);
    let (code, said) = scene.reload(&["--dry-run", "--pid", "1"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn what_needs_a_restart_is_named_and_waits() {
    let scene = Scene::start("", "");
    scene.configure("stop_timeout = \"3s\"", "[local]\nbytes = \"1MiB\"\n");
    let said = scene.succeed();
    assert!(said.contains("stop_timeout 10s -> 3s\n"), "{said}");
    assert!(said.contains("local: bytes 64MiB -> 1MiB needs a restart\n"), "{said}");
    assert_eq!(scene.metric("nuthatch_config_needs_restart"), 1);
    assert_eq!(scene.generation(), 2);
    // Values already in force are no change; pending ones are still listed.
    let said = scene.succeed();
    assert!(said.starts_with("local: bytes 64MiB -> 1MiB needs a restart\nreloaded in "), "{said}");
    assert!(said.ends_with(" ms: generation 2 is in force\n"), "{said}");
    scene.configure("stop_timeout = \"3s\"", "");
    assert!(scene.succeed().contains("nothing changes"));
    assert_eq!(scene.metric("nuthatch_config_needs_restart"), 0);
}

#[test]
fn signals_of_the_native_face() {
    let scene = Scene::start("", "");
    std::fs::rename(scene.path("log"), scene.path("log.1")).expect("renamed");
    scene.configure("", &pool("more", free_port(), &["local"], ""));
    scene.running.signal("HUP");
    // In the new file, which was opened first.
    scene.wait_for_log("configuration reloaded generation=2 changes=1");
    scene.configure("", "");
    scene.running.signal("USR1");
    scene.wait_for_log("configuration reloaded generation=3 changes=1");
    let pid = scene.running.pid().to_string();
    scene.configure("", &pool("more", free_port(), &["local"], ""));
    let (code, said) = command(&["reload", "--pid", &pid], scene.directory());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("pool more added") && said.contains("generation 4 is in force"), "{said}");
    scene.configure("colour = 1", "");
    std::fs::write(scene.path("pid"), format!("{pid}\n")).expect("written");
    let (code, said) = command(&["reload", "--pid-file", "pid"], scene.directory());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("nuthatch: not reloaded: nuthatch.toml:2:1: error: "), "{said}");
}

#[test]
fn reload_and_upgrade_need_a_process_that_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port().to_string();
    let address = format!("127.0.0.1:{port}");
    let sleeping = Running::start(Command::new("sleep").arg("60"));
    let (stranger, nobody) = (sleeping.pid().to_string(), u32::MAX.to_string());
    for (arguments, said) in [
        (&["--address", &address][..], "no admin port answers at 127.0.0.1:"),
        (&["--pid", &stranger], "does not take SIGUSR1: it is not a serving nuthatch"),
        (&["--pid", &nobody], "there is no process 4294967295"),
        (&["--pid-file", "none"], "none: No such file"),
        (&["--address", "nowhere"], "has no port"),
    ] {
        let (code, found) = command(&[&["reload"], arguments].concat(), directory.path());
        assert_eq!(code, Some(1), "{found}");
        assert!(found.contains(said), "{said}: {found}");
    }
}

#[test]
fn under_nutcrackers_face_sighup_is_for_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let (first, second, stats) = (free_port(), free_port(), free_port());
    let yaml = |port: u16| {
        format!("alpha:\n  listen: 127.0.0.1:{port}\n  redis: true\n  servers:\n  - 127.0.0.1:1:1 s\n")
    };
    let configure = |text: String| std::fs::write(directory.path().join("c.yml"), text).expect("written");
    configure(yaml(first));
    let mut command = called("nutcracker");
    command.args(["-c", "c.yml", "-o", "log", "-a", "127.0.0.1", "-s", &stats.to_string()]);
    let running = Running::start(command.current_dir(directory.path()));
    ping(first);
    configure(yaml(second));
    let log = |line: &str| {
        wait_for(line, || {
            std::fs::read_to_string(directory.path().join("log"))
                .is_ok_and(|log| log.contains(line))
                .then_some(())
        });
    };
    running.signal("HUP");
    log("signal 1 (SIGHUP) received, reopening log file");
    // Signals are handled in order: when this one is answered, the other has taken effect.
    running.signal("TTIN");
    log("signal 21 (SIGTTIN) received");
    ping(first);
    assert!(refused(second).is_some());
    running.signal("USR1");
    log("signal 10 (SIGUSR1) received, reloading configuration");
    log(&format!("pool alpha: listen 127.0.0.1:{first} -> 127.0.0.1:{second}"));
    ping(second);
    let document: serde_json::Value = serde_json::from_str(&exchange(stats, b"")).expect("JSON");
    assert_eq!(document["curr_connections"], 1, "listeners count as connections");
    configure("alpha:\n  listen: 127.0.0.1\n".into());
    running.signal("USR1");
    log("reload failed: the configuration in force is unchanged");
    ping(second);
}

#[test]
fn nsqd_reads_its_file_when_it_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let (admin, tcp) = (free_port(), free_port());
    let configure = |text: &str| std::fs::write(directory.path().join("nsqd.cfg"), text).expect("written");
    configure("");
    let mut process = called("nsqd");
    process.args([&format!("--tcp-address=127.0.0.1:{tcp}"), "--http-address=", "--config=nsqd.cfg"]);
    process.env("NUTHATCH_ADMIN", format!("127.0.0.1:{admin}")).current_dir(directory.path());
    let _running = Running::start(&mut process);
    let publish = || exchange(tcp, b"  V2PUB t\n\0\0\0\x03abc");
    assert!(publish().ends_with("OK"));
    configure("max_msg_size = 2\n");
    let address = format!("127.0.0.1:{admin}");
    let (code, said) = command(&["reload", "--address", &address], directory.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("queue: max_msg_size 1MiB -> 2\n"), "{said}");
    assert!(publish().contains("E_BAD_MESSAGE"));
    configure("max_msg_size = \"many\"\n");
    assert_eq!(command(&["reload", "--address", &address], directory.path()).0, Some(1));
}

#[test]
fn a_file_from_standard_input_cannot_be_read_again() {
    let home = Home::new();
    home.write("", &with_cache(free_port(), ""));
    let file = std::fs::File::open(home.path("nuthatch.toml")).expect("opened");
    let mut process = called("nuthatch");
    let _running = Running::start(process.args(["run", "-c", "-"]).stdin(file).current_dir(home.directory()));
    wait_for("the admin port", || TcpStream::connect(("127.0.0.1", home.admin)).ok());
    let (code, said) =
        command(&["reload", "--address", &format!("127.0.0.1:{}", home.admin)], home.directory());
    let reason = "the configuration came from standard input, which cannot be read again";
    assert_eq!((code, said), (Some(1), format!("nuthatch: not reloaded: {reason}\n")));
}

#[test]
fn ports_of_the_process_come_move_and_go() {
    let scene = Scene::start("", "");
    let stats = free_port();
    scene.configure("", &format!("[stats]\nlisten = \"127.0.0.1:{stats}\"\n"));
    assert!(scene.succeed().contains("stats added"));
    let document: serde_json::Value = serde_json::from_str(&exchange(stats, b"")).expect("JSON");
    assert_eq!(document["service"], "nuthatch");
    scene.configure("", "");
    assert!(scene.succeed().contains("stats removed"));
    wait_for("the statistics port to be closed", || refused(stats));
    // The answer still comes over the old address.
    let moved = free_port();
    scene.write_moved(moved, "", &with_cache(scene.cache, ""));
    assert!(
        scene.succeed().contains(&format!("admin: listen 127.0.0.1:{} -> 127.0.0.1:{moved}", scene.admin))
    );
    wait_for("the admin port to be closed", || refused(scene.admin));
    assert!(exchange(moved, b"GET /metrics HTTP/1.0\r\n\r\n").contains("\nnuthatch_config_generation 4\n"));
}

#[test]
fn the_log_goes_to_another_file_at_another_level() {
    let scene = Scene::start("", "");
    let path = scene.path("nuthatch.toml");
    let file = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, file.replace("file = \"log\"", "file = \"other\"\nlevel = \"error\""))
        .expect("written");
    scene.succeed();
    // The level applies from the reload on, whose own lines may be in either file.
    let other = scene.path("other");
    wait_for("the other file", || other.exists().then_some(()));
    scene.running.signal("TERM");
    wait_for("the end", || TcpStream::connect(("127.0.0.1", scene.admin)).is_err().then_some(()));
    let log = std::fs::read_to_string(&other).expect("there");
    assert!(!log.contains("SIGTERM"), "{log}");
    assert!(!scene.log().contains("SIGTERM"));
}

#[test]
fn unix_sockets_come_change_and_go() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::start("", "");
    let socket = scene.path("more.sock");
    let at =
        |mode: &str| format!("[pool.more]\nlisten = \"{}{mode}\"\nservers = [\"local\"]\n", socket.display());
    let connect = || {
        let stream = UnixStream::connect(&socket).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    };
    scene.configure("", &at(" 0600"));
    scene.succeed();
    let client = connect();
    ask(&client, "PING\r\n", "+PONG\r\n");
    scene.configure("", &at(" 0660"));
    scene.succeed();
    assert_eq!(std::fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o660);
    ask(&client, "PING\r\n", "+PONG\r\n");
    ask(&connect(), "PING\r\n", "+PONG\r\n");
    // Another pool at the same path gets its clients.
    scene.configure("", &at("").replace("pool.more", "pool.other"));
    scene.succeed();
    ask(&connect(), "PING\r\n", "+PONG\r\n");
    scene.configure("", "");
    scene.succeed();
    assert!(!socket.exists());
}

#[test]
fn a_process_without_pools_gets_its_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let (admin, port) = (free_port(), free_port());
    let path = directory.path().join("nuthatch.toml");
    let queue = "[queue]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
    let file = format!("[admin]\nlisten = \"127.0.0.1:{admin}\"\n{queue}");
    std::fs::write(&path, &file).expect("written");
    let _running = Running::start(&mut native(directory.path()));
    wait_for("the admin port", || TcpStream::connect(("127.0.0.1", admin)).ok());
    let reload = || command(&["reload", "--address", &format!("127.0.0.1:{admin}")], directory.path());
    for _ in 0..2 {
        std::fs::write(&path, file.clone() + &pool("first", port, &["local"], "")).expect("written");
        let (code, said) = reload();
        assert_eq!(code, Some(0), "{said}");
        ping(port);
        std::fs::write(&path, &file).expect("written");
        assert_eq!(reload().0, Some(0));
        wait_for("the listener to be closed", || refused(port));
    }
}

#[test]
fn reloads_at_once_are_carried_out_one_by_one() {
    let scene = Scene::start("", "");
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let pools: String = ports.iter().map(|port| pool(&format!("p{port}"), *port, &["local"], "")).collect();
    scene.configure("", &pools);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| scene.succeed())).collect();
        let said: Vec<String> = asking.into_iter().map(|one| one.join().expect("joined")).collect();
        let applied = said.iter().filter(|said| said.contains("added on")).count();
        assert_eq!(applied, 1, "{said:#?}");
    });
    for port in &ports {
        ping(*port);
    }
    assert_eq!(scene.generation(), 2);
}

#[test]
fn a_reload_that_is_refused_or_not_for_this_machine() {
    let scene = Scene::start("", "");
    for (head, code) in [
        ("POST /api/reload?dry_run=true HTTP/1.0\r\nContent-Length: 0\r\n", "200"),
        ("POST /api/reload?dry_run=maybe HTTP/1.0\r\nContent-Length: 0\r\n", "400"),
        (
            "POST /api/reload HTTP/1.0\r\nContent-Length: 0\r\nHost: x\r\nOrigin: https://evil.example\r\n",
            "403",
        ),
        ("POST /api/reload HTTP/1.0\r\nContent-Length: 0\r\nX-Forwarded-For: 10.0.0.1\r\n", "403"),
        ("GET /api/reload HTTP/1.0\r\n", "405"),
    ] {
        let answer = exchange(scene.admin, format!("{head}\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.0 {code} ")), "{head}{answer}");
    }
    assert_eq!(scene.generation(), 1);
}

#[test]
fn the_service_manager_is_told() {
    let home = Home::new();
    home.write("", &with_cache(free_port(), ""));
    let socket = home.path("notify");
    let manager = UnixDatagram::bind(&socket).expect("bound");
    manager.set_read_timeout(Some(PATIENCE)).expect("set");
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).expect("told in time");
        text(&buffer[..length])
    };
    let running = Running::start(native(home.directory()).env("NOTIFY_SOCKET", &socket));
    assert_eq!(heard(), "READY=1");
    running.signal("HUP");
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(heard(), "READY=1");
}

#[test]
fn a_stop_during_a_reload_is_a_stop() {
    let scene = Scene::start("", "");
    // A pipe without a writer: the reload waits for its content.
    std::fs::remove_file(scene.path("nuthatch.toml")).expect("removed");
    let made = Command::new("mkfifo").arg(scene.path("nuthatch.toml")).status().expect("it runs");
    assert!(made.success());
    scene.running.signal("HUP");
    scene.wait_for_log("SIGHUP");
    scene.running.signal("TERM");
    wait_for("the end", || TcpStream::connect(("127.0.0.1", scene.cache)).is_err().then_some(()));
}

/// Writes a new certificate for `localhost`, with its key, as a rotation does: by
/// renaming. Returns the certificate.
fn rotate(home: &Home, name: &str) -> Vec<u8> {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    for (file, content) in [("cert", &cert), ("key", &key)] {
        std::fs::write(home.path("new"), content).expect("written");
        std::fs::rename(home.path("new"), home.path(&format!("{name}.{file}"))).expect("renamed");
    }
    cert.into_bytes()
}

/// A connection to a port that shows exactly this certificate; None if it shows another.
fn secure(port: u16, certificate: &[u8]) -> Option<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let config =
        net::tls::client_config(certificate, None, net::tls::MinVersion::Tls12).expect("a configuration");
    let name = net::tls::ServerName::try_from("localhost").expect("a name");
    let mut client = rustls::ClientConnection::new(config, name).expect("a client");
    let mut socket = connect(port);
    client.complete_io(&mut socket).ok()?;
    Some(rustls::StreamOwned::new(client, socket))
}

#[test]
fn certificates_that_were_rotated_are_shown_and_connections_stay() {
    let scene = Scene::start("", "");
    let port = free_port();
    let pool = format!(
        "[pool.tls]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"local\"]\ntls = {{ cert = \"a.cert\", key = \"a.key\" }}\n"
    );
    let first = rotate(&scene, "a");
    scene.configure("", &pool);
    scene.succeed();
    let mut client = secure(port, &first).expect("the first certificate");
    ask(&mut client, "PING\r\n", "+PONG\r\n");
    assert!(scene.succeed().contains("nothing changes"));
    let second = rotate(&scene, "a");
    let line = "pool tls: tls: content of files changed, for new connections\n";
    let (code, said) = scene.reload(&["--dry-run"]);
    assert!(code == Some(0) && said.contains(line), "{said}");
    assert!(secure(port, &second).is_none(), "nothing has changed so far");
    let said = scene.succeed();
    assert!(said.contains(line) && said.contains("generation 3 is in force"), "{said}");
    ask(&mut secure(port, &second).expect("the second certificate"), "PING\r\n", "+PONG\r\n");
    assert!(secure(port, &first).is_none());
    ask(&mut client, "PING\r\n", "+PONG\r\n");
    // Half of a pair: nothing changes, and the fault names the file.
    std::fs::write(scene.path("a.key"), "no key").expect("written");
    let (code, said) = scene.reload(&[]);
    assert!(code == Some(1) && said.contains("[pool.tls]: tls: key a.key: "), "{said}");
    ask(&mut secure(port, &second).expect("the second certificate"), "PING\r\n", "+PONG\r\n");
}

/// True if a new connection resumes an earlier session of this client, after a request and its answer.
fn resumes(config: &Arc<rustls::ClientConfig>, port: u16, request: &str) -> bool {
    let name = net::tls::ServerName::try_from("localhost").expect("a name");
    let client = rustls::ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, connect(port));
    stream.write_all(request.as_bytes()).expect("sent");
    // The ticket comes before the answer.
    assert!(stream.read(&mut [0; 256]).expect("an answer") > 0);
    stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
}

/// A reload that changes neither certificates nor settings of TLS keeps the keys of tickets, for every port.
#[test]
fn sessions_resume_after_a_reload_that_changes_something_else() {
    let home = Home::new();
    let [tls, https, tcp] = [(); 3].map(|()| free_port());
    let sections = |user: &str| {
        let files = "cert = \"a.cert\"\nkey = \"a.key\"";
        let queue = format!(
            "[queue]\ntcp = \"127.0.0.1:{tcp}\"\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:{https}\"\n\
             tls_cert = \"a.cert\"\ntls_key = \"a.key\"\ndata_path = \"data\"\n"
        );
        let user = format!("[user.{user}]\npassword_sha256 = \"{}\"\npublish = [\"t\"]\n", "0".repeat(64));
        format!(
            "[admin.tls]\n{files}\n{}[pool.tls.tls]\n{files}\n{queue}{user}",
            pool("tls", tls, &["local"], "")
        )
    };
    let certificate = rotate(&home, "a");
    home.write("", &sections("one"));
    let running = Running::start(&mut native(home.directory()));
    let reload = || {
        let (code, said) = command(&["reload", "--pid", &running.pid().to_string()], home.directory());
        assert_eq!(code, Some(0), "{said}");
        said
    };
    let version = net::tls::MinVersion::Tls12;
    let ports = [
        (tls, "PING\r\n"),
        (https, "GET /ping HTTP/1.0\r\n\r\n"),
        (home.admin, "GET /live HTTP/1.0\r\n\r\n"),
    ];
    let clients = ports.map(|(port, request)| {
        (net::tls::client_config(&certificate, None, version).expect("a configuration"), port, request)
    });
    let resumed = || clients.each_ref().map(|(config, port, request)| resumes(config, *port, request));
    assert_eq!(resumed(), [false; 3]);
    assert_eq!(resumed(), [true; 3]);
    home.write("", &sections("two"));
    let said = reload();
    assert!(said.contains("user two added"), "{said}");
    assert_eq!(resumed(), [true; 3], "the users have changed, the certificates have not");
    rotate(&home, "a");
    assert!(reload().contains("content of files changed"));
    let stale = net::tls::ServerName::try_from("localhost").expect("a name");
    for (config, port, _) in &clients {
        let mut client = rustls::ClientConnection::new(Arc::clone(config), stale.clone()).expect("a client");
        assert!(
            client.complete_io(&mut connect(*port)).is_err(),
            "a ticket of the old certificate is worth nothing"
        );
    }
}

#[test]
fn passwords_in_files_are_read_again() {
    let scene = Scene::start("", "");
    let port = free_port();
    std::fs::write(scene.path("password"), "first\n").expect("written");
    let pool = pool("closed", port, &["local"], "auth_file = \"password\"");
    scene.configure("", &pool);
    scene.succeed();
    let client = connect(port);
    ask(&client, "AUTH first\r\nPING\r\n", "+OK\r\n+PONG\r\n");
    std::fs::write(scene.path("password"), "second\n").expect("written");
    let said = scene.succeed();
    assert!(said.contains("pool closed: auth changed, for new connections\n"), "{said}");
    assert!(!said.contains("first") && !said.contains("second"), "{said}");
    ask(connect(port), "AUTH second\r\n", "+OK\r\n");
    ask(connect(port), "AUTH first\r\n", "-ERR invalid password\r\n");
    ask(&client, "PING\r\n", "+PONG\r\n");
}

/// Users and their rights: logged-in clients get new rights at once, and are disconnected with their user.
#[test]
fn users_come_change_and_go() {
    let scene = Scene::start("", "");
    let port = free_port();
    let user = |rights: &str| {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // abc
        pool("shared", port, &["local"], "")
            + &format!("[user.app]\npassword_sha256 = \"{sha256}\"\npools = [\"shared\"]\n{rights}\n")
    };
    scene.configure("", &user("keys = [\"*\"]\ncommands = [\"+get\"]"));
    scene.succeed();
    ask(connect(port), "GET k\r\n", "-NOAUTH");
    let client = connect(port);
    ask(&client, "AUTH app abc\r\nSET k v\r\n", "+OK\r\n-NOPERM");
    let mut rest = [0; 4096];
    let _ = (&client).read(&mut rest).expect("the rest of NOPERM");
    scene.configure("", &user("keys = [\"*\"]\ncommands = [\"+get\", \"+set\"]"));
    let said = scene.succeed();
    assert!(said.contains("user app: commands "), "{said}");
    ask(&client, "SET k v\r\nGET k\r\n", "+OK\r\n$1\r\nv\r\n");
    scene.configure("", &user("").replace("user.app", "user.other"));
    assert!(scene.succeed().contains("user app removed"));
    let mut rest = String::new();
    (&client).read_to_string(&mut rest).expect("an end");
    ask(connect(port), "AUTH app abc\r\n", "-WRONGPASS");
}

/// A server is added, moved and removed while a client sends requests, each of which gets a reply.
#[test]
fn servers_come_move_and_go() {
    let servers: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let backends: String =
        servers.iter().map(|port| pool(&format!("b{port}"), *port, &["local"], "")).collect();
    std::fs::write(directory.path().join("nuthatch.toml"), &backends).expect("written");
    let _backends = Running::start(&mut native(directory.path()));
    for port in &servers {
        ping(*port);
    }
    let port = free_port();
    let of = |servers: &[String]| {
        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
        pool("ring", port, &servers, "")
    };
    let server = |n: usize, name: &str| format!("127.0.0.1:{}:1 {name}", servers[n]);
    let scene = Scene::start("", &of(&[server(0, "a")]));
    let client = connect(port);
    let work = || {
        for n in 0..100 {
            ask(&client, &format!("SET k{n} v\r\nGET k{n}\r\n"), "+OK\r\n$1\r\nv\r\n");
        }
    };
    work();
    for (now, said) in [
        (of(&[server(0, "a"), server(1, "b")]), "server b (127.0.0.1:"),
        (of(&[server(0, "a"), server(2, "b")]), "server b moved from "),
        (of(&[server(0, "a"), format!("127.0.0.1:{}:3 b", servers[2])]), "server b weight 1 -> 3"),
        (of(&[format!("127.0.0.1:{}:3 b", servers[2])]), "server a (127.0.0.1:"),
    ] {
        scene.configure("", &now);
        let printed = scene.succeed();
        assert!(printed.contains(said), "{said}: {printed}");
        work();
    }
}

#[test]
fn the_lookup_goes_on_with_other_limits() {
    let http = free_port();
    let lookup = |max: u32| {
        format!(
            "[lookup]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:{http}\"\nsnapshot = \"\"\nmax_names = {max}\n"
        )
    };
    let scene = Scene::start("", &lookup(1));
    let create = |topic: &str| {
        let request = format!("POST /topic/create?topic={topic} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        exchange(http, request.as_bytes())
    };
    assert!(create("one").contains(" 200 "));
    assert!(create("two").contains("TOO_MANY_NAMES"));
    scene.configure("", &lookup(2));
    assert!(scene.succeed().contains("lookup: max_names 1 -> 2\n"));
    assert!(create("two").contains(" 200 "));
}

#[test]
fn a_check_says_what_a_reload_would_change() {
    let scene = Scene::start("", "");
    let admin = format!("127.0.0.1:{}", scene.admin);
    let check = |file: &str| {
        let arguments = ["check", "-c", file, "--against-running", "--address", &admin];
        command(&arguments, scene.directory())
    };
    let (code, said) = check("nuthatch.toml");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("0 errors") && said.contains("nothing changes: generation 1 is in force"),
        "{said}"
    );
    scene.configure("", &pool("more", free_port(), &["local"], "timeout = \"1s\""));
    let (code, said) = check("./nuthatch.toml");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("pool more added on 127.0.0.1:"), "{said}");
    assert_eq!(scene.generation(), 1);
    std::fs::copy(scene.path("nuthatch.toml"), scene.path("other.toml")).expect("copied");
    let (code, said) = check("other.toml");
    assert!(code == Some(1) && said.contains("nuthatch.toml, not other.toml"), "{said}");
    scene.configure("colour = 1", "");
    let (code, said) = check("nuthatch.toml");
    assert!(code == Some(1) && said.contains("1 error"), "{said}");
    drop(scene);
}

#[test]
fn the_log_changes_its_format() {
    let scene = Scene::start("", "");
    let path = scene.path("nuthatch.toml");
    let file = std::fs::read_to_string(&path).expect("there");
    std::fs::write(&path, file.replace("file = \"log\"", "file = \"log\"\nformat = \"json\""))
        .expect("written");
    assert!(scene.succeed().contains("log: format text -> json\n"));
    scene.wait_for_log("\n{");
    let last = scene.log().lines().last().expect("a line").to_owned();
    let line: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(line["generation"], 2, "{last}");
}

#[test]
fn a_port_at_a_path_leaves_nothing_there() {
    let scene = Scene::start("", "");
    let socket = scene.path("stats.sock");
    scene.configure("", &format!("[stats]\nlisten = \"{}\"\n", socket.display()));
    scene.succeed();
    let mut document = String::new();
    UnixStream::connect(&socket).expect("it listens").read_to_string(&mut document).expect("an answer");
    assert!(document.starts_with('{'), "{document}");
    scene.configure("", "");
    scene.succeed();
    assert!(!socket.exists());
}
