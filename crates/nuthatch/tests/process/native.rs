//! `nuthatch` itself: run, check, help and the rest.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Running, called, directory_with, exchange, run, text, wait_for};

const POOL: &str =
    "[pool.a]\nlisten = \"127.0.0.1:0\"\nservers = [\"local\"]\n[stats]\nlisten = \"127.0.0.1:0\"\n";

/// The port of the line that ends in `what`.
fn port_of(lines: &[String], what: &str) -> u16 {
    let line = lines.iter().find(|line| line.trim_end().ends_with(what)).expect("listed");
    line.split_whitespace()
        .next()
        .and_then(|address| address.rsplit(':').next())
        .and_then(|p| p.parse().ok())
        .expect("port")
}

#[test]
fn serves_and_stops() {
    let (directory, path) = directory_with("nuthatch.toml", POOL);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (running, lines) = Running::until(&mut command, "try:");
    let port = port_of(&lines, "redis pool a");
    assert_eq!(lines.last(), Some(&format!("try: redis-cli -p {port} set k v")));
    let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    assert_eq!(exchange(port, request), "+OK\r\n$1\r\nv\r\n");
    let statistics = exchange(port_of(&lines, "statistics"), b"");
    let statistics: serde_json::Value = serde_json::from_str(&statistics).expect("JSON");
    assert_eq!(statistics["a"]["client_eof"], 1);
    // None of them ends it; USR2 would start another process.
    for survived in ["USR1", "TTIN", "TTOU", "HUP"] {
        running.signal(survived);
    }
    assert_eq!(exchange(port, b"*1\r\n$4\r\nPING\r\n"), "+PONG\r\n");
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let (directory, path) = directory_with("nuthatch.toml", "[queue]\nnonsense = 1\n");
    let path = path.to_string_lossy().into_owned();
    for (name, arguments) in [
        ("nuthatch", &["check", "-c", &path][..]),
        ("nuthatch", &["help", "options"]),
        ("nuthatch", &["help"]),
        ("nuthatch", &["completions", "bash"]),
        ("nuthatch", &["man"]),
        ("nuthatch", &["version"]),
        ("nsqd", &["--version"]),
    ] {
        let mut command = called(name);
        command.args(arguments).current_dir(directory.path());
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stdout(writer);
        let end = command.output().expect("the binary runs");
        assert_eq!(text(&end.stderr), "", "{arguments:?}");
        assert_eq!(end.status.code(), Some(i32::from(arguments[0] == "check")), "{arguments:?}");
    }
}

#[test]
fn a_start_that_fails_names_the_option_once() {
    let (directory, path) = directory_with("nuthatch.toml", POOL);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (_running, lines) = Running::until(&mut command, "try:");
    let port = port_of(&lines, "redis pool a");
    let queue = "[queue]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";
    let pool = POOL.split("[stats]").next().expect("the first part");
    let in_use = format!("listen: cannot listen on 127.0.0.1:{port}: Address already in use");
    for (file, said) in [
        (POOL.replacen(":0", &format!(":{port}"), 1), format!("[pool.a] {in_use}")),
        (format!("{pool}[stats]\nlisten = \"127.0.0.1:{port}\"\n"), format!("[stats] {in_use}")),
        (format!("{pool}[admin]\nlisten = \"127.0.0.1:{port}\"\n"), format!("[admin] {in_use}")),
        (
            format!("{queue}data_path = \"q\"\n")
                .replace("http = \"127.0.0.1:0", &format!("http = \"127.0.0.1:{port}")),
            format!("[queue] http: cannot {}", in_use.split_once("cannot ").expect("in two").1),
        ),
        (
            format!("{queue}data_path = \"nuthatch.toml\"\n"),
            "[queue] data_path: cannot make nuthatch.toml: File exists".into(),
        ),
        (format!("{queue}data_path = \"/proc/self\"\n"), "[queue] data_path: ".into()),
    ] {
        std::fs::write(&path, &file).expect("written");
        let output = run("nuthatch", &["run", "-c", "nuthatch.toml"], directory.path());
        assert_eq!(output.status.code(), Some(1), "{file}");
        let stderr = text(&output.stderr);
        assert_eq!(stderr.matches(&said).count(), 1, "{said} in {stderr}");
        let told = stderr.lines().filter(|line| !line.contains("nuthatch::descriptors"));
        assert_eq!(told.count(), 1, "{stderr}");
    }
}

