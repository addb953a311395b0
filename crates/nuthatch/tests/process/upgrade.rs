//! Upgrades of the running binary: clients that notice nothing, and new binaries that fail.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::Home;
use crate::support::{PATIENCE, ask, binary, connect, exchange, expect, free_port, signal, text, wait_for};

/// Short: tests wait for a process that hangs.
const BRIEF: &str = "upgrade_timeout = \"2s\"";

/// A process replaced by others, from a binary of its own. The last one is killed at the end.
struct Scene {
    home: Home,
    redis: u16,
    tcp: u16,
    http: u16,
    process: u32,
}

impl Deref for Scene {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Scene {
    /// Starts it with a pool over the embedded cache, a queue, and the given configuration.
    fn start(options: &str, sections: &str) -> Scene {
        let [redis, tcp, http] = [(); 3].map(|()| free_port());
        let mut scene = Scene { home: Home::new(), redis, tcp, http, process: 0 };
        scene.install(binary().as_ref());
        scene.configure(options, sections);
        let mut command = Command::new(scene.path("nuthatch"));
        command.args(["run", "-c", "nuthatch.toml"]).current_dir(scene.directory());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        scene.process = child.id();
        // Reap the child when it exits, so that it does not stay a zombie.
        std::thread::spawn(move || child.wait());
        wait_for("the admin port", || TcpStream::connect(("127.0.0.1", scene.admin)).ok());
        scene
    }

    /// Replaces the binary with a program, as an installation does: by renaming.
    fn install(&self, program: &Path) {
        let new = self.path("new");
        std::fs::hard_link(program, &new)
            .or_else(|_| std::fs::copy(program, &new).map(drop))
            .expect("copied");
        std::fs::rename(&new, self.path("nuthatch")).expect("renamed");
    }

    /// Replaces the binary with a shell script.
    fn install_script(&self, script: &str) {
        let file = self.path("script");
        std::fs::write(&file, script).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::rename(&file, self.path("nuthatch")).expect("renamed");
    }

    /// Writes the file: options of the process, and sections after all others.
    fn configure(&self, options: &str, sections: &str) {
        let Scene { redis, tcp, http, .. } = self;
        let socket = self.path("cache.sock");
        let own = format!(
            "[pool.cache]\nlisten = [\"127.0.0.1:{redis}\", \"{}\"]\nservers = [\"local\"]\n\
             [queue]\ntcp = \"127.0.0.1:{tcp}\"\nhttp = \"127.0.0.1:{http}\"\n{sections}",
            socket.display()
        );
        self.write(options, &own);
    }

    /// `nuthatch upgrade`: whether it succeeded, and its output.
    fn upgrade(&self) -> (bool, String) {
        let mut command = Command::new(binary());
        command.args(["upgrade", "--pid", &self.process.to_string()]).stdin(Stdio::null());
        let output = command.output().expect("it runs");
        (
            output.status.success(),
            format!("{}{}({})", text(&output.stdout), text(&output.stderr), output.status),
        )
    }

    /// Upgrades successfully. Another process serves afterwards.
    fn succeed(&mut self) {
        let (done, said) = self.upgrade();
        assert!(done, "{said}\n{}", self.log());
        let process = self.serving();
        assert_ne!(process, self.process, "{said}");
        assert!(said.contains(&format!("process {process} ")), "{said}");
        self.process = process;
    }

    /// The process behind the admin port.
    fn serving(&self) -> u32 {
        self.status()["process"]["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok())
            .expect("a process id")
    }

    fn publish(&self, body: &str) {
        let request = format!(
            "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(self.http, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        kill_in(self.directory(), self.process);
    }
}

/// Kills a process if it still runs in that directory: the id of an exited one may have been reused.
fn kill_in(directory: &Path, process: u32) {
    if std::fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|path| path == directory) {
        signal(process, "KILL");
    }
}

/// A consumer of `t`, `c`; returns attempts and body of each message, and finishes none.
struct Consumer(TcpStream);

impl Consumer {
    fn subscribe(port: u16) -> Consumer {
        let mut stream = connect(port);
        stream.write_all(b"  V2SUB t c\nRDY 10\n").expect("sent");
        expect(&stream, "\0\0\0\x06\0\0\0\0OK");
        Consumer(stream)
    }

