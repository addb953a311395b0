//! The `tokio-nsq` crate as a client of the binary as nsqd: publishes, consumes, requeues, touches, finishes
//! and lets deliveries time out, in the clear and under snappy, deflate and TLS, with an authorization
//! server, and found through the binary as nsqlookupd.
//!
//! The crate is strict: every field of the reply to IDENTIFY has to be there, with the type and range it
//! expects, and any error frame but three makes it drop the connection. A scenario fails when that happens:
//! whatever comes next is `Healthy` again and not what was expected, or nothing.
//!
//! Limits of the crate: it cannot set a timeout of its own for its messages (the daemon's is used), tell why
//! it was refused (no event comes of it), choose a deflate level on the wire, or wait for the answer to FIN,
//! REQ and TOUCH (NSQ has none).

mod daemon;

use std::sync::Arc;
use std::time::{Duration, Instant};

use daemon::{Authority, Daemon, Lookup, has_engine};
use tokio_nsq::{
    NSQConfigShared, NSQConfigSharedCompression as Compression, NSQConfigSharedTLS, NSQConsumer,
    NSQDeflateLevel, NSQEvent, NSQMessage, NSQProducer, NSQRequeueDelay, NSQTopic,
};

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a message is put off where it is.
const DELAY: Duration = Duration::from_millis(200);
/// What one message may have, by default.
const LARGE_BYTES: usize = 1 << 20;
/// What opens the guarded daemon.
const SECRET: &str = "open sesame";

/// The next event, whatever it is.
async fn next<T>(what: &str, event: impl Future<Output = Option<T>>) -> T {
    let event = tokio::time::timeout(PATIENCE, event).await;
    event.unwrap_or_else(|_| panic!("waited in vain for {what}")).expect("the client goes on")
}

/// The daemon confirms one request.
async fn confirmed(producer: &mut NSQProducer) {
    let event = next("a confirmation", producer.consume()).await;
    assert!(matches!(event, NSQEvent::Ok()), "no OK but {event:?}");
}

/// The next message; anything else, such as a lost connection, fails.
async fn message(consumer: &mut NSQConsumer) -> NSQMessage {
    match next("a message", consumer.consume()).await {
        NSQEvent::Message(message) => message,
        other => panic!("no message but {other:?}"),
    }
}

/// The next message is this one, delivered so many times by now. It is finished.
async fn finished(consumer: &mut NSQConsumer, body: &[u8], attempt: u16) {
    let message = message(consumer).await;
    assert_eq!(message.attempt, attempt);
    assert!(message.body == body, "a message of {} bytes, not of {}", message.body.len(), body.len());
    message.finish().await;
}

/// A producer and a consumer of one topic, both connected.
async fn connected(daemon: &Daemon, shared: NSQConfigShared) -> (Arc<NSQTopic>, NSQProducer, NSQConsumer) {
    let shared = shared.set_flush_interval(Duration::from_millis(10));
    let topic = NSQTopic::new("topic").expect("a name");
    let (mut producer, mut consumer) = (daemon.producer(&shared), daemon.consumer(&topic, &shared));
    let event = next("the producer", producer.consume()).await;
    assert!(matches!(event, NSQEvent::Healthy()), "the producer is {event:?}");
    let event = next("the consumer", consumer.consume()).await;
    assert!(matches!(event, NSQEvent::Healthy()), "the consumer is {event:?}");
    (topic, producer, consumer)
}

