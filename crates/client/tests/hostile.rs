//! Servers that do not speak NSQ, or violate its protocol: the client leaves each with an error that says so,
//! nothing panics or grows, and it reconnects to a good server at the same address.

use std::time::Duration;

use nuthatch_client::{Config, Consumer, Producer, PublishError, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn quick() -> Config {
    Config {
        read_timeout: Duration::from_millis(300),
        heartbeat_interval: Some(Duration::from_millis(200)),
        max_reconnect_delay: Duration::from_millis(100),
        max_frame_size: 100_000,
        max_in_flight: 10,
        ..Config::new()
    }
}

fn frame(kind: u8, data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len() + 4).expect("small");
    [&size.to_be_bytes()[..], &[0, 0, 0, kind], data].concat()
}

fn ok() -> Vec<u8> {
    frame(0, b"OK")
}

fn message(id: u8, body: &[u8]) -> Vec<u8> {
    frame(2, &[&[0; 8][..], &[0, 1], &[b'0' + id; 16], body].concat())
}

/// A listener, and its address.
async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// Reads until `what` has arrived.
async fn until(socket: &mut TcpStream, what: &str) {
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(what) {
        let mut bytes = [0; 4096];
        let count = socket.read(&mut bytes).await.expect("a client");
        assert_ne!(count, 0, "ended before {what}: {}", said.escape_ascii());
        said.extend_from_slice(&bytes[..count]);
    }
}

/// Accepts a client: answers IDENTIFY and SUB with OK.
async fn subscribed(listener: &TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.expect("a client");
    until(&mut socket, "IDENTIFY").await;
    socket.write_all(&ok()).await.expect("sent");
    until(&mut socket, "SUB t c\n").await;
    socket.write_all(&ok()).await.expect("sent");
    socket
}

/// Bytes sent instead of the answer to IDENTIFY, or after RDY, and how the client disconnects: each leads to
/// a new connection, on which a message arrives.
#[tokio::test]
async fn rubbish_at_any_time() {
    let rubbish: Vec<Vec<u8>> = vec![
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xff; 1000],
        vec![0; 1000],
        b"\x7f\xff\xff\xff\0\0\0\0".to_vec(),
        b"\0\0\0\x03\0\0\0".to_vec(),
        b"\0\0\0\x04\0\0\0\x07".to_vec(),
        frame(0, b"{\"max_rdy_count\":\"many\"}"),
        frame(0, b"{\"tls_v1\":true}"),
        frame(0, b"NO"),
        frame(1, b"E_INVALID go away"),
        frame(2, b"short"),
        message(1, b"too early"),
        frame(0, &vec![b'x'; 100_001]),
        frame(2, &[0; 20])[..10].to_vec(),
        Vec::new(),
    ];
    let (listener, address) = listener().await;
    let mut consumer =
        Consumer::builder("t", "c").config(quick()).nsqd(&address).start().expect("a consumer");
    for said in &rubbish {
        // in the handshake; then the server closes, in some cases in the middle of a frame
        let (mut socket, _) = timeout(PATIENCE, listener.accept()).await.expect("in time").expect("a client");
        socket.write_all(said).await.expect("sent");
        drop(socket);
    }
    for said in rubbish.iter().filter(|said| !said.is_empty()) {
        let mut socket = timeout(PATIENCE, subscribed(&listener)).await.expect("in time");
        until(&mut socket, "RDY 10\n").await;
        let _ = socket.write_all(said).await;
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("the client parts, or closes");
    }
    let mut socket = timeout(PATIENCE, subscribed(&listener)).await.expect("in time");
    until(&mut socket, "RDY 10\n").await;
    socket.write_all(&message(7, b"at last")).await.expect("sent");
    let received = loop {
        let received = timeout(PATIENCE, consumer.next()).await.expect("in time").expect("a message");
        if received.finish() {
            break received;
        }
    };
    assert_eq!(&received.body[..], b"at last");
    until(&mut socket, "FIN 7777777777777777\n").await;
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let (listener, address) = listener().await;
    let _consumer = Consumer::builder("t", "c").config(quick()).nsqd(&address).start().expect("a consumer");
    // no output at all, then none after SUB, then only heartbeats, which is fine
    let (mute, _) = listener.accept().await.expect("a client");
    let mut silent = timeout(PATIENCE, subscribed(&listener)).await.expect("in time");
    let mut beating = timeout(PATIENCE, subscribed(&listener)).await.expect("in time");
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("in time").expect("closed");
    drop(mute);
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        beating.write_all(&frame(0, b"_heartbeat_")).await.expect("sent");
        until(&mut beating, "NOP\n").await;
    }
    let another = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(another.is_err(), "a connection with heartbeats is kept");
}

/// A server that delivers more than RDY allows is read only while the queue has room.
#[tokio::test]
async fn a_flood_is_not_held() {
    let (listener, address) = listener().await;
    let config = Config { read_timeout: Duration::from_secs(5), ..quick() };
    let mut consumer = Consumer::builder("t", "c").config(config).nsqd(&address).start().expect("a consumer");
    let mut socket = subscribed(&listener).await;
    until(&mut socket, "RDY 10\n").await;
    let flood = message(1, &vec![b'x'; 50_000]);
    let mut sent = 0;
    while let Ok(written) = timeout(Duration::from_millis(300), socket.write_all(&flood)).await {
        written.expect("the client holds on");
        sent += 1;
        assert!(sent < 2_000, "100 MB are taken in");
    }
    let control = consumer.control();
    assert!(control.stats().received < 200, "{:?}", control.stats());
    // reading resumes where it stopped
    for _ in 0..sent - 1 {
        timeout(PATIENCE, consumer.next()).await.expect("in time").expect("a message").finish();
    }
}