    fn message(&mut self) -> (u16, String) {
        let mut head = [0; 8 + 26];
        self.0.read_exact(&mut head).expect("a message");
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let mut body = vec![0; size - 4 - 26];
        self.0.read_exact(&mut body).expect("its body");
        (u16::from_be_bytes([head[16], head[17]]), text(&body))
    }

    /// Expects the daemon to close the connection in order.
    fn expect_end(mut self) {
        assert_eq!(self.0.read(&mut [0; 1]).expect("an end, and no reset"), 0);
    }
}

#[test]
fn clients_notice_nothing() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let [remote, address] = [free_port().to_string(), server.local_addr().expect("bound").to_string()];
    let pool = format!(
        "[pool.remote]\nlisten = \"127.0.0.1:{remote}\"\nservers = [\"{address}:1\"]\ntimeout = \"off\"\nauth = \"pass\"\n"
    );
    let mut scene = Scene::start("", &pool);
    let tcp = connect(scene.redis);
    ask(&tcp, "CLIENT SETNAME bob\r\nHELLO 3 SETNAME bob\r\nSET k v\r\n", "+OK\r\n%");
    let mut rest = [0; 4096];
    let _ = (&tcp).read(&mut rest).expect("the rest of HELLO and SET");
    let unix = UnixStream::connect(scene.path("cache.sock")).expect("it listens");
    unix.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    ask(&unix, "CLIENT ID\r\n", ":");
    let mut number = [0; 64];
    let length = (&unix).read(&mut number).expect("a number");
    let number = text(&number[..length]);