#[test]
fn check_names_every_fault() {
    let (directory, _) =
        directory_with("n.toml", "thread = 1\n[pool.a]\nlisten = \"x\"\nservers = [\"a:1\"]\n");
    let output = run("nuthatch", &["check", "-c", "n.toml"], directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "n.toml:1:1: error: unknown option thread in the top of the file; did you mean threads?\n\
         \x20 thread = 1\n\
         \x20 ^\n\
         n.toml:3:10: error: listen: \"x\" has no port; write HOST:PORT, such as \"127.0.0.1:22121\" or \
         \"[::1]:22121\", or a path that begins with /\n\
         \x20 listen = \"x\"\n\
         \x20          ^\n\
         n.toml: 2 errors, 0 warnings\n"
    );
    let output = run("nuthatch", &["run", "-c", "n.toml"], directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).ends_with("nuthatch: not started: 2 errors in n.toml\n"));
}

/// The shown configuration can be read again, holds no secret, and has the origin of each value.
#[test]
fn check_shows_the_configuration_in_force() {
    let file =
        "[pool.a]\nlisten = \"127.0.0.1:1\"\nauth = \"${NUTHATCH_TEST_SECRET}\"\nservers = [\"a:1\"]\n";
    let (directory, _) = directory_with("n.toml", file);
    let check = |arguments: &[&str], secret: Option<&str>| {
        let mut command = called("nuthatch");
        command.args(["check", "-c"]).args(arguments).current_dir(directory.path());
        match secret {
            Some(secret) => command.env("NUTHATCH_TEST_SECRET", secret),
            None => command.env_remove("NUTHATCH_TEST_SECRET"),
        };
        command.output().expect("the binary runs")
    };
    let output = check(&["n.toml", "--show"], None);
    assert_eq!(output.status.code(), Some(1));
    let unset = "n.toml:3:8: error: the variable NUTHATCH_TEST_SECRET is not set;";
    assert!(text(&output.stdout).starts_with(unset), "{output:?}");
    let output = check(&["n.toml", "--show"], Some("s3cret"));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let shown = text(&output.stdout);
    assert!(!shown.contains("s3cret"), "{shown}");
    for (line, origin) in
        [("auth = \"${NUTHATCH_TEST_SECRET}\"", "n.toml:3, ${NUTHATCH_TEST_SECRET}"), ("db = 0", "default")]
    {
        let found = shown.lines().find(|shown| shown.starts_with(line)).expect("listed");
        assert_eq!(found[line.len()..].trim(), format!("# {origin}"));
    }
    std::fs::write(directory.path().join("shown.toml"), shown).expect("written");
    assert_eq!(check(&["shown.toml"], Some("s3cret")).status.code(), Some(0));
}