/// Everything that the crate can do with a message; `large` are the bodies as large as may be.
async fn converse(daemon: &Daemon, shared: NSQConfigShared, large: &[Vec<u8>]) {
    let (topic, mut producer, mut consumer) = connected(daemon, shared).await;

    // published without waiting in between, confirmed each
    let few: Vec<Vec<u8>> = (0..10).map(|n| format!("message {n}").into_bytes()).collect();
    for body in &few {
        producer.publish(&topic, body.clone()).await.expect("PUB");
    }
    for body in &few {
        confirmed(&mut producer).await;
        finished(&mut consumer, body, 1).await;
    }

    // as one request
    producer.publish_multiple(&topic, few.clone()).await.expect("MPUB");
    confirmed(&mut producer).await;
    for body in &few {
        finished(&mut consumer, body, 1).await;
    }

    // as large as a message may be
    for large in large {
        producer.publish(&topic, large.clone()).await.expect("PUB");
        confirmed(&mut producer).await;
        finished(&mut consumer, large, 1).await;
    }

    // requeued at once, touched, requeued for later, finished
    producer.publish(&topic, b"again".to_vec()).await.expect("PUB");
    confirmed(&mut producer).await;
    let first = message(&mut consumer).await;
    let (id, timestamp) = (first.id, first.timestamp);
    first.requeue(NSQRequeueDelay::NoDelay).await;
    let second = message(&mut consumer).await;
    assert_eq!((second.id, second.timestamp, second.attempt), (id, timestamp, 2));
    second.touch().await;
    let start = Instant::now();
    second.requeue(NSQRequeueDelay::CustomDelay(DELAY)).await;
    finished(&mut consumer, b"again", 3).await;
    assert!(start.elapsed() >= DELAY, "after {:?} already", start.elapsed());

    // put off by the producer
    let start = Instant::now();
    producer.publish_deferred(&topic, b"later".to_vec(), DELAY.as_millis() as u32).await.expect("DPUB");
    confirmed(&mut producer).await;
    finished(&mut consumer, b"later", 1).await;
    assert!(start.elapsed() >= DELAY, "after {:?} already", start.elapsed());

    // nothing was delivered twice: the next is what comes next
    producer.publish(&topic, b"last".to_vec()).await.expect("PUB");
    confirmed(&mut producer).await;
    finished(&mut consumer, b"last", 1).await;
}

/// Bytes that compress to next to nothing.
fn zeros() -> Vec<u8> {
    vec![0; LARGE_BYTES]
}

/// Bytes that do not compress (xorshift64, always the same).
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    std::iter::repeat_with(draw).take(LARGE_BYTES).collect()
}

/// TLS without a look at the certificate, which is the crate's default.
fn tls() -> NSQConfigShared {
    NSQConfigShared::new().set_tls(NSQConfigSharedTLS::new("localhost"))
}

fn deflate() -> Compression {
    Compression::Deflate(NSQDeflateLevel::new(6).expect("a level"))
}

#[tokio::test]
async fn in_the_clear() {
    converse(&Daemon::start(&[]), NSQConfigShared::new(), &[zeros(), noise()]).await;
}

/// With bodies that the engine takes: NATS' own limit is a mebibyte, with headers.
#[tokio::test]
async fn with_topics_on_an_engine() {
    if !has_engine() {
        return println!("SKIPPED: nats-server is not installed");
    }
    let large = noise()[..LARGE_BYTES / 2].to_vec();
    converse(&Daemon::start_on_engine(), NSQConfigShared::new(), &[large]).await;
}

#[tokio::test]
async fn under_snappy() {
    converse(
        &Daemon::start(&[]),
        NSQConfigShared::new().set_compression(Compression::Snappy),
        &[zeros(), noise()],
    )
    .await;
}

#[tokio::test]
async fn under_deflate() {
    converse(&Daemon::start(&[]), NSQConfigShared::new().set_compression(deflate()), &[zeros(), noise()])
        .await;
}

#[tokio::test]
async fn under_tls() {
    converse(&Daemon::start_certified(), tls(), &[zeros(), noise()]).await;
}

#[tokio::test]
async fn under_tls_and_snappy() {
    converse(&Daemon::start_certified(), tls().set_compression(Compression::Snappy), &[zeros(), noise()])
        .await;
}

/// Without large bodies that hardly compress: the crate's own encoder keeps the tail of such a request to
/// itself until it has something else to send, which is up to a heartbeat (30 s) later.
#[tokio::test]
async fn under_tls_and_deflate() {
    converse(&Daemon::start_certified(), tls().set_compression(deflate()), &[zeros()]).await;
}

