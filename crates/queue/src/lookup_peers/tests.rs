use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use wire::nsq::lookup::{Command, OK, Scan, Scanner, write_response};

use super::*;
use ::http::client::stub::{Stub, answer};

const SOON: Duration = Duration::from_secs(20);

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// An nsqlookupd that reports what it receives to the test.
struct Lookupd {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<String>,
    /// Each message ends the current connection.
    hang_up: mpsc::UnboundedSender<()>,
}

impl Lookupd {
    /// `http_port` is the one that it reports; `reply` is its answer to REGISTER.
    async fn new(http_port: u16, reply: &'static [u8]) -> Lookupd {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (say, heard) = mpsc::unbounded_channel();
        let (hang_up, mut hung_up) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                say.send("connected".into()).unwrap();
                tokio::select! {
                    () = serve(socket, http_port, reply, &say) => {}
                    _ = hung_up.recv() => {}
                }
                say.send("closed".into()).unwrap();
            }
        });
        Lookupd { address, heard, hang_up }
    }

    async fn hear(&mut self) -> String {
        tokio::time::timeout(SOON, self.heard.recv()).await.expect("nothing heard").unwrap()
    }

    async fn hears(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.hear().await, *expected);
        }
    }
}

async fn serve(
    mut socket: tokio::net::TcpStream,
    http_port: u16,
    reply: &[u8],
    say: &mpsc::UnboundedSender<String>,
) {
    let mut magic = [0; 4];
    socket.read_exact(&mut magic).await.unwrap();
    assert_eq!(&magic, b"  V1");
    let mut input = Vec::new();
    let (mut scanner, mut identified) = (Scanner::default(), false);
    loop {
        let mut out = Vec::new();
        let len = match scanner.scan(&input, identified) {
            Scan::NeedMore { .. } => match socket.read_buf(&mut input).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            },
            Scan::Done { command, len } => {
                let (text, answer) = obey(&command, http_port, reply);
                identified |= matches!(command, Command::Identify(_));
                say.send(text).unwrap();
                write_response(&mut out, &answer);
                len
            }
            other => panic!("{other:?}"),
        };
        input.drain(..len);
        if socket.write_all(&out).await.is_err() {
            return;
        }
    }
}

fn obey(command: &Command<'_>, http_port: u16, reply: &[u8]) -> (String, Vec<u8>) {
    let name = |topic: &str, channel: Option<&str>| match channel {
        Some(channel) => format!("{topic}/{channel}"),
        None => topic.to_owned(),
    };
    match command {
        Command::Ping => ("PING".into(), OK.to_vec()),
        Command::Identify(node) => {
            let us = Node {
                broadcast_address: "127.0.0.1".into(),
                http_port: http_port.into(),
                version: "1.3.0".into(),
                ..Node::default()
            };
            let mut answer = Vec::new();
            us.write_answer(&mut answer);
            (format!("IDENTIFY {}:{}", node.broadcast_address, node.tcp_port), answer)
        }
        Command::Register { topic, channel } => (format!("+{}", name(topic, *channel)), reply.to_vec()),
        Command::Unregister { topic, channel } => (format!("-{}", name(topic, *channel)), OK.to_vec()),
    }
}

fn quick() -> Timing {
    Timing {
        answer: Duration::from_secs(5),
        retry_min: Duration::from_millis(1),
        retry_max: Duration::from_millis(20),
        ..Timing::default()
    }
}

fn peers(timing: Timing) -> LookupPeers {
    let node = Node {
        broadcast_address: "us".into(),
        tcp_port: 4150,
        http_port: 4151,
        version: "1".into(),
        ..Node::default()
    };
    LookupPeers::new(node, timing, 1 << 20, Client::default())
}

fn topic(name: &str) -> Notice {
    Notice::TopicAdded(name.into())
}

fn channel(topic: &str, name: &str) -> Notice {
    Notice::ChannelAdded(topic.into(), name.into())
}

#[test]
fn everything_is_told_then_what_changes() {
    run(async {
        let mut lookupd = Lookupd::new(4161, OK).await;
        let mut peers = peers(quick());
        for notice in [topic("a"), topic("b"), channel("b", "x"), channel("b", "y#ephemeral")] {
            peers.notice(&notice);
        }
        peers.set_addresses(&[lookupd.address.to_string()]);
        lookupd.hears(&["connected", "IDENTIFY us:4150", "+a", "+b/x", "+b/y#ephemeral"]).await;
        peers.notice(&topic("c"));
        lookupd.hears(&["+c"]).await;
        peers.notice(&channel("c", "z"));
        lookupd.hears(&["+c/z"]).await;
        peers.notice(&Notice::ChannelRemoved("b".into(), "x".into()));
        lookupd.hears(&["-b/x"]).await;
        peers.notice(&Notice::TopicRemoved("b".into()));
        lookupd.hears(&["-b"]).await;
        assert_eq!(peers.http_addresses(), ["127.0.0.1:4161"]);
        drop(peers);
        lookupd.hears(&["closed"]).await;
    });
}

