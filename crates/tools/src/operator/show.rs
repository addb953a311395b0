//! Topics, channels and messages for people: the API's JSON as tables.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::failure::Failure;
use super::table::{Column, table};

/// Characters of a body shown in a table.
const BODY_SHOWN: usize = 80;

/// Topics of `/stats`: all, or the named ones.
pub(super) fn topics(mut stats: Value, named: &[String]) -> Result<Vec<Value>, Failure> {
    let all = take_list(&mut stats["topics"]);
    let name = |topic: &Value| text(topic, "topic_name");
    if let Some(missing) = named.iter().find(|wanted| !all.iter().any(|topic| name(topic) == **wanted)) {
        return Err(no_topic(missing));
    }
    Ok(all.into_iter().filter(|topic| named.is_empty() || named.contains(&name(topic))).collect())
}

/// The channels of `/stats`, each with the name of its topic.
pub(super) fn channels(stats: Value, topic: Option<&str>) -> Result<Vec<Value>, Failure> {
    let named: Vec<String> = topic.iter().map(|topic| (*topic).to_owned()).collect();
    let mut found = Vec::new();
    for mut topic in topics(stats, &named)? {
        let name = topic["topic_name"].clone();
        for mut channel in take_list(&mut topic["channels"]) {
            channel["topic_name"] = name.clone();
            found.push(channel);
        }
    }
    Ok(found)
}

fn no_topic(name: &str) -> Failure {
    Failure::refused(format!("there is no topic {name}; `nuthatch topics` lists them"))
}

pub(super) fn topic_table(topics: &[Value]) -> String {
    const COLUMNS: [Column; 8] = [
        Column::left("TOPIC"),
        Column::right("WAITING"),
        Column::right("CHANNELS"),
        Column::right("BACKLOG"),
        Column::right("CLIENTS"),
        Column::right("MESSAGES"),
        Column::right("BYTES"),
        Column::left("STATE"),
    ];
    let row = |topic: &Value| {
        let empty = Vec::new();
        let channels = topic["channels"].as_array().unwrap_or(&empty);
        let sum = |field: &str| channels.iter().map(|channel| number(channel, field)).sum::<i64>();
        [
            text(topic, "topic_name"),
            number(topic, "depth").to_string(),
            channels.len().to_string(),
            (sum("depth") + sum("in_flight_count") + sum("deferred_count")).to_string(),
            sum("client_count").to_string(),
            number(topic, "message_count").to_string(),
            number(topic, "message_bytes").to_string(),
            state(topic),
        ]
    };
    table(&COLUMNS, topics.iter().map(row), "no topics")
}

pub(super) fn channel_table(channels: &[Value]) -> String {
    const COLUMNS: [Column; 10] = [
        Column::left("TOPIC"),
        Column::left("CHANNEL"),
        Column::right("WAITING"),
        Column::right("IN FLIGHT"),
        Column::right("DEFERRED"),
        Column::right("REQUEUED"),
        Column::right("TIMED OUT"),
        Column::right("MESSAGES"),
        Column::right("CLIENTS"),
        Column::left("STATE"),
    ];
    let row = |channel: &Value| {
        [
            text(channel, "topic_name"),
            text(channel, "channel_name"),
            number(channel, "depth").to_string(),
            number(channel, "in_flight_count").to_string(),
            number(channel, "deferred_count").to_string(),
            number(channel, "requeue_count").to_string(),
            number(channel, "timeout_count").to_string(),
            number(channel, "message_count").to_string(),
            number(channel, "client_count").to_string(),
            state(channel),
        ]
    };
    table(&COLUMNS, channels.iter().map(row), "no channels")
}

pub(super) fn message_table(messages: &Value) -> String {
    const COLUMNS: [Column; 4] =
        [Column::left("ID"), Column::left("PUBLISHED"), Column::right("ATTEMPTS"), Column::left("BODY")];
    let empty = Vec::new();
    let row = |message: &Value| {
        [
            text(message, "id"),
            local_time(number(message, "timestamp")),
            number(message, "attempts").to_string(),
            body(message),
        ]
    };
    table(&COLUMNS, messages.as_array().unwrap_or(&empty).iter().map(row), "no messages")
}

/// Result of a seek.
pub(super) fn sought(topic: &str, channel: &str, answer: &Value) -> String {
    let mut words = format!("{topic}/{channel} will read {} messages", answer["count"]);
    if answer["complete"] == Value::Bool(false) {
        let oldest = answer["oldest"].as_i64();
        let from =
            oldest.map_or(String::new(), |oldest| format!(", the oldest is of {}", local_time(oldest)));
        words += &format!("; what is kept does not reach back as far as asked{from}");
    }
    words
}

fn state(of: &Value) -> String {
    if of["paused"] == Value::Bool(true) { "paused".into() } else { String::new() }
}

fn take_list(value: &mut Value) -> Vec<Value> {
    match value.take() {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

fn text(of: &Value, field: &str) -> String {
    of[field].as_str().unwrap_or_default().to_owned()
}

fn number(of: &Value, field: &str) -> i64 {
    of[field].as_i64().unwrap_or_default()
}

fn local_time(ns: i64) -> String {
    match Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => ns.to_string(),
    }
}

/// Beginning of a body, with terminal control characters escaped.
fn body(message: &Value) -> String {
    let Some(body) = message["body"].as_str() else {
        return format!(
            "base64:{}",
            text(message, "body_base64").chars().take(BODY_SHOWN).collect::<String>()
        );
    };
    let mut shown: String = body.chars().take(BODY_SHOWN).flat_map(escaped).collect();
    if body.chars().nth(BODY_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn escaped(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_cannot_steer_a_terminal() {
        assert_eq!(body(&json!({"body": "a\u{1b}[2J\nb"})), "a\\u{1b}[2J\\nb");
        assert_eq!(body(&json!({"body_base64": "/w=="})), "base64:/w==");
        assert_eq!(body(&json!({"body": "x".repeat(81)})), "x".repeat(80) + "…");
    }

    #[test]
    fn a_seek_tells_what_is_not_kept() {
        assert_eq!(sought("t", "c", &json!({"count": 3, "complete": true})), "t/c will read 3 messages");
        let partly = sought("t", "c", &json!({"count": 3, "complete": false}));
        assert_eq!(partly, "t/c will read 3 messages; what is kept does not reach back as far as asked");
    }

    #[test]
    fn tables_of_statistics() {
        let stats = json!({"topics": [
            {"topic_name": "t", "depth": 0, "message_count": 5, "message_bytes": 50, "paused": true, "channels": [
                {"channel_name": "c", "depth": 3, "in_flight_count": 1, "deferred_count": 0, "client_count": 2},
            ]},
            {"topic_name": "u", "depth": 7, "channels": []},
        ]});
        assert_eq!(
            topic_table(&topics(stats.clone(), &[]).unwrap()),
            "TOPIC  WAITING  CHANNELS  BACKLOG  CLIENTS  MESSAGES  BYTES  STATE\n\
             t            0         1        4        2         5     50  paused\n\
             u            7         0        0        0         0      0\n"
        );
        assert_eq!(channels(stats.clone(), Some("u")).unwrap(), Vec::<Value>::new());
        assert_eq!(channels(stats.clone(), None).unwrap()[0]["topic_name"], "t");
        let missing = topics(stats, &["u".to_owned(), "v".to_owned()]).unwrap_err();
        assert_eq!(
            (missing.status, missing.text.as_str()),
            (1, "there is no topic v; `nuthatch topics` lists them")
        );
        assert_eq!(channel_table(&[]), "no channels\n");
    }
}
