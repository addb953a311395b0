//! Tests over a real HTTP connection without a socket: requests go in at one end of a pipe, answers come out.

use std::time::Instant;

use serde_json::Value;
use telemetry::{PoolCells, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const HTML: &str = "text/html";
use crate::facts::{Facts, Listening, Placement, PoolFacts};
use crate::lookup::LookupReport;
use crate::queue::{ChannelReport, QueueReport, TopicReport};
use crate::source::{Answer, Source, Sources};
use crate::{Severity, events};

/// A source that always answers the same.
struct Fixed<T>(T);

impl<T: Clone + Send + Sync + 'static> Source<T> for Fixed<Option<T>> {
    fn ask(&self) -> Answer<T> {
        let report = self.0.clone();
        Box::pin(async { report })
    }
}

struct Place {
    watch: Arc<Watch>,
    pool: PoolCells,
    teller: events::Teller,
    router: Router,
}

/// Two shards, a pool `a` with servers `s` and `t`, and a queue.
fn place(queue: Option<QueueReport>) -> Place {
    let registry = Arc::new(Registry::new(2));
    let pool = PoolCells::new("a", ["s", "t"], 2);
    registry.set_pools([pool.clone()]);
    let facts = Facts {
        version: "1.2.3",
        memory_budget_bytes: 1 << 20,
        shards: 2,
        pools: vec![PoolFacts {
            name: "a".into(),
            protocol: "redis",
            topology: "ring",
            placement: Placement::default(),
        }],
        listening: vec![Listening { what: "redis pool a".into(), address: "127.0.0.1:1".into() }],
        hostname: "box".into(),
        http_names: vec!["dash.example.com".into()],
        metrics: config::checked::MetricsLimits::default(),
        started: Instant::now(),
        started_ms: 1_000,
    };
    let (teller, events) = events::connect();
    let lookup = LookupReport { connections: 4, producers: 3, stale: 1, topics: 2, channels: 5 };
    let sources =
        Sources { queue: Some(Arc::new(Fixed(queue))), lookup: Some(Arc::new(Fixed(Some(lookup)))) };
    let watch = Arc::new(Watch::new(facts, registry, sources, events));
    Place { pool, teller, router: router(Arc::clone(&watch), None, None, None), watch }
}

/// A topic with a channel in which 7 messages wait without a consumer.
fn report() -> QueueReport {
    let channel = ChannelReport { name: "mail".into(), depth: 7, ..Default::default() };
    let topic =
        TopicReport { name: "orders".into(), messages: 9, channels: vec![channel], ..Default::default() };
    QueueReport { topics: vec![topic], ..Default::default() }
}

