//! The tools that relay messages: `to_nsq`, `nsq_to_nsq`, `nsq_to_http`, which must lose
//! none, whatever the other side does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::client::{Config, Consumer, Producer};

use crate::client::{Nsqd, bodies, next, publish_all, quick, receive_all};
use crate::support::{Running, called, run, text, wait_for};

/// Runs `to_nsq` with this input.
fn to_nsq(arguments: &[&str], input: &str) -> Output {
    let mut command = called("to_nsq");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    // a tool that refused its arguments has exited
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    child.wait_with_output().expect("an end")
}

fn set(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn consumer(nsqd: &Nsqd, topic: &str) -> Consumer {
    Consumer::builder(topic, "test").config(quick()).nsqd(nsqd.address()).start().expect("a consumer")
}

fn producer(nsqd: &Nsqd) -> Producer {
    Producer::new(nsqd.address(), quick()).expect("a producer")
}

/// Messages of a topic now, in order; no further one may follow.
async fn all_of(consumer: &mut Consumer, last: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let message = next(consumer).await;
        message.finish();
        let body = String::from_utf8_lossy(&message.body).into_owned();
        if body == last {
            return all;
        }
        all.push(body);
    }
}

#[tokio::test]
async fn standard_input_goes_to_every_nsqd_to_its_last_byte() {
    let (first, second) = (Nsqd::start(&[]), Nsqd::start(&[]));
    let addresses = [&first, &second].map(|nsqd| format!("--nsqd-tcp-address={}", nsqd.address()));
    let output = to_nsq(&["--topic=t", &addresses[0], &addresses[1]], "a\n\nbc\nlast byte");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let output = to_nsq(&["--topic=t", "--delimiter=,", "--rate=1000", &addresses[1]], "x\n,y");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).ends_with(" Throttling messages rate to max:1000/second\n"));
    for (nsqd, expected) in
        [(&first, &["a", "bc", "last byte"][..]), (&second, &["a", "bc", "last byte", "x\n", "y"])]
    {
        producer(nsqd).publish("t", "end").await.expect("OK");
        assert_eq!(all_of(&mut consumer(nsqd, "t"), "end").await, expected);
    }
}

#[tokio::test]
async fn a_publication_that_fails_ends_to_nsq_with_what_was_published() {
    let output = to_nsq(&["--topic=t", "--nsqd-tcp-address=127.0.0.1:1"], "a\n");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let expected = "127.0.0.1:1: not sent: cannot connect: Connection refused (os error 111) (0 messages were published before)\n";
    assert!(said.ends_with(expected), "{said}");
    let nsqd = Nsqd::start(&["--max-msg-size=5"]);
    let address = format!("--nsqd-tcp-address={}", nsqd.address());
    let output = to_nsq(&["--topic=t", &address], "a\nb\nmuch too long\n");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let expected = "refused: E_BAD_MESSAGE PUB message too big 13 > 5 (2 messages were published before)\n";
    assert!(said.ends_with(expected), "{said}");
}

#[tokio::test]
async fn files_are_resumed_where_they_were_left() {
    let nsqd = Nsqd::start(&[]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let publish = || {
        let address = format!("--nsqd-tcp-address={}", nsqd.address());
        run("to_nsq", &["--topic=t", &address, "--resume=state", "one", "two"], directory.path())
    };
    let append = |name: &str, more: &str| {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path(name)).expect("a file");
        file.write_all(more.as_bytes()).expect("written");
    };
    let mut consumer = consumer(&nsqd, "t");
    append("one", "a\nb\n");
    append("two", "c\n");
    let output = publish();
    assert!(output.status.success(), "{}", text(&output.stderr));
    append("one", "d\n");
    assert!(publish().status.success());
    assert!(publish().status.success(), "nothing is left");
    producer(&nsqd).publish("t", "end").await.expect("OK");
    assert_eq!(all_of(&mut consumer, "end").await, ["a", "b", "c", "d"]);
    let state: BTreeMap<String, u64> =
        serde_json::from_slice(&fs::read(path("state")).expect("a file")).expect("JSON");
    assert_eq!(state, BTreeMap::from([("one".to_owned(), 6), ("two".to_owned(), 2)]));
    // another file under the same name
    fs::write(path("one"), "x\n").expect("written");
    let output = publish();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("one: it has 2 bytes, and 6 of it were published"),
        "{}",
        text(&output.stderr)
    );
    let output = to_nsq(&["--topic=t", "--nsqd-tcp-address=h:1", "--resume=s"], "");
    assert_eq!(output.status.code(), Some(1));
}

