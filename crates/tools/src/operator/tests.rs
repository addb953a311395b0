use clap::Parser;
use http::client::stub::{Stub, answer};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    operator: Operator,
}

fn parsed(words: &str) -> Operator {
    Line::try_parse_from(["nuthatch"].into_iter().chain(words.split(' '))).unwrap().operator
}

/// The request a command sends to a queue that answers `reply`, and the command's output.
fn asked(words: &str, status: u16, reply: &str) -> (String, Result<String, Failure>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stub = Stub::new(vec![answer(status, reply)], None).await;
        let printed = parsed(&format!("{words} --address={}", stub.address)).answer().await;
        let line = stub.requests()[0].line.clone();
        (line.trim_end_matches(" HTTP/1.1").to_owned(), printed)
    })
}

#[test]
fn every_command_asks_for_what_it_says() {
    let seek = r#"{"count":2,"complete":true}"#;
    let stats = "GET /stats?format=json&include_clients=false&include_mem=false&include_limits=true";
    let none = r#"{"topics":[]}"#;
    for (words, reply, request, printed) in [
        ("topics", none, stats.to_owned(), "no topics"),
        ("channels", none, stats.to_owned(), "no channels"),
        ("peek t", r#"{"messages":[]}"#, "GET /topic/peek?topic=t&count=10".into(), "no messages"),
        (
            "peek t c --what in_flight -n 3",
            r#"{"messages":[]}"#,
            "GET /channel/peek?topic=t&channel=c&count=3&what=in_flight".into(),
            "no messages",
        ),
        (
            "redrive t c",
            r#"{"count":4}"#,
            "POST /channel/redrive?topic=t&channel=c".into(),
            "4 dead letters brought back to t/c",
        ),
        (
            "redrive t c --since 2026-01-31T12:00:00+01:00 --until 1769900000",
            r#"{"count":1}"#,
            "POST /channel/redrive?topic=t&channel=c&since=2026-01-31T12%3A00%3A00%2B01%3A00&until=1769900000".into(),
            "1 dead letters brought back to t/c",
        ),
        (
            "redrive t c -n 1",
            r#"{"count":1}"#,
            "POST /channel/redrive?topic=t&channel=c&count=1".into(),
            "1 dead letters brought back to t/c",
        ),
        ("pause t", "", "POST /topic/pause?topic=t".into(), "topic t paused"),
        ("unpause t c", "", "POST /channel/unpause?topic=t&channel=c".into(), "channel t/c goes on"),
        ("empty t c", "", "POST /channel/empty?topic=t&channel=c".into(), "channel t/c emptied"),
        ("delete t", "", "POST /topic/delete?topic=t".into(), "topic t deleted"),
        (
            "seek t c#ephemeral end",
            seek,
            "POST /channel/seek?topic=t&channel=c%23ephemeral&to=end".into(),
            "t/c#ephemeral will read 2 messages",
        ),
    ] {
        let (line, answer) = asked(words, 200, reply);
        assert_eq!((line, answer), (request, Ok(format!("{printed}\n"))), "{words}");
    }
}

#[test]
fn json_is_the_api_s() {
    let (_, printed) = asked("seek t c end --json", 200, r#"{"count":2,"complete":true}"#);
    assert_eq!(printed, Ok("{\n  \"complete\": true,\n  \"count\": 2\n}\n".into()));
    let (_, printed) = asked("pause t --json", 200, "");
    assert_eq!(
        printed,
        Ok("{\n  \"channel\": null,\n  \"done\": \"pause\",\n  \"topic\": \"t\"\n}\n".into())
    );
}

#[test]
fn exit_statuses() {
    let (_, refused) = asked("pause nosuch", 404, r#"{"message":"TOPIC_NOT_FOUND"}"#);
    assert_eq!(refused.unwrap_err().status, 1);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failure = runtime.block_on(parsed(&format!("topics --address={nobody}")).answer()).unwrap_err();
    assert_eq!(failure.status, 3);
    assert!(failure.text.starts_with(&format!("no queue answers at http://{nobody} (")), "{failure}");
    assert!(failure.text.ends_with("name its HTTP address with --address or in NUTHATCH_HTTP"), "{failure}");
    assert!(
        Line::try_parse_from(["nuthatch", "peek", "t", "--what=dead"]).is_err(),
        "dead letters are a channel's"
    );
}
