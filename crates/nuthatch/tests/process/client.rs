//! The client crate against our own daemons: every way to connect, discovery,
//! failures of handlers and of nodes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use client::{Config, Consumer, ConsumerBuilder, Message, Producer, PublishError};
use tokio::time::timeout;

use crate::support::{PATIENCE, Running, called, free_port, wait_for};

/// An nsqd under test.
pub struct Nsqd {
    running: Running,
    port: u16,
    directory: tempfile::TempDir,
}

impl Nsqd {
    pub fn start(more: &[&str]) -> Nsqd {
        Nsqd::start_in(tempfile::tempdir().expect("a directory"), free_port(), more)
    }

    fn start_in(directory: tempfile::TempDir, port: u16, more: &[&str]) -> Nsqd {
        let running =
            Running::logging(&mut command(directory.path(), port, more), &directory.path().join("log"));
        wait_for("nsqd", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Nsqd { running, port, directory }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// kill -9, then a restart with the same data on another port.
    fn move_to(self, port: u16, more: &[&str]) -> Nsqd {
        self.running.signal("KILL");
        self.running.killed_by();
        Nsqd::start_in(self.directory, port, more)
    }
}

fn command(directory: &Path, port: u16, more: &[&str]) -> Command {
    let mut command = called("nsqd");
    let address = format!("--tcp-address=127.0.0.1:{port}");
    let fixed =
        [address.as_str(), "--http-address=", "--broadcast-address=127.0.0.1", "--broadcast-http-port=1"];
    command.args(fixed).args(more).current_dir(directory);
    command
}

/// Settings for fast tests.
pub fn quick() -> Config {
    let mut config = Config::new();
    for (option, value) in
        [("lookupd_poll_interval", "100ms"), ("max_reconnect_delay", "200ms"), ("dial_timeout", "5s")]
    {
        config.set(option, value).expect("an option");
    }
    Config { max_in_flight: 50, ..config }
}

fn consumer(topic: &str, config: Config) -> ConsumerBuilder {
    Consumer::builder(topic, "c").config(config)
}

pub async fn next(consumer: &mut Consumer) -> Message {
    timeout(PATIENCE, consumer.next()).await.expect("in time").expect("a message")
}

/// Receives and finishes messages until all wanted ones have arrived.
pub async fn receive_all(consumer: &mut Consumer, mut wanted: BTreeSet<String>) {
    while !wanted.is_empty() {
        let message = next(consumer).await;
        wanted.remove(&*String::from_utf8_lossy(&message.body));
        message.finish();
    }
}

pub async fn publish_all(producer: &Producer, topic: &str, bodies: &BTreeSet<String>) {
    let mut receipts = Vec::new();
    for body in bodies {
        receipts.push(producer.send(topic, body.clone()).await.expect("room"));
    }
    for receipt in receipts {
        timeout(PATIENCE, receipt).await.expect("in time").expect("OK");
    }
}

pub fn bodies(name: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("{name} {number}")).collect()
}

/// Publishes and receives over connections with these settings.
async fn there_and_back(address: &str, config: Config) {
    let producer = Producer::new(address, config.clone()).expect("a producer");
    let sent = bodies("message", 500);
    publish_all(&producer, "t", &sent).await;
    let big = "x".repeat(900_000);
    producer.publish("t", big.clone()).await.expect("OK");
    let mut consumer = consumer("t", config).nsqd(address).start().expect("a consumer");
    let mut wanted = sent;
    wanted.insert(big);
    receive_all(&mut consumer, wanted).await;
    let stats = consumer.control().stats();
    assert_eq!((stats.connections, stats.received, stats.finished, stats.in_flight), (1, 501, 501, 0));
    consumer.control().stop(PATIENCE);
    assert!(timeout(PATIENCE, consumer.next()).await.expect("in time").is_none());
    timeout(PATIENCE, producer.stop()).await.expect("in time");
    assert!(matches!(producer.publish("t", "late").await, Err(PublishError::NotSent(_))));
}

#[tokio::test]
async fn plain_and_compressed() {
    let nsqd = Nsqd::start(&[]);
    for options in [&[][..], &["snappy"], &["deflate"]] {
        let mut config = quick();
        for option in options {
            config.set(option, "true").expect("an option");
        }
        there_and_back(&nsqd.address(), config).await;
    }
}

#[tokio::test]
async fn over_tls() {
    let directory = tempfile::tempdir().expect("a directory");
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    let signed = signed.expect("a certificate");
    let write = |name: &str, text: String| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (certificate, key) =
        (write("c.pem", signed.cert.pem()), write("k.pem", signed.signing_key.serialize_pem()));
    let flags =
        [format!("--tls-cert={certificate}"), format!("--tls-key={key}"), "--tls-required=true".into()];
    let nsqd = Nsqd::start(&flags.each_ref().map(String::as_str));
    for (trust, compression) in [
        (("tls_root_ca_file", certificate.as_str()), "snappy"),
        (("tls_insecure_skip_verify", "true"), "deflate"),
    ] {
        let mut config = quick();
        config.set("tls_v1", "true").expect("an option");
        config.set(trust.0, trust.1).expect("an option");
        config.set(compression, "true").expect("an option");
        there_and_back(&nsqd.address(), config).await;
    }
    // a client that does not trust the certificate gets an error, and sends nothing
    let mut config = quick();
    config.set("tls_v1", "true").expect("an option");
    config.tls.root_ca =
        Some(rcgen::generate_simple_self_signed(["x".to_owned()]).expect("one").cert.pem().into());
    let refused = Producer::new(nsqd.address(), config).expect("a producer").publish("t", "x").await;
    assert!(matches!(&refused, Err(PublishError::NotSent(why)) if why.contains("tls")), "{refused:?}");
    // a client without TLS gets the server's requirement as an error
    let refused = Producer::new(nsqd.address(), quick()).expect("a producer").publish("t", "x").await;
    let said = "E_INVALID cannot PUB in current state (TLS required)";
    assert_eq!(refused, Err(PublishError::Refused(said.into())));
}

/// An authorization server that knows one secret.
fn authority() -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = String::new();
            let mut lines =
                BufReader::new(stream.try_clone().expect("a clone")).lines().map_while(Result::ok);
            asked.push_str(&lines.next().unwrap_or_default());
            lines.find(String::is_empty);
            let all = r#"[{"topic":".*","channels":[".*"],"permissions":["subscribe","publish"]}]"#;
            let (status, body) = if asked.contains("secret=s3&") {
                (200, format!(r#"{{"ttl":60,"identity":"me","identity_url":"","authorizations":{all}}}"#))
            } else {
                (403, "{}".to_owned())
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    port
}

#[tokio::test]
async fn with_authorization() {
    let nsqd = Nsqd::start(&[&format!("--auth-http-address=127.0.0.1:{}", authority())]);
    let mut config = quick();
    for (secret, said) in [
        ("", "not sent: the server requires authorization: set auth_secret"),
        ("wrong", "not sent: E_AUTH_FAILED AUTH failed"),
    ] {
        config.auth_secret = secret.to_owned();
        let refused =
            Producer::new(nsqd.address(), config.clone()).expect("a producer").publish("t", "x").await;
        assert_eq!(refused.expect_err("no right").to_string(), said);
    }
    config.auth_secret = "s3".to_owned();
    config.set("snappy", "true").expect("an option");
    there_and_back(&nsqd.address(), config).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("s");
    let flag = format!("--tcp-address={}", path.display());
    let _running =
        Running::start(called("nsqd").args([&*flag, "--http-address="]).current_dir(directory.path()));
    wait_for("the socket", || path.exists().then_some(()));
    there_and_back(&path.display().to_string(), quick()).await;
}

#[tokio::test]
async fn several_in_one_command_and_later() {
    let nsqd = Nsqd::start(&[]);
    let producer = Producer::new(nsqd.address(), quick()).expect("a producer");
    producer.publish_deferred("t", Duration::from_millis(300), "later").await.expect("OK");
    producer.multi_publish("t", &["a", "b", "c"]).await.expect("OK");
    let mut consumer = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let message = next(&mut consumer).await;
        seen.push(String::from_utf8_lossy(&message.body).into_owned());
        message.finish();
    }
    assert_eq!(seen, ["a", "b", "c", "later"]);
}

#[tokio::test]
async fn what_a_server_would_refuse_is_not_sent_and_what_it_refuses_harms_nobody() {
    let nsqd = Nsqd::start(&["--max-msg-size=100"]);
    let producer = Producer::new(nsqd.address(), quick()).expect("a producer");
    for (topic, body) in [("no topic", "x"), ("", "x"), ("t", "")] {
        assert!(matches!(producer.publish(topic, body).await, Err(PublishError::NotSent(_))), "{topic:?}");
    }
    assert!(matches!(producer.multi_publish::<&str>("t", &[]).await, Err(PublishError::NotSent(_))));
    // refused in between others, which are all accepted
    let mut receipts = Vec::new();
    for body in ["first".to_owned(), "x".repeat(101), "second".to_owned(), "third".to_owned()] {
        receipts.push(producer.send("t", body).await.expect("room"));
    }
    let mut answers = Vec::new();
    for receipt in receipts {
        answers.push(timeout(PATIENCE, receipt).await.expect("in time"));
    }
    let too_big = PublishError::Refused("E_BAD_MESSAGE PUB message too big 101 > 100".into());
    assert!(!too_big.may_have_been_accepted());
    assert_eq!(answers, [Ok(()), Err(too_big), Ok(()), Ok(())]);
    let mut consumer = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    let wanted = ["first", "second", "third"].map(str::to_owned).into();
    receive_all(&mut consumer, wanted).await;
    // and no request waits for the next connection
    let patient = Config { max_reconnect_delay: Duration::from_mins(5), ..quick() };
    let producer = Producer::new(nsqd.address(), patient).expect("a producer");
    let mut receipts = Vec::new();
    for number in 0..40 {
        let body = if number % 2 == 0 { "x".repeat(101) } else { format!("small {number}") };
        receipts.push(producer.send("t", body).await.expect("room"));
    }
    for (number, receipt) in receipts.into_iter().enumerate() {
        let answer = timeout(PATIENCE, receipt).await.expect("in time");
        assert_eq!(answer.is_ok(), number % 2 == 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_fleet_is_found_and_followed() {
    let (tcp, http) = (free_port(), free_port());
    let directory = tempfile::tempdir().expect("a directory");
    let addresses = [format!("--tcp-address=127.0.0.1:{tcp}"), format!("--http-address=127.0.0.1:{http}")];
    let _lookupd = Running::start(called("nsqlookupd").args(addresses).current_dir(directory.path()));
    wait_for("the lookupd", || std::net::TcpStream::connect(("127.0.0.1", http)).ok());
    let register = format!("--lookupd-tcp-address=127.0.0.1:{tcp}");
    let flags = [register.as_str()];
    let (first, second) = (Nsqd::start(&flags), Nsqd::start(&flags));
    // no node has the topic when the consumer starts
    let mut consumer = consumer("t", quick())
        .lookupd(format!("127.0.0.1:{http}"))
        .lookupd("127.0.0.1:1")
        .start()
        .expect("one");
    for (node, name) in [(&first, "first"), (&second, "second")] {
        let producer = Producer::new(node.address(), quick()).expect("a producer");
        let sent = bodies(name, 20);
        publish_all(&producer, "t", &sent).await;
        receive_all(&mut consumer, sent).await;
    }
    assert_eq!(consumer.control().stats().connections, 2);
    // a node dies with messages, and comes back elsewhere
    consumer.control().set_max_in_flight(0);
    let sent = bodies("kept", 20);
    publish_all(&Producer::new(second.address(), quick()).expect("a producer"), "t", &sent).await;
    let moved = second.move_to(free_port(), &flags);
    consumer.control().set_max_in_flight(10);
    receive_all(&mut consumer, sent).await;
    // more nodes than messages in flight: they take turns
    let mut config = quick();
    config.set("low_rdy_idle_timeout", "1s").expect("an option");
    config.set("rdy_redistribute_interval", "100ms").expect("an option");
    config.max_in_flight = 1;
    let builder = Consumer::builder("t", "other").config(config);
    let mut narrow = builder.nsqd(first.address()).nsqd(moved.address()).start().expect("a consumer");
    wait_until(|| narrow.control().stats().connections == 2).await;
    for (node, name) in [(&first, "narrow first"), (&moved, "narrow second"), (&first, "narrow again")] {
        let producer = Producer::new(node.address(), quick()).expect("a producer");
        let sent = bodies(name, 3);
        publish_all(&producer, "t", &sent).await;
        receive_all(&mut narrow, sent).await;
    }
}

async fn wait_until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
}

#[tokio::test]
async fn failures_are_tried_again_with_a_pause_and_given_up_in_the_end() {
    let nsqd = Nsqd::start(&[]);
    let mut config = quick();
    for (option, value) in
        [("default_requeue_delay", "1ms"), ("backoff_multiplier", "5ms"), ("max_attempts", "3")]
    {
        config.set(option, value).expect("an option");
    }
    let producer = Producer::new(nsqd.address(), config.clone()).expect("a producer");
    producer.publish("t", "bad").await.expect("OK");
    let mut consumer = consumer("t", config).nsqd(nsqd.address()).start().expect("a consumer");
    let control = consumer.control();
    for attempts in 1..=3 {
        let message = next(&mut consumer).await;
        assert_eq!(message.attempts, attempts);
        if attempts == 2 {
            drop(message); // as a handler that panics does
        } else {
            assert!(message.requeue(None));
            assert!(!message.finish(), "one answer counts");
        }
        assert!(control.stats().backoff_level > 0);
    }
    producer.publish("t", "good").await.expect("OK");
    let good = next(&mut consumer).await;
    assert_eq!(&good.body[..], b"good");
    good.finish();
    tokio::select! {
        message = consumer.next() => panic!("{message:?} should have been given up"),
        () = wait_until(|| control.stats().given_up == 1) => {}
    }
    let stats = control.stats();
    assert_eq!((stats.requeued, stats.finished), (3, 2));
}

#[tokio::test]
async fn a_message_that_is_touched_stays_and_one_that_is_not_comes_again() {
    let nsqd = Nsqd::start(&[]);
    let config = Config { msg_timeout: Duration::from_secs(1), ..quick() };
    let producer = Producer::new(nsqd.address(), config.clone()).expect("a producer");
    producer.publish("t", "slow").await.expect("OK");
    let mut consumer = consumer("t", config).nsqd(nsqd.address()).start().expect("a consumer");
    let message = next(&mut consumer).await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(message.touch());
    }
    assert!(message.deadline() > std::time::Instant::now());
    assert!(message.finish());
    producer.publish("t", "forgotten").await.expect("OK");
    let first = next(&mut consumer).await;
    first.forget();
    let second = next(&mut consumer).await;
    assert_eq!((&second.body[..], second.attempts), (&b"forgotten"[..], 2));
    second.finish();
}

#[tokio::test]
async fn a_handler_takes_several_at_a_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let nsqd = Nsqd::start(&[]);
    let producer = Producer::new(nsqd.address(), quick()).expect("a producer");
    publish_all(&producer, "t", &bodies("m", 40)).await;
    let mut config = quick();
    config.set("default_requeue_delay", "0").expect("an option");
    config.set("max_backoff_duration", "0").expect("an option");
    let consumer = consumer("t", config).nsqd(nsqd.address()).start().expect("a consumer");
    let control = consumer.control();
    let (now, most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), control.clone());
    let seen = most.clone();
    let running = consumer.run(4, move |message| {
        let (now, most, done) = (now.clone(), most.clone(), done.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            if done.stats().finished >= 39 {
                done.stop(PATIENCE);
            }
            assert!(message.attempts != 2, "a handler that panics");
            if message.attempts == 1 { Err("the first time") } else { Ok(()) }
        }
    });
    timeout(PATIENCE, running).await.expect("in time");
    assert_eq!(seen.load(Ordering::SeqCst), 4);
    assert_eq!(control.stats().finished, 40);
}

#[tokio::test]
async fn a_producer_comes_back_when_its_server_does() {
    let nsqd = Nsqd::start(&[]);
    let port = nsqd.port;
    let producer = Producer::new(nsqd.address(), quick()).expect("a producer");
    producer.ping().await.expect("a connection");
    producer.publish("t", "before").await.expect("OK");
    nsqd.running.signal("KILL");
    nsqd.running.killed_by();
    let down = timeout(PATIENCE, producer.publish("t", "down")).await.expect("in time");
    assert!(matches!(down, Err(PublishError::NotSent(_) | PublishError::Unanswered(_))), "{down:?}");
    wait_until_refused(port).await;
    assert!(matches!(producer.ping().await, Err(PublishError::NotSent(_))));
    let nsqd = Nsqd::start_in(nsqd.directory, port, &[]);
    producer.publish("t", "after").await.expect("OK");
    let mut consumer = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    receive_all(&mut consumer, ["before", "after"].map(str::to_owned).into()).await;
}

async fn wait_until_refused(port: u16) {
    wait_until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_err()).await;
}

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight() {
    let nsqd = Nsqd::start(&[]);
    let producer = Producer::new(nsqd.address(), quick()).expect("a producer");
    publish_all(&producer, "t", &bodies("m", 10)).await;
    let mut first = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(next(&mut first).await);
    }
    first.control().stop(PATIENCE);
    publish_all(&producer, "t", &bodies("later", 1)).await;
    for message in &held {
        assert!(message.finish());
    }
    assert!(timeout(PATIENCE, first.next()).await.expect("in time").is_none());
    // all FINs have arrived: another consumer only gets the later one
    let mut second = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    let later = next(&mut second).await;
    assert_eq!(&later.body[..], b"later 0");
    later.finish();
    // when dropped, it requeues unseen messages at once
    publish_all(&producer, "t", &bodies("unseen", 5)).await;
    wait_until(|| second.control().stats().received == 6).await;
    drop(second);
    let mut third = consumer("t", quick()).nsqd(nsqd.address()).start().expect("a consumer");
    receive_all(&mut third, bodies("unseen", 5)).await;
}