/// A delivery that is neither finished nor requeued comes again after the daemon's `--msg-timeout`; TOUCH
/// starts that time anew.
#[tokio::test]
async fn a_delivery_times_out() {
    // A client that is kept from running for so long fails for no fault of the daemon's.
    const TIMEOUT: Duration = Duration::from_secs(3);
    let daemon = Daemon::start(&[&format!("--msg-timeout={}ms", TIMEOUT.as_millis())]);
    let (topic, mut producer, mut consumer) = connected(&daemon, NSQConfigShared::new()).await;

    let start = Instant::now();
    producer.publish(&topic, b"left".to_vec()).await.expect("PUB");
    confirmed(&mut producer).await;
    let left = message(&mut consumer).await;
    assert_eq!(left.attempt, 1);
    // What it counts as in flight goes down by this, and is what bounds it.
    let again = message(&mut consumer).await;
    assert_eq!((again.id, again.attempt), (left.id, 2));
    assert!(start.elapsed() >= TIMEOUT, "after {:?} already", start.elapsed());
    again.finish().await;

    producer.publish(&topic, b"touched".to_vec()).await.expect("PUB");
    confirmed(&mut producer).await;
    let touched = message(&mut consumer).await;
    let start = Instant::now();
    while start.elapsed() < 2 * TIMEOUT {
        touched.touch().await;
        let other = tokio::time::timeout(TIMEOUT / 12, consumer.consume()).await;
        assert!(other.is_err(), "it came again, touched or not: {other:?}");
    }
    touched.finish().await;
    producer.publish(&topic, b"last".to_vec()).await.expect("PUB");
    confirmed(&mut producer).await;
    finished(&mut consumer, b"last", 1).await;
}

#[tokio::test]
async fn with_the_secret() {
    let authority = Authority::start(SECRET);
    let daemon = Daemon::start(&[&format!("--auth-http-address={}", authority.address)]);
    let shared = NSQConfigShared::new().set_credentials(SECRET.into());
    converse(&daemon, shared, &[zeros()]).await;
}

/// The crate says nothing of a refusal; that the daemon has asked the authority and the client does not
/// become healthy is all there is to see.
#[tokio::test]
async fn with_a_wrong_secret() {
    let authority = Authority::start(SECRET);
    let daemon = Daemon::start(&[&format!("--auth-http-address={}", authority.address)]);
    let shared = NSQConfigShared::new().set_credentials(b"guess".to_vec());
    let mut producer = daemon.producer(&shared);
    let refused = tokio::task::spawn_blocking(move || authority.refused()).await;
    assert_eq!(refused.expect("the thread ends").as_deref(), Some("guess"));
    let event = tokio::time::timeout(DELAY, producer.consume()).await;
    assert!(!matches!(event, Ok(Some(NSQEvent::Healthy()))), "let in all the same");
}

/// A consumer that knows a lookup only has the messages of both daemons that register there.
#[tokio::test]
async fn found_through_a_lookup() {
    let lookup = Lookup::start();
    let daemons = [lookup.daemon(), lookup.daemon()];
    let topic = NSQTopic::new("topic").expect("a name");
    for (n, daemon) in daemons.iter().enumerate() {
        let mut producer = daemon.producer(&NSQConfigShared::new());
        let event = next("the producer", producer.consume()).await;
        assert!(matches!(event, NSQEvent::Healthy()), "the producer is {event:?}");
        producer.publish(&topic, format!("from {n}").into_bytes()).await.expect("PUB");
        confirmed(&mut producer).await;
    }
    let mut consumer = lookup.consumer(&topic);
    let mut bodies = Vec::new();
    while bodies.len() < daemons.len() {
        // It is healthy, and may be unhealthy before, in between.
        if let NSQEvent::Message(message) = next("a message", consumer.consume()).await {
            bodies.push(message.body.clone());
            message.finish().await;
        }
    }
    bodies.sort();
    assert_eq!(bodies, [b"from 0", b"from 1"]);
}
