use http::client::stub::{Stub, answer};

use super::*;

fn arguments(list: &[&str]) -> Vec<String> {
    list.iter().map(|argument| (*argument).to_owned()).collect()
}

fn refused(list: &[&str]) -> String {
    match TOOL.read(&arguments(list)).and_then(|values| check(&values)) {
        Err(Exit::Plain(line)) => line,
        Err(other) => other.text().lines().next().unwrap_or_default().to_owned(),
        Ok(_) => panic!("{list:?} is accepted"),
    }
}

#[test]
fn complaints_in_their_order() {
    let good = ["--topic=t", "--channel=c", "--nsqd-http-address=h:1"];
    for (list, complaint) in [
        (&[][..], "--topic and --channel are required"),
        (&["--topic=t"], "--topic and --channel are required"),
        (&[good[0], good[1]], "--nsqd-http-address or --lookupd-http-address required"),
        (&[good[0], good[1], "--interval=0"], "--interval should be positive"),
        (&[good[0], good[1], "--interval=-1s"], "--interval should be positive"),
        (&[good[0], good[1], "--count=0"], "--count should be positive"),
        (&[good[0], good[1], "--count=1", "--count=-1"], "--count should be positive"),
        (
            &["--count=x"],
            "invalid value \"x\" for flag -count: strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            &["--count=2147483648"],
            "invalid value \"2147483648\" for flag -count: strconv.ParseInt: parsing \"2147483648\": value out of range",
        ),
        (
            &[good[0], good[1], "--http-client-request-timeout=0"],
            "--http-client-request-timeout should be positive",
        ),
        (
            &[good[0], good[1], good[2], "--lookupd-http-address=h:2"],
            "use --nsqd-http-address or --lookupd-http-address not both",
        ),
        (
            &[good[0], good[1], "--lookupd-http-address=http://h:2"],
            "--lookupd-http-address error - address should not contain scheme",
        ),
    ] {
        assert_eq!(refused(list), complaint, "{list:?}");
    }
}

const STATS: &str = r#"{"version":"1.3.0","topics":[{"topic_name":"t","channels":[
    {"channel_name":"c","depth":5,"backend_depth":2,"in_flight_count":1,"message_count":9,"client_count":3}]}]}"#;

fn watch(list: &[&str]) -> Watch {
    check(&TOOL.read(&arguments(list)).unwrap()).unwrap()
}

/// Runs a future on one thread, as the tool does.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn one_dead_node_costs_a_warning() {
    run(async {
        let stub = Stub::new(vec![answer(200, STATS)], None).await;
        let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let alive = format!("--nsqd-http-address={}", stub.address);
        let dead = format!("--nsqd-http-address={dead}");
        let nodes = watch(&["--topic=t", "--channel=c", &alive, &dead]).poll().await.unwrap();
        assert_eq!(nodes[&stub.address.to_string()].depth, 5);
        let nobody = watch(&["--topic=t", "--channel=c", &dead]).poll().await.unwrap_err();
        assert!(nobody.text().starts_with("ERROR: failed to get nsqd stats - 127.0.0.1:"), "{nobody:?}");
        let missing = watch(&["--topic=t", "--channel=d", &alive]).poll().await.unwrap_err();
        assert_eq!(missing.text(), "ERROR: failed to find channel(d) in stats metadata for topic(t)");
    });
}

#[test]
fn nodes_come_from_lookups() {
    run(async {
        let node = Stub::new(vec![answer(200, STATS)], None).await;
        let known = format!(
            r#"{{"producers":[{{"broadcast_address":"127.0.0.1","http_port":{}}}]}}"#,
            node.address.port()
        );
        let lookup = Stub::new(vec![answer(200, &known)], None).await;
        let lookup = format!("--lookupd-http-address={}", lookup.address);
        let nodes = watch(&["--topic=t", "--channel=c", &lookup, &lookup]).poll().await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!(
            node.requests()[0].line,
            "GET /stats?format=json&topic=t&channel=c&include_clients=false&include_mem=false HTTP/1.1"
        );
    });
}
