//! `nuthatch doctor` and `nuthatch health`, with and without a running process.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Running, called, directory_with, free_port, run, text};

/// Findings of one check, as `level text`.
fn of(report: &str, check: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(report).expect(report);
    let rows = report.as_array().expect("a list").iter().filter(|row| row["check"] == check);
    let shown = |row: &Value| format!("{} {}", row["level"].as_str().unwrap(), row["text"].as_str().unwrap());
    rows.map(shown).collect()
}

#[test]
fn what_is_wrong_comes_with_its_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (port, nobody) = (taken.local_addr().expect("an address").port(), free_port());
    let file = format!(
        "[pool.a]\nlisten = \"127.0.0.1:{port}\"\nservers = [\"127.0.0.1:{nobody}:1 s1\"]\n[queue]\n\
         tcp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nnsqlookupd_tcp_addresses = [\"127.0.0.1:{nobody}\"]\n"
    );
    let (directory, _) = directory_with("n.toml", &file);
    let other = file.replace(":1 s1\"", ":1 s1\", \"127.0.0.1:1:1 s2\"");
    std::fs::write(directory.path().join("other.toml"), other).expect("a file");
    let arguments = ["doctor", "-c", "n.toml", "--compare", "other.toml"];
    let output = run("nuthatch", &arguments, directory.path());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        format!("[pool.a] listen: 127.0.0.1:{port}: in use by "),
        "[pool.a] s1 does not answer: Connection refused".into(),
        "→ start it, or correct servers of [pool.a]".into(),
        format!("nsqlookupd 127.0.0.1:{nobody} does not answer"),
        "% of keys of pool a elsewhere: it has a server s2".into(),
        "a flush takes ".into(),
    ] {
        assert!(said.contains(&line), "no {line} in {said}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).expect("files").count(), 2, "nothing is left behind");

    let output = run("nuthatch", &["doctor", "-c", "none.toml"], directory.path());
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_process_that_serves_is_recognised_and_its_rings_are_asked_for() {
    let (admin, pool) = (free_port(), free_port());
    let file = format!(
        "[admin]\nlisten = \"127.0.0.1:{admin}\"\n[pool.a]\nlisten = \"127.0.0.1:{pool}\"\nservers = [\"local\"]\n"
    );
    let (directory, _) = directory_with("n.toml", &file);
    let address = format!("127.0.0.1:{admin}");
    let health =
        |question: &str| run("nuthatch", &["health", question, "--address", &address], directory.path());
    assert_eq!(health("live").status.code(), Some(3), "nobody answers");

    let mut command = called("nuthatch");
    let (running, _) =
        Running::until(command.args(["run", "-c", "n.toml"]).current_dir(directory.path()), "try:");
    for question in ["health", "ready", "live"] {
        let output = health(question);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "ok\n".into()), "{question}");
    }
    let arguments = ["doctor", "-c", "n.toml", "--json", "--compare", &address];
    let said = text(&run("nuthatch", &arguments, directory.path()).stdout);
    let pid = running.pid();
    assert!(of(&said, "process")[0].starts_with(&format!("ok process {pid} serves it")), "{said}");
    let skipped = format!("skipped in use by process {pid}, which serves them");
    assert_eq!((of(&said, "paths"), of(&said, "listeners")), (vec![skipped.clone()], vec![skipped]));
    assert_eq!(
        of(&said, "rings"),
        [format!("ok {address} places the keys of pool a as this configuration does")]
    );
}
