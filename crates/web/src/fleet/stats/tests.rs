use super::*;

fn producer(name: &str) -> Producer {
    Producer {
        hostname: format!("host-{name}"),
        broadcast_address: name.into(),
        http_port: 1,
        topology_region: "r".into(),
        topology_zone: "z".into(),
        ..Producer::default()
    }
}

fn told(name: &str, topic: Option<&str>, json: &str) -> Stats {
    of_producer(&producer(name), serde_json::from_str(json).unwrap(), topic, 100)
}

const A: &str = r#"{"topics":[{"topic_name":"t","depth":3,"backend_depth":1,"message_count":9,"paused":false,
    "e2e_processing_latency":{"count":0,"percentiles":null},
    "channels":[{"channel_name":"c","depth":5,"backend_depth":2,"in_flight_count":1,"message_count":9,"client_count":1,
        "zone_local_msg_count":4,"global_msg_count":2,"paused":false,"e2e_processing_latency":{"count":0,"percentiles":null},
        "clients":[{"client_id":"x","connect_ts":90,"topology_region":"r"}]},
      {"channel_name":"only","clients":[]}]},
    {"topic_name":"other","channels":[]}]}"#;
const B: &str = r#"{"topics":[{"topic_name":"t","depth":1,"message_count":1,"paused":true,"channels":[
    {"channel_name":"c","depth":1,"paused":true,"clients":[]}]}]}"#;

#[test]
fn what_a_queue_does_not_say_itself() {
    let stats = told("a", Some("t"), A);
    assert_eq!(stats.len(), 1, "only the topic that was asked for");
    let topic = &stats[0];
    assert_eq!((topic.node.as_str(), topic.hostname.as_str(), topic.memory_depth), ("a:1", "host-a", 2));
    assert_eq!((topic.delivery_msg_count, topic.zone_local_msg_count, topic.global_msg_count), (6, 4, 2));
    let channel = &topic.channels.as_ref().unwrap()[0];
    assert_eq!((channel.topic_name.as_str(), channel.memory_depth, channel.delivery_msg_count), ("t", 3, 6));
    let client = &channel.clients.as_ref().unwrap()[0];
    assert_eq!((client.node.as_str(), client.connected, client.distance()), ("a:1", 10_000_000_000, 1));
    assert_eq!(told("a", None, A).len(), 2);
    assert!(told("a", None, r#"{"topics":null}"#).is_empty());
}

#[test]
fn a_topic_on_several_queues() {
    let stats: Stats = [told("a", Some("t"), A), told("b", Some("t"), B)].concat();
    let all = topic_of("t", stats);
    assert_eq!(
        (all.node.as_str(), all.depth, all.memory_depth, all.message_count, all.paused),
        ("*", 4, 3, 10, true)
    );
    let nodes = all.nodes.unwrap();
    assert_eq!(nodes.len(), 2);
    assert_eq!(nodes[0].channels.as_ref().unwrap()[0].depth, 5, "a queue keeps its own numbers");
    let channels = all.channels.unwrap();
    let shown: Vec<_> = channels
        .iter()
        .map(|channel| {
            (channel.channel_name.as_str(), channel.node.as_str(), channel.depth, channel.nodes.is_some())
        })
        .collect();
    assert_eq!(shown, [("c", "*", 6, true), ("only", "a:1", 0, false)]);
}

#[test]
fn a_topic_that_no_queue_has() {
    let all = topic_of("t", Vec::new());
    assert_eq!((all.topic_name.as_str(), all.node.as_str()), ("t", ""));
    assert_eq!((all.nodes, all.channels, all.e2e_processing_latency), (None, None, None));
}

#[test]
fn a_channel_on_several_queues() {
    let stats: Stats = [told("a", None, A), told("b", None, B)].concat();
    let all = channel_of("t", "c", stats.clone()).unwrap();
    assert_eq!((all.node.as_str(), all.depth, all.client_count, all.paused), ("*", 6, 1, true));
    assert_eq!(all.nodes.unwrap().len(), 2);
    assert_eq!(all.clients.unwrap().len(), 1);
    let only = channel_of("t", "only", stats.clone()).unwrap();
    assert_eq!(only.clients, None, "no clients at all are none, as in nsqadmin");
    assert_eq!(channel_of("t", "nosuch", stats), None);
}

#[test]
fn messages_are_counted_by_channel_and_queue() {
    let stats: Stats = [told("a", None, A), told("b", None, B)].concat();
    let counts: Vec<(String, i64)> =
        counts(&stats).into_iter().map(|(key, (_, count))| (key, count)).collect();
    assert_eq!(counts, [("t:c:a:1".to_owned(), 9), ("t:c:b:1".to_owned(), 0), ("t:only:a:1".to_owned(), 0)]);
}

#[test]
fn numbers_without_end_are_no_crash() {
    let json = format!(
        r#"{{"topics":[{{"topic_name":"t","depth":{0},"backend_depth":{1},"message_count":{0}}}]}}"#,
        i64::MAX,
        i64::MIN
    );
    let all = topic_of("t", [told("a", None, &json), told("b", None, &json)].concat());
    assert_eq!((all.depth, all.message_count), (i64::MAX, i64::MAX));
    for bad in [
        r#"{"topics":[{"depth":1.5}]}"#,
        r#"{"topics":{}}"#,
        "[]",
        "",
        r#"{"topics":[{"depth":99999999999999999999}]}"#,
    ] {
        assert!(serde_json::from_str::<Told>(bad).is_err() || bad == "[]", "{bad}");
    }
}