    let mut busy = connect(remote.parse().expect("a port"));
    ask(&busy, "AUTH pass\r\n", "+OK\r\n");
    busy.write_all(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n").expect("sent");
    let (mut server, _) = server.accept().expect("it connects");
    server.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    expect(&server, "*2\r\n$4\r\nAUTH\r\n$4\r\npass\r\n");
    ask(&server, "+OK\r\n", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    let mut half = connect(scene.redis);
    half.write_all(b"*1\r\n$4\r\nPI").expect("sent");

    scene.succeed();
    ask(&tcp, "CLIENT GETNAME\r\nGET k\r\n", "$3\r\nbob\r\n_\r\n");
    ask(&unix, "CLIENT ID\r\n", &format!(":{number}"));
    // One has sent half a request, and one waits for its reply from the old
    // process; both move once they have it.
    ask(&half, "NG\r\n", "+PONG\r\n");
    server.write_all(b"$1\r\nv\r\n").expect("it reads");
    expect(&busy, "$1\r\nv\r\n");
    wait_for("the end of the old process", || {
        scene.log().contains("nuthatch::faces::run: stopped").then_some(())
    });
    ask(&busy, "PING\r\n", "+PONG\r\n");
    ask(&half, "PING\r\n", "+PONG\r\n");
    ask(&tcp, "PING\r\n", "+PONG\r\n");
}

#[test]
fn the_queue_changes_hands_and_loses_nothing() {
    let mut scene = Scene::start("", "");
    scene.publish("first");
    let mut consumer = Consumer::subscribe(scene.tcp);
    assert_eq!(consumer.message(), (1, "first".into()));
    scene.succeed();
    consumer.expect_end();
    scene.publish("second");
    let mut consumer = Consumer::subscribe(scene.tcp);
    let mut messages = [consumer.message(), consumer.message()];
    messages.sort();
    assert_eq!(
        messages,
        [(1, "first".into()), (1, "second".into())],
        "an interrupted delivery was no attempt"
    );
}

#[test]
fn a_new_binary_that_comes_to_nothing_changes_nothing() {
    let mut scene = Scene::start(BRIEF, "");
    let client = connect(scene.redis);
    scene.publish("kept");
    let mut consumer = Consumer::subscribe(scene.tcp);
    assert_eq!(consumer.message(), (1, "kept".into()));
    let check = |scene: &Scene, what: &str, reason: &str| {
        let (done, said) = scene.upgrade();
        assert!(!done && said.contains(reason), "{said}; {what}");
        // The log is written by a thread of its own.
        wait_for(what, || scene.log().contains(reason).then_some(()));
        assert_eq!(scene.serving(), scene.process, "{what}");
        ask(&client, "PING\r\n", "+PONG\r\n");
        ask(connect(scene.redis), "PING\r\n", "+PONG\r\n");
    };
    for (script, reason) in [
        ("#!/bin/sh\nexit 3\n", "ended with status 3"),
        ("#!/bin/sh\nkill -SEGV $$\n", "was ended by signal: 11"),
        ("#!/bin/sh\nexec sleep 600\n", "has taken longer than 2 s before it was ready"),
        ("no program at all", "cannot start"),
    ] {
        scene.install_script(script);
        check(&scene, script, reason);
    }
    std::fs::remove_file(scene.path("nuthatch")).expect("removed");
    check(&scene, "no file", "No such file");
    scene.install(binary().as_ref());
    scene.configure("memory_budget = \"many\"", "");
    check(&scene, "a bad file", "memory_budget");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stats = format!("[stats]\nlisten = \"{}\"\n", taken.local_addr().expect("bound"));
    scene.configure(BRIEF, &stats);
    check(&scene, "a port in use", "in use");
    let metrics = exchange(scene.admin, b"GET /metrics HTTP/1.0\r\n\r\n");
    assert!(metrics.contains("\nnuthatch_upgrade_failures_total 7\n"), "{metrics}");
    assert!(
        metrics.contains("nuthatch_upgrade_failure_info{reason=\"[stats] listen: cannot listen"),
        "{metrics}"
    );
    let status = exchange(scene.admin, b"GET /api/status HTTP/1.0\r\n\r\n");
    assert!(status.contains("its binary was to be replaced, and was not: [stats] listen"), "{status}");
    // None of them touched the queue.
    consumer.0.write_all(b"NOP\nRDY 10\n").expect("the connection stands");
    scene.publish("another");
    assert_eq!(consumer.message(), (1, "another".into()));
    scene.configure("", "");
    scene.succeed();
    ask(&client, "PING\r\n", "+PONG\r\n");
}

#[test]
fn a_queue_that_cannot_be_opened_goes_back() {
    let mut scene = Scene::start("", "");
    let client = connect(scene.redis);
    scene.publish("kept");
    let other = tempfile::tempdir().expect("a directory");
    let locked = std::fs::File::open(other.path()).expect("opened");
    locked.try_lock().expect("locked");
    scene.configure("", &format!("data_path = \"{}\"\n", other.path().display()));
    let (done, said) = scene.upgrade();
    assert!(!done && said.contains("in use by another process"), "{said}");
    assert_eq!(scene.serving(), scene.process);
    ask(&client, "PING\r\n", "+PONG\r\n");
    scene.publish("another");
    let mut consumer = Consumer::subscribe(scene.tcp);
    let mut bodies = [consumer.message().1, consumer.message().1];
    bodies.sort();
    assert_eq!(bodies, ["another", "kept"]);
    let health = exchange(scene.admin, b"GET /health HTTP/1.0\r\n\r\n");
    assert!(health.starts_with("HTTP/1.0 200"), "the page asks the queue that runs now: {health}");
    scene.configure("", "");
    scene.succeed();
    ask(&client, "PING\r\n", "+PONG\r\n");
}

#[test]
fn a_stop_calls_an_upgrade_off() {
    let scene = Scene::start("", "");
    let marker = scene.path("started");
    scene.install_script(&format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", marker.display()));
    signal(scene.process, "USR2");
    let started: u32 = wait_for("the new process", || {
        std::fs::read_to_string(&marker).ok().and_then(|content| content.trim().parse().ok())
    });
    signal(scene.process, "TERM");
    for process in [scene.process, started] {
        wait_for("the end", || (!Path::new(&format!("/proc/{process}")).exists()).then_some(()));
    }
    assert!(scene.log().contains("this process was told to stop"));
}

#[test]
fn ten_upgrades_in_a_row_leave_nothing_behind() {
    let mut scene = Scene::start("", "");
    let clients: Vec<TcpStream> = (0..50).map(|_| connect(scene.redis)).collect();
    let mut sizes = Vec::new();
    for n in 0..10 {
        scene.succeed();
        for client in &clients {
            ask(client, "PING\r\n", "+PONG\r\n");
        }
        scene.publish("x");
        let old = format!("({n} of them)");
        wait_for(&format!("the end of the old process {old}"), || {
            let stopped = scene.log().matches("nuthatch::faces::run: stopped").count();
            (stopped == n + 1).then_some(())
        });
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", scene.process)).expect("there").count();
        let status = std::fs::read_to_string(format!("/proc/{}/status", scene.process)).expect("there");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        sizes.push((descriptors, kib));
    }
    let (first, last) = (sizes[0], sizes[9]);
    assert!(last.0 <= first.0 + 2, "descriptors: {sizes:?}");
    assert!(last.1 <= first.1 + first.1 / 4, "resident KiB: {sizes:?}");
}

#[test]
fn a_listener_can_be_another_one_afterwards() {
    let mut scene = Scene::start("", "");
    let (old, new) = (scene.redis, free_port());
    let client = connect(old);
    scene.redis = new;
    scene.configure("", "");
    scene.succeed();
    ask(connect(new), "PING\r\n", "+PONG\r\n");
    ask(&client, "PING\r\n", "+PONG\r\n");
    wait_for("the old listener to close", || TcpStream::connect(("127.0.0.1", old)).is_err().then_some(()));
}

#[test]
fn nutcracker_keeps_its_name_and_its_pid_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let (port, stats) = (free_port(), free_port());
    let pool =
        format!("alpha:\n  listen: 127.0.0.1:{port}\n  redis: true\n  servers:\n  - 127.0.0.1:1:1 s\n");
    std::fs::write(path.join("c.yml"), pool).expect("written");
    std::os::unix::fs::symlink(binary(), path.join("nutcracker")).expect("linked");
    let mut command = Command::new(path.join("nutcracker"));
    command.args([
        "-d",
        "-c",
        "c.yml",
        "-o",
        "log",
        "-p",
        "pid",
        "-a",
        "127.0.0.1",
        "-s",
        &stats.to_string(),
    ]);
    assert!(command.current_dir(path).status().expect("it runs").success());
    let process = || -> u32 {
        std::fs::read_to_string(path.join("pid")).expect("there").parse().expect("a process id")
    };
    let (first, client) = (process(), connect(port));
    for n in 0..3 {
        let before = process();
        let output = Command::new(binary())
            .args(["upgrade", "--pid-file"])
            .arg(path.join("pid"))
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{n}: {}", text(&output.stderr));
        wait_for("the pid file of the new process", || (process() != before).then_some(()));
        ask(&client, "PING\r\n", "+PONG\r\n");
        wait_for("the end of the old process", || {
            (!Path::new(&format!("/proc/{before}")).exists()).then_some(())
        });
        assert!(path.join("pid").exists(), "the old process leaves the file of the new one");
    }
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", process())).expect("there");
    assert!(line.split('\0').next().is_some_and(|name| name.ends_with("nutcracker")), "{line}");
    assert!(exchange(stats, b"").contains("\"service\":\"nutcracker\""));
    assert_ne!(process(), first);
    signal(process(), "TERM");
    wait_for("the pid file to go", || (!path.join("pid").exists()).then_some(()));
}

/// An NSQ daemon started under its own name, and its working directory. The last
/// serving process is killed at the end.
struct Face {
    directory: tempfile::TempDir,
    process: u32,
}

impl Face {
    fn start(name: &str, arguments: &[String]) -> Face {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join(name);
        std::os::unix::fs::symlink(binary(), &program).expect("linked");
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it runs");
        let process = child.id();
        std::thread::spawn(move || child.wait());
        Face { directory, process }
    }

    fn upgrade(&mut self) {
        let output = Command::new(binary())
            .args(["upgrade", "--pid", &self.process.to_string()])
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stdout);
        let process = said.split_whitespace().nth(1).and_then(|process| process.parse().ok());
        self.process = process.unwrap_or_else(|| panic!("{said}"));
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        kill_in(self.directory.path(), self.process);
    }
}

#[test]
fn nsqd_keeps_its_messages() {
    let (tcp, http) = (free_port(), free_port());
    let arguments = [format!("--tcp-address=127.0.0.1:{tcp}"), format!("--http-address=127.0.0.1:{http}")];
    let mut face = Face::start("nsqd", &arguments);
    let producer = connect(tcp);
    (&producer).write_all(b"  V2PUB t\n\0\0\0\x05first").expect("sent");
    expect(&producer, "\0\0\0\x06\0\0\0\0OK");
    face.upgrade();
    let mut consumer = Consumer::subscribe(tcp);
    assert_eq!(consumer.message(), (1, "first".into()));
    assert!(exchange(http, b"GET /info HTTP/1.0\r\n\r\n").contains(&format!("\"tcp_port\":{tcp}")));
}

#[test]
fn a_lookup_answers_from_what_the_old_process_knew() {
    let (tcp, http) = (free_port(), free_port());
    let arguments = [format!("--tcp-address=127.0.0.1:{tcp}"), format!("--http-address=127.0.0.1:{http}")];
    let mut face = Face::start("nsqlookupd", &arguments);
    let node = connect(tcp);
    let identity =
        r#"{"broadcast_address":"node","hostname":"node","tcp_port":1,"http_port":2,"version":"1"}"#;
    let mut said = b"  V1IDENTIFY\n".to_vec();
    said.extend_from_slice(&u32::try_from(identity.len()).expect("short").to_be_bytes());
    said.extend_from_slice(identity.as_bytes());
    said.extend_from_slice(b"REGISTER orders mail\n");
    (&node).write_all(&said).expect("sent");
    let lookup = b"GET /lookup?topic=orders HTTP/1.0\r\n\r\n";
    wait_for("the registration", || exchange(http, lookup).contains("\"node\"").then_some(()));
    face.upgrade();
    let answer = exchange(http, lookup);
    assert!(answer.contains("\"node\"") && answer.contains("\"mail\""), "{answer}");
}

#[test]
fn the_service_manager_follows() {
    let scene_directory = tempfile::tempdir().expect("a directory");
    let socket_path = scene_directory.path().join("notify");
    let socket = UnixDatagram::bind(&socket_path).expect("bound");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let hear = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).expect("told in time");
        text(&buffer[..length])
    };
    let port = free_port();
    let file = scene_directory.path().join("nuthatch.toml");
    let content = format!("[pool.a]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"local\"]\n");
    std::fs::write(&file, &content).expect("written");
    let mut command = Command::new(binary());
    command.args(["run", "-c"]).arg(&file).env("NOTIFY_SOCKET", &socket_path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = command.spawn().expect("it runs");
    assert_eq!(hear(), "READY=1");
    // First a failure: the service is unchanged.
    std::fs::write(&file, "nonsense").expect("written");
    signal(first.id(), "USR2");
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1");
    std::fs::write(&file, content).expect("written");
    // In the middle of a request nobody is handed over: the first process stays for this client.
    let mut client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client.write_all(b"PING\r\nPI").expect("sent");
    client.read_exact(&mut [0; 7]).expect("answered");
    signal(first.id(), "USR2");
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    let told = [hear(), hear()];
    let main = told.iter().find_map(|line| line.strip_prefix("MAINPID=")).expect("both are told");
    let process: u32 = main.strip_suffix("\nREADY=1").and_then(|pid| pid.parse().ok()).expect("a process id");
    assert!(told.iter().any(|line| line == "READY=1"), "{told:?}");
    // systemd kills a main process that is not its own child without waiting for its end.
    #[cfg(target_os = "linux")]
    {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        assert!(parent.is_some_and(|parent| parent != first.id().to_string()), "{stat}");
        assert!(first.try_wait().expect("asked").is_none(), "its parent would have changed by itself");
    }
    drop(client);
    assert!(first.wait().expect("it ends").success());
    socket.set_nonblocking(true).expect("set");
    assert!(socket.recv(&mut [0; 64]).is_err(), "the old process says nothing at its end");
    socket.set_nonblocking(false).expect("set");
    signal(process, "TERM");
    assert_eq!(hear(), "STOPPING=1");
}

#[test]
fn what_cannot_be_upgraded_says_so() {
    let begun = Instant::now();
    for (arguments, reason) in [
        (&["--pid", "4194305"][..], "there is no process"),
        (&["--pid-file", "/no/such"], "/no/such"),
        (&["--address", "127.0.0.1:1"], "no admin port answers at 127.0.0.1:1"),
        (&["--pid", &std::process::id().to_string()], "does not take SIGUSR2"),
    ] {
        let output = Command::new(binary()).arg("upgrade").args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_reload_waits_for_the_end_of_an_upgrade() {
    let scene = Scene::start(BRIEF, "");
    scene.install_script("#!/bin/sh\nexec sleep 600\n");
    signal(scene.process, "USR2");
    let log_has = |line: &str| wait_for(line, || scene.log().find(line));
    log_has("upgrade begins");
    // A reload by signal is carried out afterwards; a request that waits for an answer gets one at once.
    signal(scene.process, "HUP");
    log_has("SIGHUP");
    let answer = exchange(scene.admin, b"POST /api/reload HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 422") && answer.contains("an upgrade is under way"), "{answer}");
    let failed = log_has("upgrade failed");
    assert!(log_has("configuration reloaded") > failed, "{}", scene.log());
}