#[test]
fn a_lost_connection_is_made_anew_and_told_everything() {
    run(async {
        let mut lookupd = Lookupd::new(4161, OK).await;
        let mut peers = peers(quick());
        peers.set_addresses(&[lookupd.address.to_string()]);
        lookupd.hears(&["connected", "IDENTIFY us:4150"]).await;
        peers.notice(&channel("t", "c"));
        lookupd.hears(&["+t/c"]).await;
        for connects in 2..5 {
            lookupd.hang_up.send(()).unwrap();
            lookupd.hears(&["closed", "connected", "IDENTIFY us:4150", "+t/c"]).await;
            let [status] = &peers.status()[..] else { panic!("one peer") };
            assert_eq!(status.connects, connects);
            assert_eq!(status.last_error.as_deref(), Some("connection closed"));
            assert!(status.node.is_some());
        }
    });
}

#[test]
fn an_error_is_followed_by_a_new_beginning() {
    run(async {
        let mut lookupd = Lookupd::new(4161, b"E_INVALID no").await;
        let mut peers = peers(quick());
        peers.notice(&topic("t"));
        peers.set_addresses(&[lookupd.address.to_string()]);
        lookupd.hears(&["connected", "IDENTIFY us:4150", "+t", "closed", "connected"]).await;
        let [status] = &peers.status()[..] else { panic!("one peer") };
        assert_eq!(status.last_error.as_deref(), Some("refused: E_INVALID no"));
    });
}

#[test]
fn signs_of_life_and_renewals() {
    run(async {
        let mut lookupd = Lookupd::new(4161, OK).await;
        let mut peers =
            peers(Timing { ping: Duration::from_millis(10), renew: Duration::from_millis(35), ..quick() });
        peers.notice(&topic("t"));
        peers.set_addresses(&[lookupd.address.to_string()]);
        lookupd.hears(&["connected", "IDENTIFY us:4150", "+t"]).await;
        let mut heard = BTreeSet::new();
        while heard.len() < 2 {
            heard.insert(lookupd.hear().await);
        }
        assert_eq!(heard.into_iter().collect::<Vec<_>>(), ["+t", "PING"]);
    });
}

#[test]
fn peers_come_and_go_and_a_silent_one_holds_nobody_up() {
    run(async {
        // accepts, never answers
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = silent.local_addr().unwrap().to_string();
        let (mut one, mut two) = (Lookupd::new(1, OK).await, Lookupd::new(2, OK).await);
        let (first, second) = (one.address.to_string(), two.address.to_string());
        let mut peers = peers(quick());
        peers.set_addresses(&[silent.clone(), first.clone()]);
        peers.notice(&topic("t"));
        one.hears(&["connected", "IDENTIFY us:4150", "+t"]).await;
        peers.set_addresses(&[silent.clone(), first.clone(), second.clone()]);
        two.hears(&["connected", "IDENTIFY us:4150", "+t"]).await;
        peers.notice(&topic("u"));
        one.hears(&["+u"]).await;
        two.hears(&["+u"]).await;
        peers.set_addresses(&[silent.clone(), second.clone()]);
        one.hears(&["closed"]).await;
        peers.notice(&topic("v"));
        two.hears(&["+v"]).await;
        let mut expected = vec![silent, second];
        expected.sort();
        assert_eq!(peers.addresses(), expected);
        peers.set_addresses(&[]);
        two.hears(&["closed"]).await;
        assert!(peers.is_empty() && one.heard.try_recv().is_err());
    });
}

#[test]
fn many_registrations_at_once() {
    run(async {
        let mut lookupd = Lookupd::new(4161, OK).await;
        let mut peers = peers(quick());
        for n in 0..3_000 {
            peers.notice(&channel(&format!("t{n:04}"), "c"));
        }
        peers.set_addresses(&[lookupd.address.to_string()]);
        lookupd.hears(&["connected", "IDENTIFY us:4150"]).await;
        for n in 0..3_000 {
            assert_eq!(lookupd.hear().await, format!("+t{n:04}/c"));
        }
    });
}

#[test]
fn channels_are_asked_for_everywhere() {
    run(async {
        let good =
            Stub::new(vec![answer(200, r#"{"channels":["b","a","x#ephemeral","no!name"]}"#)], None).await;
        let old =
            Stub::new(vec![answer(200, r#"{"status_code":200,"data":{"channels":["c","a"]}}"#)], None).await;
        let bad = Stub::new(vec![answer(500, "")], None).await;
        let junk = Stub::new(vec![answer(200, "junk")], None).await;
        let mut lookupds = Vec::new();
        for stub in [&good, &old, &bad, &junk] {
            lookupds.push(Lookupd::new(stub.address.port(), OK).await);
        }
        let mut peers = peers(quick());
        assert_eq!(peers.channels("t").await, Vec::<String>::new());
        let addresses: Vec<_> = lookupds.iter().map(|lookupd| lookupd.address.to_string()).collect();
        peers.notice(&topic("here"));
        peers.set_addresses(&addresses);
        for lookupd in &mut lookupds {
            lookupd.hears(&["connected", "IDENTIFY us:4150", "+here"]).await;
        }
        assert_eq!(peers.channels("t#ephemeral").await, ["a", "b", "c"]);
        assert_eq!(good.requests()[0].line, "GET /channels?topic=t%23ephemeral HTTP/1.1");
    });
}
