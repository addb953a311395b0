//! The API in front of a real queue: extensions, behaviour that cannot be captured from nsqd, and the
//! captured conversations.

mod requests;
mod daemon;
mod edge;
mod gate;
mod golden;
mod logins;
mod malformed;
mod places;

use std::io::{Read, Write};
use std::net::TcpStream;

use config::checked::Queue;
use journal::files::{Fault, Operation};
use serde_json::{Value, json};

use daemon::{Daemon, converse, read_answer, read_one_answer, settings};

/// Sends requests to one daemon: method, target, body, and the expected status and body.
fn check(daemon: &Daemon, table: &[(&str, &str, &str, u16, &str)]) {
    for (method, target, body, status, expected) in table {
        let got = daemon.request(method, target, body.as_bytes());
        let text = got.text();
        // The help text is not compared.
        let text = text.split_once(r#","help":"#).map_or(text.clone(), |(code, _)| format!("{code}}}"));
        assert_eq!((got.status, text.as_str()), (*status, *expected), "{method} {target}");
    }
}

fn start() -> Daemon {
    Daemon::start(settings(&[]), None)
}

fn json_of(daemon: &Daemon, target: &str) -> Value {
    let got = daemon.request("GET", target, b"");
    assert_eq!(got.status, 200, "{target}: {}", got.text());
    serde_json::from_slice(&got.body).unwrap()
}

#[test]
fn settings_are_kept_and_bad_ones_refused() {
    let daemon = start();
    let defaults =
        r#"{"bytes_max":0,"at_limit":"reject","ttl_seconds":0,"retention_seconds":0,"retention_bytes":0}"#;
    let changed = r#"{"durability":"fsync","bytes_max":1000,"at_limit":"drop-oldest","ttl_seconds":60,"retention_seconds":0,"retention_bytes":0}"#;
    let changes = r#"{"durability":"fsync","bytes_max":1000,"at_limit":"drop-oldest","ttl_seconds":60}"#;
    let invalid = r#"{"message":"INVALID_SETTINGS"}"#;
    check(
        &daemon,
        &[
            ("GET", "/topic/settings?topic=t", "", 404, r#"{"message":"TOPIC_NOT_FOUND"}"#),
            ("POST", "/topic/create?topic=t", "", 200, ""),
            ("GET", "/topic/settings?topic=t", "", 200, defaults),
            ("PUT", "/topic/settings?topic=t", changes, 200, ""),
            ("GET", "/topic/settings?topic=t", "", 200, changed),
            ("PUT", "/topic/settings?topic=t", r#"{"ttl":60}"#, 400, invalid),
            ("PUT", "/topic/settings?topic=t", "", 400, invalid),
            ("PUT", "/topic/settings?topic=t", "[]", 400, invalid),
            ("PUT", "/topic/settings?topic=t", "null", 400, invalid),
            ("GET", "/topic/settings?topic=t", "", 200, changed),
            (
                "PUT",
                "/topic/settings?topic=t",
                r#"{"durability":"memory"}"#,
                400,
                r#"{"message":"DURABILITY_IS_FIXED"}"#,
            ),
            ("POST", "/topic/create?topic=m&durability=ram", "", 400, r#"{"message":"INVALID_DURABILITY"}"#),
            ("POST", "/topic/create?topic=m&durability=memory", "", 200, ""),
            ("GET", "/channel/settings?topic=t&channel=c", "", 404, r#"{"message":"CHANNEL_NOT_FOUND"}"#),
            ("POST", "/channel/create?topic=t&channel=c", "", 200, ""),
            ("PUT", "/channel/settings?topic=t&channel=c", r#"{"max_attempts":3}"#, 200, ""),
            ("GET", "/channel/settings?topic=t&channel=c", "", 200, r#"{"max_attempts":3}"#),
            (
                "PUT",
                "/channel/settings?topic=t&channel=c",
                r#"{"dead_letter_topic":"b!d"}"#,
                400,
                r#"{"message":"INVALID_DEAD_LETTER_TOPIC"}"#,
            ),
            ("DELETE", "/channel/settings", "", 405, r#"{"message":"METHOD_NOT_ALLOWED"}"#),
        ],
    );
}

#[test]
fn who_asks_wrongly_is_told_what_to_write() {
    let daemon = start();
    check(
        &daemon,
        &[
            ("POST", "/topic/create?topic=t", "", 200, ""),
            ("POST", "/channel/create?topic=t&channel=c", "", 200, ""),
        ],
    );
    for (method, target, body, help) in [
        (
            "PUT",
            "/topic/settings?topic=t",
            r#"{"ttl":1}"#,
            "unknown field `ttl`, expected one of `durability`",
        ),
        ("PUT", "/topic/settings?topic=t", r#"{"at_limit":"drop"}"#, "expected `reject` or `drop-oldest`"),
        ("PUT", "/topic/settings?topic=t", r#"{"durability":"memory"}"#, "topic t is"),
        ("POST", "/topic/create?topic=m&durability=ram", "", "memory, os or fsync"),
        ("PUT", "/channel/settings?topic=t&channel=c", r#"{"dead_letter_topic":"b!d"}"#, "a name of 1 to 64"),
        ("POST", "/channel/seek?topic=t&channel=c", "", "seconds since 1970"),
        ("POST", "/channel/seek?topic=t&channel=c&to=noon", "", "seconds since 1970"),
        ("GET", "/channel/peek?topic=t&channel=c&what=all", "", "queued, deferred, in_flight or dead"),
        ("GET", "/channel/peek?topic=t&channel=c&count=-1", "", "a whole number"),
    ] {
        let got = daemon.request(method, target, body.as_bytes());
        assert_eq!(got.status, 400, "{method} {target}");
        let said: Value = serde_json::from_slice(&got.body).unwrap();
        assert!(said["help"].as_str().is_some_and(|said| said.contains(help)), "{method} {target}: {said}");
    }
}

#[test]
fn what_a_limit_costs_is_counted_and_shown() {
    let daemon = start();
    let body = "x".repeat(600);
    let counts = || {
        let stats = json_of(&daemon, "/stats?format=json&include_limits=true");
        let count = |name: &str| stats["topics"][0][name].as_u64().unwrap();
        (count("depth"), count("rejected_count"), count("dropped_count"))
    };
    let limit = |at_limit: &str| {
        let settings = format!(r#"{{"bytes_max":20000,"at_limit":"{at_limit}"}}"#);
        assert_eq!(daemon.request("PUT", "/topic/settings?topic=t", settings.as_bytes()).status, 200);
    };
    let publish = |times| -> u64 {
        let taken =
            (0..times).filter(|_| daemon.request("POST", "/pub?topic=t", body.as_bytes()).status == 200);
        taken.count() as u64
    };
    check(&daemon, &[("POST", "/topic/create?topic=t", "", 200, "")]);
    limit("reject");
    let taken = publish(100);
    assert!((28..34).contains(&taken), "{taken}");
    assert_eq!(counts(), (taken, 100 - taken, 0));
    limit("drop-oldest");
    assert_eq!(publish(200), 200);
    let (depth, rejected, dropped) = counts();
    assert_eq!((depth + dropped, rejected), (taken + 200, 100 - taken));
    assert!((16..=42).contains(&depth), "{depth} messages of 600 bytes in 20,000");
    assert!(json_of(&daemon, "/stats?format=json")["topics"][0].get("dropped_count").is_none());
}

#[test]
fn messages_are_looked_at_without_being_consumed() {
    let daemon = start();
    check(
        &daemon,
        &[("POST", "/topic/create?topic=t", "", 200, ""), ("POST", "/pub?topic=t", "waits", 200, "OK")],
    );
    let waiting = json_of(&daemon, "/topic/peek?topic=t");
    assert_eq!(waiting["messages"][0]["body"], "waits");
    check(
        &daemon,
        &[
            ("POST", "/channel/create?topic=t&channel=c", "", 200, ""),
            ("POST", "/mpub?topic=t&defer=3000000", "later\nmuch later", 200, "OK"),
            ("POST", "/mpub?topic=t&defer=3600001", "x", 400, r#"{"message":"INVALID_DEFER"}"#),
            ("GET", "/channel/peek?topic=t&channel=c&what=all", "", 400, r#"{"message":"INVALID_ARG_WHAT"}"#),
            (
                "GET",
                "/channel/peek?topic=t&channel=c&count=-1",
                "",
                400,
                r#"{"message":"INVALID_ARG_COUNT"}"#,
            ),
            ("GET", "/channel/peek?topic=t&channel=d", "", 404, r#"{"message":"CHANNEL_NOT_FOUND"}"#),
            ("GET", "/channel/peek?topic=t&channel=c&what=dead", "", 200, r#"{"messages":[]}"#),
            ("GET", "/channel/peek?topic=t&channel=c&what=in_flight", "", 200, r#"{"messages":[]}"#),
        ],
    );
    assert_eq!(daemon.request("POST", "/pub?topic=t", b"\xff\xfe").text(), "OK");
    for _ in 0..2 {
        let queued = json_of(&daemon, "/channel/peek?topic=t&channel=c");
        let list = queued["messages"].as_array().unwrap();
        assert_eq!(list.len(), 2, "{queued}");
        assert_eq!((&list[0]["body"], &list[1]["body_base64"]), (&json!("waits"), &json!("//4=")));
        assert_eq!(list[0]["id"].as_str().unwrap().len(), 16);
    }
    let deferred = json_of(&daemon, "/channel/peek?topic=t&channel=c&what=deferred&count=1");
    assert_eq!(deferred["messages"].as_array().unwrap().len(), 1);
    assert!(
        deferred["messages"][0]["due"].as_i64().unwrap()
            > deferred["messages"][0]["timestamp"].as_i64().unwrap()
    );
    let stats = json_of(&daemon, "/stats?format=json&topic=t");
    let channel = &stats["topics"][0]["channels"][0];
    assert_eq!((&channel["depth"], &channel["deferred_count"]), (&json!(2), &json!(2)));
}

#[test]
fn a_channel_is_moved_and_dead_letters_come_back() {
    let daemon = start();
    let bad = r#"{"message":"INVALID_ARG_TO"}"#;
    check(
        &daemon,
        &[
            ("POST", "/topic/create?topic=t", "", 200, ""),
            ("POST", "/channel/create?topic=t&channel=c", "", 200, ""),
            ("POST", "/mpub?topic=t", "a\nb\nc", 200, "OK"),
            ("POST", "/channel/seek?topic=t&channel=c&to=end", "", 200, r#"{"count":0,"complete":true}"#),
            (
                "POST",
                "/channel/seek?topic=t&channel=c&to=beginning",
                "",
                200,
                r#"{"count":3,"complete":true}"#,
            ),
            (
                "POST",
                "/channel/seek?topic=t&channel=c&to=2000-01-01T00:00:00Z",
                "",
                200,
                r#"{"count":3,"complete":true}"#,
            ),
            (
                "POST",
                "/channel/seek?topic=t&channel=c&to=946684800",
                "",
                200,
                r#"{"count":3,"complete":true}"#,
            ),
            ("POST", "/channel/seek?topic=t&channel=c&to=-1", "", 400, bad),
            ("POST", "/channel/seek?topic=t&channel=c&to=soon", "", 400, bad),
            ("POST", "/channel/seek?topic=t&channel=c", "", 400, r#"{"message":"MISSING_ARG_TO"}"#),
            ("POST", "/channel/redrive?topic=t&channel=c", "", 200, r#"{"count":0}"#),
            ("PUT", "/channel/settings?topic=t&channel=c", r#"{"max_attempts":1}"#, 200, ""),
        ],
    );
    // One delivery and a REQ make a dead letter.
    let mut consumer = TcpStream::connect(daemon.tcp).unwrap();
    consumer.write_all(b"  V2SUB t c\nRDY 1\n").unwrap();
    let mut ok = [0; 10];
    consumer.read_exact(&mut ok).unwrap();
    let mut message = [0; 8 + 26 + 1];
    consumer.read_exact(&mut message).unwrap();
    let id = std::str::from_utf8(&message[18..34]).unwrap();
    consumer.write_all(format!("RDY 0\nREQ {id} 0\n").as_bytes()).unwrap();
    let dead = loop {
        let dead = json_of(&daemon, "/channel/peek?topic=t&channel=c&what=dead");
        if dead["messages"][0].is_object() {
            break dead;
        }
    };
    assert_eq!(dead["messages"][0]["body"], "a");
    assert!(dead["messages"][0]["origin"].is_object(), "{dead}");
    check(
        &daemon,
        &[
            ("POST", "/channel/redrive?topic=t&channel=c", "", 200, r#"{"count":1}"#),
            ("POST", "/channel/redrive?topic=t&channel=c", "", 200, r#"{"count":0}"#),
        ],
    );
}

#[test]
fn a_topic_filter_leaves_producers_and_limits_what_is_said_of_them() {
    let daemon = start();
    let mut client = TcpStream::connect(daemon.tcp).unwrap();
    client.write_all(b"  V2SUB t c\nRDY 3\nPUB other\n\0\0\0\x01x").unwrap();
    client.read_exact(&mut [0; 20]).unwrap();
    for (filter, producers) in [
        ("topic=t", json!([[3, null]])),
        ("topic=other", json!([[3, [{"topic": "other", "count": 1}]]])),
        ("topic=t&channel=nosuch", json!([[3, null]])),
        ("channel=c", json!([[3, [{"topic": "other", "count": 1}]]])),
        ("topic=nosuch", json!(null)),
    ] {
        let stats = json_of(&daemon, &format!("/stats?format=json&{filter}"));
        let said = stats["producers"].as_array().map(|list| {
            list.iter().map(|one| json!([one["ready_count"], one["pub_counts"]])).collect::<Value>()
        });
        assert_eq!(json!(said), producers, "{filter}");
    }
    let consumer = &json_of(&daemon, "/stats?format=json&topic=t")["topics"][0]["channels"][0]["clients"][0];
    assert_eq!((&consumer["ready_count"], &consumer["pub_counts"]), (&json!(3), &json!(null)));
}

#[test]
fn ping_tells_the_truth_about_the_disk() {
    let daemon = start();
    check(&daemon, &[("GET", "/ping", "", 200, "OK"), ("POST", "/pub?topic=t", "x", 200, "OK")]);
    daemon.files.fail(Fault::eio(Operation::Write));
    let exiting = r#"{"message":"EXITING"}"#;
    check(&daemon, &[("POST", "/pub?topic=t", "x", 503, exiting)]);
    let ping = daemon.request("GET", "/ping", b"");
    assert_eq!(ping.status, 500);
    assert!(ping.text().starts_with("NOK - "), "{}", ping.text());
    assert_eq!(ping.header("X-Nsq-Content-Type"), None);
    let stats = json_of(&daemon, "/stats?format=json");
    assert!(stats["health"].as_str().unwrap().starts_with("NOK - "));
    assert_eq!(stats["topics"][0]["message_count"], 1);
}

#[test]
fn a_full_disk_and_a_lack_of_descriptors_are_told_for_what_they_are() {
    let emfile = Fault { errno: 24, ..Fault::eio(Operation::Open) };
    for (fault, topic, errno, advice) in [
        (Fault::disk_full(), "t", "os error 28", "free space, then publish again"),
        (emfile, "new", "os error 24", "raise their limit"),
    ] {
        let daemon = start();
        check(&daemon, &[("POST", "/pub?topic=t", "x", 200, "OK")]);
        assert!(!json_of(&daemon, "/stats?format=json").as_object().unwrap().contains_key("conditions"));
        daemon.files.fail(Fault { times: 1000, ..fault });
        // nsqd's code for programs, the real reason for people
        let refused = daemon.request("POST", &format!("/pub?topic={topic}"), b"x");
        let answer: Value = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!((refused.status, &answer["message"]), (503, &json!("EXITING")));
        let help = answer["help"].as_str().unwrap();
        assert!(help.contains(errno) && help.contains(advice), "{help}");
        let stats = json_of(&daemon, "/stats?format=json");
        let health = stats["health"].as_str().unwrap();
        assert!(
            health.starts_with("NOK - ") && health.contains(errno) && health.contains(advice),
            "{health}"
        );
        let conditions = stats["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["topic"] == topic).expect("its topic");
        let why = found["why"].as_str().unwrap();
        assert!(why.contains(errno) && why.contains(advice), "{why}");
        assert!(found["since"].as_str().unwrap().ends_with('Z'), "{found}");
        let page = daemon.request("GET", "/stats", b"").text();
        let line = page.lines().find(|line| line.contains(&format!("[{topic:<15}]")) && line.contains(errno));
        assert!(line.is_some_and(|line| line.contains(", since 20")), "{page}");
    }
}

#[test]
fn bodies_are_limited_however_they_come() {
    let daemon = Daemon::start(settings(&["--max-msg-size=10", "--max-body-size=20"]), None);
    let too_big = r#"{"message":"MSG_TOO_BIG"}"#;
    let chunked = |body: &str| {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        let head = "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        read_answer(&mut stream)
    };
    assert_eq!(chunked("5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n").text(), "OK");
    assert_eq!(chunked("5\r\nabcde\r\n6\r\nfghijk\r\n0\r\n\r\n").text(), too_big);
    assert_eq!(chunked("zz\r\n").status, 500);
    // A client that sends `Expect` is refused before it sends the body.
    let mut stream = TcpStream::connect(daemon.http).unwrap();
    let head = "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_answer(&mut stream).status, 413);
    // A client that has sent all of it still gets the answer.
    let got = daemon.request("POST", "/mpub?topic=t", &vec![b'x'; 900_000]);
    assert_eq!((got.status, got.text().as_str()), (413, r#"{"message":"BODY_TOO_BIG"}"#));
    let stats = json_of(&daemon, "/stats?format=json");
    assert_eq!(stats["topics"][0]["message_count"], 1);
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_at_once() {
    let daemon = start();
    let limit = 1 << 20;
    for length in [limit + 1, 10 << 20] {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        let head = format!("POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        // Nothing of the body is sent: a daemon that waited for it would wait for two seconds.
        let asked = std::time::Instant::now();
        stream.write_all(head.as_bytes()).unwrap();
        let got = read_one_answer(&mut stream);
        assert_eq!((got.status, got.text().as_str()), (413, r#"{"message":"MSG_TOO_BIG"}"#));
        assert!(asked.elapsed() < std::time::Duration::from_secs(2), "it waited for the body");
        assert_eq!(got.header("Connection"), Some("close"));
    }
    // A body that is a little too large is read, and the connection serves the next request.
    let daemon = Daemon::start(settings(&["--max-msg-size=10"]), None);
    let mut stream = TcpStream::connect(daemon.http).unwrap();
    let head = "POST /pub?topic=t HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let got = read_one_answer(&mut stream);
    assert_eq!((got.status, got.header("Connection")), (413, None));
    stream.write_all(b"elevenbytesGET /ping HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(read_one_answer(&mut stream).text(), "OK");
}

#[test]
fn limits_have_answers_of_their_own() {
    let daemon = Daemon::start(Queue { max_topics: 3, max_channels: 2, ..settings(&[]) }, None);
    let full = r#"{"message":"TOPIC_FULL"}"#;
    let deferred = r#"{"message":"TOO_MANY_DEFERRED"}"#;
    check(
        &daemon,
        &[
            ("POST", "/topic/create?topic=t", "", 200, ""),
            ("PUT", "/topic/settings?topic=t", r#"{"bytes_max":1500}"#, 200, ""),
            ("POST", "/pub?topic=t", &"x".repeat(900), 200, "OK"),
            ("POST", "/pub?topic=t", &"x".repeat(900), 503, full),
            ("POST", "/mpub?topic=d&defer=1000000", "a\nb\nc\nd", 503, deferred),
            ("POST", "/mpub?topic=d&defer=1000000", "a\nb\nc", 200, "OK"),
            ("POST", "/pub?topic=d&defer=1000000", "d", 503, deferred),
            ("POST", "/pub?topic=d", "d", 200, "OK"),
            ("POST", "/topic/create?topic=third", "", 200, ""),
            ("POST", "/topic/create?topic=fourth", "", 503, r#"{"message":"TOO_MANY_TOPICS"}"#),
            ("POST", "/pub?topic=fourth", "x", 503, r#"{"message":"TOO_MANY_TOPICS"}"#),
            ("POST", "/channel/create?topic=d&channel=a", "", 200, ""),
            ("POST", "/channel/create?topic=d&channel=b", "", 200, ""),
            ("POST", "/channel/create?topic=d&channel=c", "", 503, r#"{"message":"TOO_MANY_CHANNELS"}"#),
            ("GET", "/ping", "", 200, "OK"),
        ],
    );
}

#[test]
fn heads_are_nsqds_down_to_the_case_of_letters() {
    let daemon = start();
    let names: Vec<String> =
        daemon.request("GET", "/info", b"").headers.into_iter().map(|(name, _)| name).collect();
    assert!(
        names.contains(&"X-Nsq-Content-Type".into()) && names.contains(&"Content-Length".into()),
        "{names:?}"
    );
    let evil = daemon.request("GET", "/config/%22%3E%0D%0Ax/", b"");
    assert_eq!((evil.status, evil.header("Location")), (301, Some("/config/%22%3E%0D%0Ax")));
}

#[test]
fn profiles_are_served_or_refused_with_advice() {
    let daemon = start();
    let heap = daemon.request("GET", "/debug/pprof/heap", b"");
    assert_eq!((heap.status, heap.header("Content-Type")), (200, Some("application/octet-stream")));
    let mut profile = Vec::new();
    flate2::read::GzDecoder::new(&heap.body[..]).read_to_end(&mut profile).unwrap();
    assert!(profile.windows(11).any(|eleven| eleven == b"inuse_space"));
    for name in ["profile", "goroutine", "block", "threadcreate"] {
        let got = daemon.request("GET", &format!("/debug/pprof/{name}"), b"");
        assert_eq!(got.status, 501, "{name}");
        assert!(got.text().contains("perf record"), "{}", got.text());
    }
}

#[test]
fn tls_is_spoken_and_can_be_required() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("cert"), &certificate).unwrap();
    std::fs::write(path("key"), &key).unwrap();
    let server = net::tls::server_config(
        certificate.as_bytes(),
        key.as_bytes(),
        None,
        net::tls::ClientAuth::None,
        net::tls::MinVersion::Tls12,
    );
    let cert = format!("--tls-cert={}", path("cert"));
    let key = format!("--tls-key={}", path("key"));
    let daemon = Daemon::start(settings(&[&cert, &key, "--tls-required=true"]), Some(server.unwrap()));
    let https = daemon.https.unwrap();
    let refusal = format!("{{\"message\": \"TLS_REQUIRED\", \"https_port\": {}}}", https.port());
    for (method, target) in [("GET", "/ping"), ("POST", "/pub?topic=t"), ("GET", "/nope")] {
        let got = daemon.request(method, target, b"");
        assert_eq!((got.status, got.text()), (403, refusal.clone()), "{target}");
    }
    assert_eq!(daemon.request("OPTIONS", "*", b"").status, 200);

    let client = net::tls::client_config(certificate.as_bytes(), None, net::tls::MinVersion::Tls12).unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(client, name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(https).unwrap());
    let got = converse(&mut stream, "GET", "/ping", "", b"");
    assert_eq!((got.status, got.text().as_str()), (200, "OK"));
}

#[test]
fn statistics_are_pushed_to_statsd() {
    let daemon = start();
    check(&daemon, &[("POST", "/pub?topic=t", "hello", 200, "OK")]);
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let statsd = config::checked::Statsd {
        address: receiver.local_addr().unwrap().to_string(),
        prefix: "nsq.%s".into(),
        interval: std::time::Duration::from_millis(20),
        mem_stats: false,
        udp_packet_size: 508,
        exclude_ephemeral: false,
    };
    let send = daemon.ask();
    let pushing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(crate::push::push(statsd, "127.0.0.1".into(), 4151, send));
    });
    let mut packet = [0; 2048];
    let mut receive = || {
        let length = receiver.recv(&mut packet).unwrap();
        String::from_utf8(packet[..length].to_vec()).unwrap()
    };
    assert!(receive().starts_with("nsq.127_0_0_1_4151.topic.t.message_count:1|c\n"));
    assert!(receive().starts_with("nsq.127_0_0_1_4151.topic.t.message_count:0|c\n"));
    drop(daemon);
    pushing.join().unwrap();
}

#[test]
fn a_page_of_another_site_changes_and_reads_nothing() {
    let mut settings = settings(&[]);
    settings.http_names = vec!["dash.example.com".into()];
    let daemon = Daemon::start(settings, None);
    let ask = |method, target, headers: &str| {
        let mut stream = TcpStream::connect(daemon.http).unwrap();
        let body = if method == "GET" { &b""[..] } else { b"x" };
        converse(&mut stream, method, target, headers, body)
    };
    let (evil, ours) = ("Origin: http://evil.example\r\n", "Origin: https://dash.example.com\r\n");
    assert_eq!(ask("POST", "/pub?topic=t", "").status, 200, "a client that is no browser");
    for (method, target) in [
        ("POST", "/pub?topic=t"),
        ("POST", "/topic/delete?topic=t"),
        ("PUT", "/config/log_level"),
        ("PUT", "/topic/settings?topic=t"),
        ("GET", "/topic/peek?topic=t"),
    ] {
        for headers in [evil, "Sec-Fetch-Site: cross-site\r\n"] {
            let got = ask(method, target, headers);
            assert_eq!(got.status, 403, "{method} {target}");
            let named = headers.trim_end();
            assert!(got.text().contains("FOREIGN_SITE") && got.text().contains(named), "{}", got.text());
        }
    }
    assert_eq!(ask("GET", "/stats", evil).status, 200);
    assert_eq!(json_of(&daemon, "/stats?format=json")["topics"][0]["depth"], 1);
    assert_eq!(ask("POST", "/topic/delete?topic=t", ours).status, 200);
}

#[test]
fn a_unix_socket_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    let bind = || ::http::Socket::Unix(net::bind_unix(&path, None, 16).unwrap());
    let listener = ::http::Listener::new(bind(), None).unwrap();
    assert_eq!(listener.local_address(), None);
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let router = axum::Router::new().fallback(|link: Option<axum::Extension<::http::Link>>| async {
            link.map(|link| link.0.remote).unwrap_or_default()
        });
        runtime.block_on(::http::serve(listener, router, stopping)).unwrap();
    });
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    assert_eq!(converse(&mut stream, "GET", "/", "", b"").text(), "@");
    stop.send_replace(true);
    serving.join().unwrap();
    // A leftover socket file does not prevent binding.
    drop(bind());
}