/// Starts a tool that runs until it is killed.
fn start(name: &str, arguments: &[String]) -> Running {
    Running::start(called(name).args(arguments))
}

/// Options that make failures fast.
fn hurried(source: &Nsqd) -> Vec<String> {
    let options = [
        "msg_timeout,1s",
        "default_requeue_delay,1ms",
        "backoff_multiplier,1ms",
        "max_backoff_duration,20ms",
    ];
    let options = options.iter().map(|option| format!("--consumer-opt={option}"));
    let source = [format!("--nsqd-tcp-address={}", source.address()), "--topic=t".to_owned()];
    source.into_iter().chain(options).collect()
}

#[tokio::test]
async fn nsq_to_nsq_loses_nothing_when_it_is_killed_and_when_destinations_are() {
    let (source, first, second) = (Nsqd::start(&[]), Nsqd::start(&[]), Nsqd::start(&[]));
    let sent = bodies("m", 3_000);
    publish_all(&producer(&source), "t", &sent).await;
    let mut arguments = hurried(&source);
    arguments.push("--destination-topic=copy".to_owned());
    arguments.push("--max-in-flight=20".to_owned());
    for address in [first.address(), second.address(), "127.0.0.1:1".to_owned()] {
        arguments.push(format!("--destination-nsqd-tcp-address={address}"));
    }
    let config = Config { max_in_flight: 500, ..quick() };
    let builder = Consumer::builder("copy", "test").config(config);
    let mut copies = builder.nsqd(first.address()).nsqd(second.address()).start().expect("a consumer");
    let mut wanted = sent.clone();
    let mut tool = start("nsq_to_nsq", &arguments);
    let mut killed = 0;
    while !wanted.is_empty() {
        let message = next(&mut copies).await;
        wanted.remove(&*String::from_utf8_lossy(&message.body));
        message.finish();
        // in the middle of its work
        if sent.len() - wanted.len() > (killed + 1) * 500 && killed < 5 {
            tool.signal("KILL");
            tool = start("nsq_to_nsq", &arguments);
            killed += 1;
        }
    }
    assert_eq!(killed, 5);
    tool.signal("TERM");
    assert_eq!(tool.end(), Some(0));
}

#[tokio::test]
async fn nsq_to_nsq_passes_on_what_its_filters_let_through() {
    let (source, destination) = (Nsqd::start(&[]), Nsqd::start(&[]));
    let from = producer(&source);
    for body in [
        r#"{"keep":"yes","n":1,"x":0}"#,
        "no JSON",
        r#"{"keep":"no","n":2}"#,
        r#"{"n":3}"#,
        r#"{"keep":"yes","n":4}"#,
    ] {
        from.publish("t", body).await.expect("OK");
    }
    let mut arguments = hurried(&source);
    arguments.push(format!("--destination-nsqd-tcp-address={}", destination.address()));
    for more in [
        "--require-json-field=keep",
        "--require-json-value=yes",
        "--whitelist-json-field=n",
        "--mode=round-robin",
    ] {
        arguments.push(more.to_owned());
    }
    let tool = start("nsq_to_nsq", &arguments);
    receive_all(&mut consumer(&destination, "t"), set(&[r#"{"n":1}"#, r#"{"n":4}"#])).await;
    tool.signal("TERM");
    assert_eq!(tool.end(), Some(0));
    // all are finished at the source
    let mut rest =
        Consumer::builder("t", "nsq_to_nsq").config(quick()).nsqd(source.address()).start().expect("one");
    from.publish("t", r#"{"keep":"yes","n":5}"#).await.expect("OK");
    let left = next(&mut rest).await;
    assert!(String::from_utf8_lossy(&left.body).contains("\"n\":5"), "{:?}", left.body);
    left.finish();
}

/// A server's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Status(u16),
    /// Success after a delay.
    Slow,
    /// No answer.
    Stall,
    /// Half an answer, then a close.
    Break,
}

/// A server that answers its requests in this order, repeatedly, and keeps those
/// answered with success: line and body.
struct Server {
    port: u16,
    accepted: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn start(answers: &'static [Answer]) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let accepted: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let (kept, next) = (accepted.clone(), Arc::new(Mutex::new(answers.iter().cycle())));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, next) = (kept.clone(), next.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
                    while let Some(request) = request(&mut reader) {
                        let answer = *next.lock().expect("unpoisoned").next().expect("one");
                        if !reply(&stream, answer, request, &kept) {
                            return;
                        }
                    }
                });
            }
        });
        Server { port, accepted }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn wait_for_bodies(&self, wanted: &BTreeSet<String>) {
        wait_for("all bodies", || {
            let accepted = self.accepted.lock().expect("unpoisoned");
            let seen: BTreeSet<&String> = accepted.iter().map(|(_, body)| body).collect();
            wanted.iter().all(|body| seen.contains(body)).then_some(())
        });
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    reader.read_exact(&mut body).ok()?;
    Some((head, text(&body)))
}