/// Head and body of the answer to `request`.
async fn exchange(router: Router, request: &str) -> (String, String) {
    let (mut client, server) = duplex(1 << 20);
    tokio::spawn(serve_client(server, Origin::Local, Caller::default(), router, || ()));
    client.write_all(request.as_bytes()).await.expect("sent");
    client.shutdown().await.expect("shut down");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn fetch(router: Router, path: &str) -> (String, String) {
    exchange(router, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn what_is_served_where() {
    let place = place(Some(report()));
    for (path, code, content_type, part) in [
        ("/", "200", HTML, "<title>1 warning · Overview · nuthatch</title>"),
        ("/pools", "200", HTML, "<title>1 warning · Pools · nuthatch</title>"),
        ("/pools/a", "200", HTML, "<a href=\"/pools/a/t\">t</a>"),
        ("/pools/a/s", "200", HTML, "<h1>Server s</h1>"),
        ("/pools/nosuch", "404", HTML, "There is no such page."),
        ("/pools/a/nosuch", "404", HTML, "There is no such page."),
        ("/events", "200", HTML, "Nothing happened yet."),
        ("/configuration", "200", HTML, "<h2>Listeners</h2>"),
        ("/live", "200", TEXT, "ok\n"),
        ("/ready", "200", TEXT, "ok\n"),
        ("/health", "200", TEXT, "ok\n"),
        ("/startup", "200", TEXT, "ok\n"),
        (
            "/metrics",
            "200",
            prometheus::CONTENT_TYPE,
            "nuthatch_channel_depth{topic=\"orders\",channel=\"mail\"} 7\n",
        ),
        ("/api/status", "200", JSON, "\"version\":\"1.2.3\""),
    ] {
        let (head, body) = fetch(place.router.clone(), path).await;
        assert!(head.starts_with(&format!("http/1.1 {code}")), "{path}: {head}");
        assert!(head.contains(&format!("content-type: {content_type}\r\n")), "{path}: {head}");
        assert!(head.contains("cache-control: no-store"), "{path}: {head}");
        assert!(body.contains(part), "{path}: {part} is missing in\n{body}");
    }
    assert!(fetch(place.router.clone(), "/nosuch").await.0.starts_with("http/1.1 404"));
    let post = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(exchange(place.router.clone(), post).await.0.starts_with("http/1.1 405"));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
    let (head, _) = exchange(place.router.clone(), &long).await;
    assert!(head.starts_with("http/1.1 4"), "{head}");
}

#[tokio::test]
async fn the_runbook_has_the_sections_that_the_page_links_to() {
    let (head, page) = fetch(place(None).router, "/runbook").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(page.contains("<h2 id=\"server-ejected\">Server: ejected</h2>"), "{page}");
}

#[tokio::test]
async fn the_page_answers_at_once() {
    let place = place(Some(report()));
    let ejected = &place.pool.servers[0].shards[0];
    ejected.ejected.set(1);
    ejected.server_ejected_at.set(2_000_000);
    place.teller.tell(Severity::Critical, "pool a, server s".into(), "ejected: <Connection refused>".into());
    let (_, page) = fetch(place.router, "/").await;
    for part in [
        "<b><a href=\"/pools/a/s\">pool a, server s</a></b><span>ejected: &lt;Connection refused&gt;</span>",
        "since <time datetime=\"1970-01-01T00:00:02Z\">1970-01-01 00:00:02 UTC</time>",
        "<a href=\"/runbook#server-ejected\">what to do</a>",
        "nobody consumes; 7 messages wait",
        ">Lately</a>",
        "<code>127.0.0.1:1</code> redis pool a",
        "of 1 MiB",
        "<a href=\"/topics/orders/mail\">orders › mail</a>",
    ] {
        assert!(page.contains(part), "{part} is missing in\n{page}");
    }
}

#[tokio::test]
async fn status_is_json() {
    let place = place(Some(report()));
    place.pool.shards[1].client_requests.add(3);
    place.pool.servers[1].shards[1].connects_refused.add(4);
    let (_, body) = fetch(place.router, "/api/status").await;
    let status: Value = serde_json::from_str(&body).expect("JSON");
    let pool = &status["pools"][0];
    assert_eq!(
        (&pool["name"], &pool["protocol"], &pool["state"]),
        (&"a".into(), &"redis".into(), &"up".into())
    );
    assert_eq!(pool["requests_total"], 3);
    assert_eq!(pool["servers"][1]["errors"]["connects_refused"]["total"], 4);
    assert_eq!(pool["servers"][0]["latency"]["p99_us"], Value::Null);
    assert_eq!(status["memory"]["budget_bytes"], 1 << 20);
    assert_eq!(status["queue"]["topics"][0]["channels"][0]["depth"], 7);
    assert_eq!(status["troubles"].as_array().map(Vec::len), Some(2), "{status:#}");
}

#[tokio::test]
async fn health_says_why_not() {
    let fault = "topic t: no space left on device";
    let cases = [
        (Some(QueueReport { fault: Some(fault.into()), ..report() }), 0, format!("queue: {fault}\n")),
        (None, 0, "queue: it does not answer\n".into()),
        (Some(report()), 2, "pool a: every server is ejected\n".into()),
    ];
    for (queue, ejected, reasons) in cases {
        let place = place(queue);
        place.pool.servers.iter().for_each(|server| server.shards[0].ejected.set(ejected));
        let (head, body) = fetch(place.router, "/health").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        assert_eq!(body, reasons);
    }
}

#[tokio::test]
async fn a_process_that_stops_is_alive_and_takes_nothing_new() {
    let place = place(Some(report()));
    // The cached answer from before the stop is not used.
    assert_eq!(fetch(place.router.clone(), "/health").await.1, "ok\n");
    place.watch.drain();
    for (path, code) in [("/live", "200"), ("/ready", "503"), ("/health", "503")] {
        let (head, body) = fetch(place.router.clone(), path).await;
        assert!(head.starts_with(&format!("http/1.1 {code}")), "{path}: {head}");
        assert!(code == "200" || body == "draining: the process stops\n", "{path}: {body}");
    }
    let (_, metrics) = fetch(place.router, "/metrics").await;
    assert!(metrics.contains("nuthatch_ready 0\n") && metrics.contains("nuthatch_healthy 0\n"), "{metrics}");
}

#[tokio::test]
async fn the_policy_forbids_what_is_inline_and_no_page_has_any() {
    let place = place(Some(report()));
    for path in ["/", "/pools", "/pools/a", "/pools/a/s", "/events", "/configuration", "/runbook"] {
        let (head, page) = fetch(place.router.clone(), path).await;
        assert!(head.contains("script-src 'self'") && !head.contains("unsafe"), "{path}: {head}");
        for inline in ["<style", " style=", "<script>", "javascript:", "onclick"] {
            assert!(!page.contains(inline), "{path}: {inline} in\n{page}");
        }
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "{path}: nothing comes from elsewhere"
        );
    }
    for (path, content_type) in [("/static/style.css", "text/css"), ("/static/script.js", "text/javascript")]
    {
        let (head, _) = fetch(place.router.clone(), path).await;
        assert!(head.starts_with("http/1.1 200") && head.contains(content_type), "{head}");
    }
    let (head, icon) = fetch(place.router.clone(), "/favicon.ico").await;
    assert!(head.contains("content-type: image/svg+xml") && icon.starts_with("<svg"), "{head}");
    assert!(fetch(place.router, "/static/nosuch").await.0.starts_with("http/1.1 404"));
}

#[tokio::test]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let router = place(None).router;
    let (head, _) = fetch(router.clone(), "/runbook").await;
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an etag").to_owned();
    let again =
        format!("GET /runbook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {etag}\r\n\r\n");
    let (head, body) = exchange(router, &again).await;
    assert!(head.starts_with("http/1.1 304") && body.is_empty(), "{head}{body}");
}

#[tokio::test]
async fn the_lookup_is_on_the_page_and_in_the_metrics() {
    let (_, metrics) = fetch(place(None).router, "/metrics").await;
    for line in ["producers 3", "stale_producers 1", "connections 4", "topics 2", "channels 5"] {
        assert!(metrics.contains(&format!("\nnuthatch_lookup_{line}\n")), "{line}: {metrics}");
    }
    let (_, page) = fetch(place(None).router, "/").await;
    for text in ["<dt>Nodes</dt><dd>3</dd>", "<dt>Not heard of since the restart</dt><dd>1</dd>"] {
        assert!(page.contains(text), "{page}");
    }
}

#[tokio::test]
async fn a_certificate_that_expires_is_on_the_page_and_in_the_metrics() {
    let place = place(None);
    let now_ms = crate::facts::wall_ms();
    let day_ms = 86_400_000;
    place.watch.certificates().set(vec![crate::Certificate {
        pool: "a".into(),
        side: crate::Side::Servers,
        option: "server_tls.cert",
        file: "me.pem".into(),
        begins_ms: now_ms - 360 * day_ms,
        ends_ms: now_ms + 6 * day_ms + 60_000,
    }]);
    let (_, page) = fetch(place.router.clone(), "/").await;
    assert!(page.contains("pool a</a></b><span>server_tls.cert me.pem expires in 6 days</span>"), "{page}");
    let (_, metrics) = fetch(place.router.clone(), "/metrics").await;
    let labels = "pool=\"a\",side=\"servers\",option=\"server_tls.cert\",file=\"me.pem\"";
    let seconds = now_ms / 1000 + 6 * 86_400 + 60;
    let sample = format!("\nnuthatch_certificate_expiry_time_seconds{{{labels}}} {seconds}.");
    assert!(metrics.contains(&sample), "{sample} {metrics}");
    let (_, json) = fetch(place.router, "/api/status").await;
    let status: Value = serde_json::from_str(&json).expect("JSON");
    let certificate = &status["certificates"][0];
    assert_eq!((&certificate["side"], &certificate["file"]), (&"servers".into(), &"me.pem".into()));
}

/// Checks every line of the text format: a comment, or a name with labels and a number; a family's samples
/// follow its head; no family appears twice.
#[tokio::test]
async fn metrics_can_be_parsed() {
    let (_, page) = fetch(place(Some(report())).router, "/metrics").await;
    let mut families: Vec<&str> = Vec::new();
    let mut samples = 0;
    for line in page.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            let (word, name) = (words.next().expect("a word"), words.next().expect("a name"));
            match word {
                "HELP" => {
                    assert!(!families.contains(&name), "{name} twice");
                    families.push(name);
                }
                "TYPE" => {
                    assert_eq!(families.last(), Some(&name));
                    assert!(matches!(words.next(), Some("counter" | "gauge" | "histogram")), "{line}");
                }
                other => panic!("{other}: {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap_or(series);
        let family = families.last().expect("a head");
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} under {family}"));
        assert!(matches!(suffix, "" | "_bucket" | "_sum" | "_count"), "{line} under {family}");
        assert!(series == name || series.ends_with("\"}"), "{line}");
        samples += 1;
    }
    assert!(
        families.len() > 60 && samples > families.len(),
        "{} families, {samples} samples",
        families.len()
    );
    for name in ["nuthatch_uptime_seconds", "process_resident_memory_bytes", "nuthatch_topic_messages_total"]
    {
        assert!(families.contains(&name), "{name} is missing");
    }
}

/// Users: one without rights here, one with `view`, one with `operate`; each password is the user's name.
fn desk(operators: bool) -> Arc<LoginDesk> {
    use access::{AdminRole, Book, PasswordSpec, UserSpec};
    let user = |name: &str, admin| {
        let passwords = vec![PasswordSpec::plain(name.as_bytes()).expect("a password")];
        UserSpec { name: name.into(), passwords, admin, publish: vec!["*".into()], ..UserSpec::default() }
    };
    let mut users = vec![user("app", AdminRole::None)];
    if operators {
        users.extend([user("eve", AdminRole::View), user("ops", AdminRole::Operate)]);
    }
    let book = Book::build(&users).expect("good users");
    Arc::new(LoginDesk::new(book, || Duration::from_secs(1)))
}

#[tokio::test]
async fn users_see_and_act_by_their_rights() {
    let watch = place(Some(report())).watch;
    let closed = router(Arc::clone(&watch), None, Some(desk(true)), None);
    let open = router(watch, None, Some(desk(false)), None);
    // Anonymous, and the three users. An admitted action has no actor to carry it out: 501.
    for (method, path, expected) in [
        ("GET", "/live", [200, 200, 200, 200]),
        ("GET", "/ready", [200, 200, 200, 200]),
        ("GET", "/health", [200, 200, 200, 200]),
        ("GET", "/startup", [200, 200, 200, 200]),
        ("GET", "/pools", [401, 403, 200, 200]),
        ("POST", "/change", [401, 403, 403, 400]),
        ("GET", "/favicon.ico", [200, 200, 200, 200]),
        ("GET", "/", [401, 403, 200, 200]),
        ("GET", "/metrics", [401, 403, 200, 200]),
        ("GET", "/api/status", [401, 403, 200, 200]),
        ("GET", "/nosuch", [401, 403, 404, 404]),
        ("POST", "/api/reload", [401, 403, 403, 501]),
        ("POST", "/api/log/level?level=debug", [401, 403, 403, 501]),
        ("POST", "/api/server/eject?pool=a&server=s", [401, 403, 403, 501]),
        ("POST", "/", [401, 403, 403, 405]),
    ] {
        for (name, expected) in ["", "app", "eve", "ops"].into_iter().zip(expected) {
            let login = match name {
                "" => String::new(),
                name => format!("Authorization: Bearer {name}\r\n"),
            };
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}Content-Length: 0\r\n\r\n"
            );
            let (head, body) = exchange(closed.clone(), &request).await;
            assert!(head.starts_with(&format!("http/1.1 {expected}")), "{name} {method} {path}: {head}");
            assert_eq!(
                expected == 401,
                head.contains("www-authenticate: basic "),
                "{name} {method} {path}: {head}"
            );
            assert!(expected < 401 || !body.contains("\"pid\""), "{name} {method} {path}: {body}");
            let (head, _) = exchange(open.clone(), &request).await;
            assert!(!head.starts_with("http/1.1 401") && !head.starts_with("http/1.1 403"), "{path}: {head}");
        }
    }
    let (_, metrics) = exchange(
        closed,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer eve\r\n\r\n",
    )
    .await;
    assert!(metrics.contains("nuthatch_http_login_failures_total 0\n"), "{metrics}");
    assert!(metrics.contains("nuthatch_queue_login_failures_total 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_slow_log_is_a_page_and_json() {
    use telemetry::{Cut, SlowRequest};
    let place = place(None);
    place.pool.slow_log.set_len_max(10);
    for key in ["first", "<b>\n"] {
        place.pool.slow_log.push(SlowRequest {
            id: 0,
            at_ms: 5,
            client: "10.0.0.1".into(),
            client_name: "web".into(),
            server: "s".into(),
            arguments: vec![Cut::of(b"GET", 3), Cut::of(key.as_bytes(), key.len())],
            more_arguments: 0,
            key_at: Some(1),
            queue_us: 7,
            response_us: 12_000,
            reply_bytes: Some(2048),
        });
    }
    let (_, page) = fetch(place.router.clone(), "/slowlog/a").await;
    for text in ["&lt;b&gt;\\n", "first", "12 ms", "2 KiB", "10.0.0.1 web", "/pools/a/s"] {
        assert!(page.contains(text), "{text} is missing in\n{page}");
    }
    let (_, body) = fetch(place.router.clone(), "/api/slowlog/a?count=1").await;
    let entries: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(entries.as_array().map(Vec::len), Some(1));
    let newest = &entries[0];
    assert_eq!(
        (&newest["id"], &newest["command"], &newest["key"]),
        (&1.into(), &"get".into(), &"<b>\\n".into())
    );
    assert_eq!((&newest["queue_us"], &newest["response_us"]), (&7.into(), &12_000.into()));
    for path in ["/slowlog/z", "/api/slowlog/z"] {
        assert!(fetch(place.router.clone(), path).await.0.starts_with("http/1.1 404"), "{path}");
    }
}

#[tokio::test]
async fn hot_keys_are_a_page_and_json() {
    use telemetry::{BigReply, Cut, HotKey, KeyReport};
    let place = place(None);
    let report = KeyReport {
        at_ms: crate::wall_ms(),
        keys: vec![HotKey {
            key: Cut::of(b"<hot>", 5),
            server: "s".into(),
            reads: 300.0,
            writes: 100.0,
            read_bytes: 4096.0,
            write_bytes: 8192.0,
        }],
        replies: vec![BigReply {
            bytes: 3 << 20,
            command: "lrange".into(),
            key: Some(Cut::of(b"list", 4)),
            server: "t".into(),
            client: "10.0.0.1".into(),
            at_ms: 5,
        }],
    };
    assert!(place.pool.key_reports.publish(1, report));
    let (_, page) = fetch(place.router.clone(), "/keys/a").await;
    for text in [
        "&lt;hot&gt;",
        "300/s",
        "100/s",
        "4 KiB/s",
        "8 KiB/s",
        "/pools/a/s",
        "3 MiB",
        "lrange",
        "list",
        "10.0.0.1",
    ] {
        assert!(page.contains(text), "{text} is missing in\n{page}");
    }
    let (_, body) = fetch(place.router.clone(), "/api/keys/a").await;
    let keys: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&keys["keys"][0]["key"], &keys["keys"][0]["reads_per_second"]),
        (&"<hot>".into(), &300.0.into())
    );
    assert_eq!(
        (&keys["replies"][0]["bytes"], &keys["replies"][0]["key"]),
        (&(3 << 20).into(), &"list".into())
    );
    for path in ["/keys/z", "/api/keys/z"] {
        assert!(fetch(place.router.clone(), path).await.0.starts_with("http/1.1 404"), "{path}");
    }
}