/// Publications with each kind of outcome.
#[tokio::test]
async fn a_producer_says_what_may_have_been_accepted() {
    let (listener, address) = listener().await;
    let producer = Producer::new(address, quick()).expect("a producer");
    let (steps, mut step) = mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(answer) = step.recv().await {
            let (mut socket, _) = listener.accept().await.expect("a client");
            until(&mut socket, "IDENTIFY").await;
            socket.write_all(&ok()).await.expect("sent");
            until(&mut socket, "PUB t\n").await;
            socket.write_all(&answer).await.expect("sent");
            // silence and a wait if the server sent nothing
            if answer.is_empty() {
                let mut rest = Vec::new();
                let _ = socket.read_to_end(&mut rest).await;
            }
        }
    });
    for (answer, expected, accepted) in [
        (frame(1, b"E_BAD_TOPIC no"), PublishError::Refused("E_BAD_TOPIC no".into()), false),
        (frame(1, b"E_PUB_FAILED disk"), PublishError::Failed("E_PUB_FAILED disk".into()), true),
        (Vec::new(), PublishError::Unanswered("the server took too long".into()), true),
        (
            b"\0\0\0\x06\0\0".to_vec(),
            PublishError::Unanswered("the server closed the connection".into()),
            true,
        ),
        (
            frame(0, b"WHAT"),
            PublishError::Unanswered("protocol violated: a frame that answers no publication".into()),
            true,
        ),
    ] {
        steps.send(answer).expect("a server");
        let error =
            timeout(PATIENCE, producer.publish("t", "x")).await.expect("in time").expect_err("an error");
        assert_eq!((error.may_have_been_accepted(), error), (accepted, expected));
    }
    steps.send(ok()).expect("a server");
    assert_eq!(timeout(PATIENCE, producer.publish("t", "x")).await.expect("in time"), Ok(()));
}

/// Publications beyond the window wait, and time out if none is answered.
#[tokio::test]
async fn the_window_is_a_limit() {
    let (listener, address) = listener().await;
    let config = Config {
        max_pending_publishes: 3,
        publish_timeout: Duration::from_millis(300),
        read_timeout: Duration::from_mins(1),
        ..quick()
    };
    let producer = Producer::new(address, config).expect("a producer");
    let mute = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a client");
        until(&mut socket, "IDENTIFY").await;
        socket.write_all(&ok()).await.expect("sent");
        let mut said = Vec::new();
        let _ = socket.read_to_end(&mut said).await;
        said
    });
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(producer.send("t", "x").await.expect("room"));
    }
    let fourth = producer.send("t", "x").await;
    for receipt in receipts {
        let answer = timeout(PATIENCE, receipt).await.expect("in time");
        assert!(matches!(answer, Err(PublishError::Unanswered(_))), "{answer:?}");
    }
    assert!(matches!(fourth, Err(PublishError::NotSent(_)) | Ok(_)));
    let said = timeout(PATIENCE, mute).await.expect("in time").expect("a server");
    assert_eq!(String::from_utf8_lossy(&said).matches("PUB t").count(), 3);
}

/// Faults detectable at the start are errors there, not endless log lines.
#[tokio::test]
async fn a_start_that_cannot_work_is_refused() {
    let start = |topic: &str, channel: &str, nsqd: &str, lookupd: &str, config: Config| {
        let mut builder = Consumer::builder(topic, channel).config(config);
        if !nsqd.is_empty() {
            builder = builder.nsqd(nsqd);
        }
        if !lookupd.is_empty() {
            builder = builder.lookupd(lookupd);
        }
        builder.start().map(drop)
    };
    let (node, good) = ("127.0.0.1:1", Config::new);
    assert_eq!(start("t t", "c", node, "", good()), Err(StartError::Topic("t t".into())));
    assert_eq!(start("t", "", node, "", good()), Err(StartError::Channel(String::new())));
    assert_eq!(start("t", "c", "", "", good()), Err(StartError::NoAddress));
    assert_eq!(start("t", "c", "host", "", good()), Err(StartError::Address("host".into())));
    assert_eq!(start("t", "c", "", "ftp", good()), Err(StartError::Address("ftp".into())));
    let silent = Config { heartbeat_interval: None, ..good() };
    assert_eq!(start("t", "c", node, "", silent), Err(StartError::NoHeartbeats));
    let both = Config { snappy: true, deflate: true, ..good() };
    assert!(matches!(start("t", "c", node, "", both), Err(StartError::Config(_))));
    let mut half = good();
    (half.tls.tls_v1, half.tls.certificate) = (true, Some(Vec::new()));
    let refused = start("t", "c", node, "", half).expect_err("no key").to_string();
    assert_eq!(refused, "tls_cert and tls_key go together: set both");
    assert_eq!(start("t", "c", node, "127.0.0.1:2", good()), Ok(()));
}