/// False if the connection closes.
fn reply(
    mut stream: &TcpStream,
    answer: Answer,
    request: (String, String),
    kept: &Mutex<Vec<(String, String)>>,
) -> bool {
    let status = match answer {
        Answer::Status(status) => status,
        Answer::Slow => {
            std::thread::sleep(Duration::from_millis(100));
            201
        }
        Answer::Stall => {
            let _ = stream.read(&mut [0]);
            return false;
        }
        Answer::Break => {
            let _ = stream.write_all(b"HTTP/1.1 2");
            return false;
        }
    };
    if (200..300).contains(&status) {
        kept.lock().expect("unpoisoned").push(request);
    }
    stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nhi").as_bytes()).is_ok()
}

#[tokio::test]
async fn nsq_to_http_loses_nothing_with_a_server_that_fails_stalls_breaks_and_is_slow() {
    use Answer::{Break, Slow, Stall, Status};
    let source = Nsqd::start(&[]);
    let server =
        Server::start(&[Status(500), Slow, Stall, Status(200), Break, Status(302), Status(204), Slow]);
    let sent = bodies("m", 60);
    publish_all(&producer(&source), "t", &sent).await;
    let mut arguments = hurried(&source);
    arguments.push(format!("--post={}", server.url("/in?x=1")));
    for more in [
        "--http-client-request-timeout=500ms",
        "--n=8",
        "--content-type=text/plain",
        "--header=X-Who: me:too",
    ] {
        arguments.push(more.to_owned());
    }
    let tool = start("nsq_to_http", &arguments);
    server.wait_for_bodies(&sent);
    tool.signal("TERM");
    assert_eq!(tool.end(), Some(0));
    let accepted = server.accepted.lock().expect("unpoisoned");
    for (head, body) in accepted.iter() {
        assert!(sent.contains(body), "{body}");
        assert!(head.starts_with("POST /in?x=1 HTTP/1.1\r\n"), "{head}");
        for line in ["content-type: text/plain", "x-who: me:too", "user-agent: nsq_to_http v1.3.0"] {
            assert!(head.contains(line), "no {line} in {head}");
        }
    }
}

#[tokio::test]
async fn nsq_to_http_loses_nothing_when_it_is_killed() {
    use Answer::{Break, Slow, Status};
    let source = Nsqd::start(&[]);
    let server = Server::start(&[Status(200), Status(201), Break, Status(500), Slow]);
    let sent = bodies("m", 500);
    publish_all(&producer(&source), "t", &sent).await;
    let mut arguments = hurried(&source);
    arguments.extend([format!("--post={}", server.url("/in")), "--n=8".to_owned()]);
    arguments.push("--max-in-flight=8".to_owned());
    let mut tool = start("nsq_to_http", &arguments);
    for killed in 1..=5 {
        wait_for("requests in the middle of the work", || {
            (server.accepted.lock().expect("unpoisoned").len() >= killed * 60).then_some(())
        });
        tool.signal("KILL");
        tool = start("nsq_to_http", &arguments);
    }
    server.wait_for_bodies(&sent);
    tool.signal("TERM");
    assert_eq!(tool.end(), Some(0));
}

#[tokio::test]
async fn nsq_to_http_asks_with_get_and_leaves_a_dead_address_out() {
    let source = Nsqd::start(&[]);
    // a GET only succeeds with 200
    let server = Server::start(&[Answer::Status(201), Answer::Status(200)]);
    let sent = set(&["a b", "ü&=%", "x"]);
    publish_all(&producer(&source), "t", &sent).await;
    let mut arguments = hurried(&source);
    arguments.push(format!("--get={}", server.url("/q?body=%s")));
    arguments.push("--get=http://127.0.0.1:1/%s".to_owned());
    arguments.push("--n=1".to_owned());
    let tool = start("nsq_to_http", &arguments);
    let wanted = ["/q?body=a+b ", "/q?body=%C3%BC%26%3D%25 ", "/q?body=x "];
    wait_for("all of them twice", || {
        let accepted = server.accepted.lock().expect("unpoisoned");
        let times = |path: &str| accepted.iter().filter(|(head, _)| head.contains(path)).count();
        wanted.iter().all(|path| times(path) >= 1).then_some(())
    });
    tool.signal("INT");
    assert_eq!(tool.end(), Some(0));
}