#[test]
fn check_reads_a_nutcracker_yml() {
    let pool = "a:\n  listen: 127.0.0.1:1\n  timeout: x\n  hash: crc32\n  servers:\n  - a:1:1\n  - b:1:1\n";
    let (directory, path) = directory_with("n.yml", pool);
    let output = run("nuthatch", &["check", "-c", "n.yml"], directory.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "n.yml:3:12: error: conf: directive \"timeout\" is not a number\n\
         \x20   timeout: x\n\
         \x20            ^\n\
         n.yml: 1 error, 0 warnings\n"
    );
    std::fs::write(path, pool.replace("  timeout: x\n", "")).expect("written");
    let output = run("nuthatch", &["check", "-c", "n.yml"], directory.path());
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("warning: pool a: hash crc32 has 15 bits only"), "{output:?}");
    let output = run("nuthatch", &["check", "-c", "nosuch.toml"], directory.path());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn messages_are_kept_where_the_banner_says_and_for_the_owner_only() {
    let text = "[queue]\ntcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\ndata_path = \"in/data\"\n[pool.a]\n\
                listen = \"127.0.0.1:0\"\nservers = [\"local\"]\n";
    let (directory, path) = directory_with("nuthatch.toml", text);
    let mut command = called("nuthatch");
    command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
    let (running, lines) = Running::until(&mut command, "try:");
    let data = directory.path().join("in/data");
    assert!(lines.contains(&format!("messages are kept in {}", data.display())), "{lines:?}");
    assert_eq!(std::fs::metadata(&data).expect("made").permissions().mode() & 0o777, 0o700);
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

/// Rust's own handler of the first two ignores a sent signal once.
#[test]
fn a_sent_fault_signal_is_logged_and_kills_at_once() {
    let signals = [("SEGV", 11), ("BUS", 7), ("ILL", 4), ("FPE", 8), ("ABRT", 6)];
    for (name, number) in signals {
        let (directory, path) = directory_with("nuthatch.toml", &format!("{POOL}[log]\nfile = \"log\"\n"));
        let mut command = called("nuthatch");
        command.args(["run", "-c"]).arg(&path).current_dir(directory.path());
        let (running, _) = Running::until(&mut command, "try:");
        // The handler's descriptor belongs to the reopened file.
        std::fs::rename(directory.path().join("log"), directory.path().join("old")).expect("renamed");
        running.signal("HUP");
        let log = || std::fs::read_to_string(directory.path().join("log")).ok();
        wait_for("the new log", || {
            log().filter(|text| !text.is_empty()).or_else(|| {
                running.signal("USR1");
                None
            })
        });
        running.signal(name);
        assert_eq!(running.killed_by(), Some(number), "{name}");
        let log = log().expect("a log");
        assert!(log.contains(&format!("signal {number} (SIG{name}) received, core dumping\n")), "{log}");
        assert_eq!(cfg!(target_env = "gnu"), log.contains("nuthatch(+0x"), "a backtrace: {log}");
    }
}

/// Neither fifteen TOML errors for a file of another program, nor a start with an unintended configuration.
#[test]
fn a_file_of_another_program_is_named_with_its_command() {
    let yaml = "alpha:\n  listen: 127.0.0.1:1\n  timeout: 400\n  servers:\n  - 127.0.0.1:2:1\n";
    for (content, kind, command) in [
        (yaml, "nutcracker.yml", "nuthatch nutcracker -c f.conf"),
        (
            "tcp_address = \"127.0.0.1:0\"\ntls_min_version = \"\"\n",
            "nsqd.cfg",
            "nuthatch nsqd --config=f.conf",
        ),
    ] {
        let (directory, _) = directory_with("f.conf", content);
        let output = run("nuthatch", &["run", "-c", "f.conf"], directory.path());
        assert_eq!(output.status.code(), Some(1));
        let expected = format!(
            "nuthatch: f.conf is a {kind}, not a nuthatch.toml; run it with: {command}\n\
             nuthatch: or make a nuthatch.toml of it: nuthatch convert f.conf\n"
        );
        assert_eq!(text(&output.stderr), expected);
        let output = run("nuthatch", &["check", "-c", "f.conf"], directory.path());
        assert_eq!(text(&output.stdout), "f.conf: 0 errors, 0 warnings\n");
        assert_eq!(output.status.code(), Some(0));
    }
    let (directory, path) = directory_with("f.yml", yaml);
    let output = run("nuthatch", &["convert", "f.yml"], directory.path());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    std::fs::write(path.with_extension("toml"), &output.stdout).expect("written");
    let output = run("nuthatch", &["check", "-c", "f.toml"], directory.path());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = run("nuthatch", &["convert", "f.toml"], directory.path());
    assert_eq!(text(&output.stderr), "nuthatch: f.toml: it is a nuthatch.toml already\n");
    let (directory, _) = directory_with("f.cfg", "max_msg_size = 1\nmsg_timeout = \"soon\"\n");
    let output = run("nuthatch", &["check", "-c", "f.cfg"], directory.path());
    assert!(
        text(&output.stdout).contains("time: invalid duration \"soon\"\nf.cfg: 1 error, 0 warnings"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn one_syntax_error_is_one_error() {
    let (directory, path) =
        directory_with("n.toml", "[pool.a\nlisten = \"127.0.0.1:0\"\nservers = \nx = = 1\n");
    for name in ["n.toml", "-"] {
        let mut command = called("nuthatch");
        command.args(["check", "-c", name]).current_dir(directory.path());
        command.stdin(std::fs::File::open(&path).expect("readable"));
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stdout);
        let shown = if name == "-" { "standard input" } else { name };
        assert!(said.starts_with(&format!("{shown}:1:")), "{said}");
        assert!(
            said.contains("\n  [pool.a\n") && said.ends_with(&format!("{shown}: 1 error, 0 warnings\n")),
            "{said}"
        );
    }
}

#[test]
fn help_completions_manual_version() {
    let directory = tempfile::tempdir().expect("a directory");
    for (arguments, expected) in [
        (&["help"][..], "nutcracker"),
        (&["--help"], "check"),
        (&["help", "options"], "memory_budget"),
        (&["help", "stats"], "forward_error"),
        (&["completions", "bash"], "complete"),
        (&["completions", "zsh"], "#compdef"),
        (&["man"], ".SH CONFIGURATION"),
        (&["man"], ".SH \"EXIT STATUS\""),
        (&["man", "check"], "nuthatch\\-check"),
        (&["version"], env!("CARGO_PKG_VERSION")),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["nutcracker", "--help"], ""),
    ] {
        let output = run("nuthatch", arguments, directory.path());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains(expected), "{arguments:?}: {output:?}");
    }
    for arguments in [&["nosuch"][..], &["check"], &["nsqadmin", "--nosuch"], &["run", "--nosuch"]] {
        assert_eq!(run("nuthatch", arguments, directory.path()).status.code(), Some(2), "{arguments:?}");
    }
}
