//! Users of the HTTP API and their rights, on a real queue.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use access::{AdminRole, Book, PasswordSpec, UserSpec};

use super::daemon::{Daemon, Got, converse, settings};
use crate::http::rows::ROWS;
use ::http::{LoginDesk, base64};

fn user(name: &str, publish: &[&str], admin: AdminRole) -> UserSpec {
    let passwords = vec![PasswordSpec::plain(format!("p-{name}").as_bytes()).unwrap()];
    let publish = publish.iter().map(|glob| (*glob).to_owned()).collect();
    UserSpec { name: name.into(), passwords, publish, admin, ..UserSpec::default() }
}

fn uptime() -> Duration {
    net::monotonic_now().since(net::Instant::default())
}

fn daemon(users: &[UserSpec]) -> Daemon {
    let desk = Arc::new(LoginDesk::new(Book::build(users).unwrap(), uptime));
    Daemon::start_with(settings(&[]), None, Some(desk))
}

/// A request by a user; without a login if the name is empty.
fn ask(daemon: &Daemon, name: &str, method: &str, target: &str) -> Got {
    let credentials = base64::encode(format!("{name}:p-{name}").as_bytes());
    let headers = match name {
        "" => String::new(),
        _ => format!("Authorization: Basic {credentials}\r\n"),
    };
    let mut stream = TcpStream::connect(daemon.http).unwrap();
    let body: &[u8] = if method == "GET" { b"" } else { b"m" };
    converse(&mut stream, method, target, &headers, body)
}

fn users() -> [UserSpec; 3] {
    [
        user("app", &["orders.*"], AdminRole::None),
        user("eve", &[], AdminRole::View),
        user("ops", &["*"], AdminRole::Operate),
    ]
}

#[test]
fn who_may_ask_what() {
    let daemon = daemon(&users());
    // method, target: no login, publisher, viewer, operator
    for (method, target, expected) in [
        ("GET", "/ping", [200, 200, 200, 200]),
        ("POST", "/pub?topic=orders.new", [401, 200, 403, 200]),
        ("POST", "/mpub?topic=orders.new", [401, 200, 403, 200]),
        ("POST", "/pub?topic=other", [401, 403, 403, 200]),
        ("POST", "/mpub?topic=other", [401, 403, 403, 200]),
        ("GET", "/info", [401, 403, 200, 200]),
        ("GET", "/stats?format=json", [401, 403, 200, 200]),
        ("GET", "/config/log_level", [401, 403, 200, 200]),
        ("GET", "/topic/settings?topic=orders.new", [401, 403, 200, 200]),
        ("GET", "/damage", [401, 403, 200, 200]),
        ("GET", "/debug/pprof/cmdline", [401, 403, 200, 200]),
        ("GET", "/topic/peek?topic=orders.new", [401, 403, 403, 200]),
        ("POST", "/topic/create?topic=made", [401, 403, 403, 200]),
        ("POST", "/channel/create?topic=made&channel=c", [401, 403, 403, 200]),
        ("POST", "/channel/pause?topic=made&channel=c", [401, 403, 403, 200]),
        ("GET", "/channel/peek?topic=made&channel=c", [401, 403, 403, 200]),
        ("POST", "/channel/empty?topic=made&channel=c", [401, 403, 403, 200]),
        ("POST", "/topic/pause?topic=made", [401, 403, 403, 200]),
        ("POST", "/topic/empty?topic=made", [401, 403, 403, 200]),
        ("POST", "/topic/delete?topic=made", [401, 403, 403, 200]),
    ] {
        let got = ["", "app", "eve", "ops"].map(|name| ask(&daemon, name, method, target).status);
        assert_eq!(got, expected, "{method} {target}");
    }
}

#[test]
fn every_row_but_ping_asks_for_a_login() {
    let daemon = daemon(&users());
    for row in ROWS {
        let row = format!("{row:?}").replace(":opt", "log_level");
        let (method, path) = row.split_once(' ').unwrap();
        let expected = if path == "/ping" { 200 } else { 401 };
        // Rows for publications check the topic after the body.
        let got = ask(&daemon, "", method, path);
        assert_eq!(got.status, expected, "{row}: {}", got.text());
        if expected == 401 {
            let challenge = got.header("Www-Authenticate");
            assert!(challenge.is_some_and(|challenge| challenge.starts_with("Basic ")), "{row}");
            assert!(got.text().starts_with(r#"{"message":"UNAUTHORIZED","help":"#), "{}", got.text());
        }
    }
}

#[test]
fn without_rights_to_give_all_is_open_as_before() {
    let redis = UserSpec { pools: vec!["p".into()], ..user("web", &[], AdminRole::None) };
    let daemon = daemon(&[redis]);
    for (method, target) in [("POST", "/pub?topic=t"), ("GET", "/stats"), ("POST", "/topic/delete?topic=t")] {
        assert_eq!(ask(&daemon, "", method, target).status, 200, "{method} {target}");
    }
}

#[test]
fn what_is_refused_creates_nothing() {
    let daemon = daemon(&users());
    assert_eq!(ask(&daemon, "app", "POST", "/pub?topic=other&defer=x").status, 403);
    let stats = ask(&daemon, "eve", "GET", "/stats?format=json");
    assert!(!stats.text().contains("other"), "{}", stats.text());
    assert!(!stats.text().contains("p-eve"));
}
