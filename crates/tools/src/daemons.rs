//! HTTP requests to nsqds and lookupds: many at a time, with a warning for each one that does not answer.

pub(crate) mod lookupd;
pub(crate) mod stats;

use std::time::Duration;

use http::client::{Client, Limits};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use wire::percent;

/// Largest answer accepted: statistics of a node with many thousand topics.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Answers in the order of the addresses, and a line for each address that failed.
#[derive(Debug)]
pub(crate) struct Answers<T> {
    pub answers: Vec<(String, T)>,
    pub warnings: Vec<String>,
}

/// Client with these timeouts.
pub(crate) fn client(connect_timeout: Duration, request_timeout: Duration) -> Client {
    Client::new(Limits { connect_timeout, request_timeout, body_bytes_max: ANSWER_BYTES_MAX }, None)
}

/// Requests `path` from every address at the same time.
pub(crate) async fn ask_all<T>(client: &Client, addresses: &[String], path: &str) -> Answers<T>
where
    T: DeserializeOwned + Send + 'static,
{
    let mut asked = JoinSet::new();
    for (index, address) in addresses.iter().enumerate() {
        let client = client.clone();
        let (address, url) = (address.clone(), format!("http://{address}{path}"));
        asked.spawn(async move { (index, address, ask(&client, &url).await) });
    }
    let mut all = asked.join_all().await;
    all.sort_by_key(|(index, ..)| *index);
    let mut answers = Answers { answers: Vec::new(), warnings: Vec::new() };
    for (_, address, answer) in all {
        match answer {
            Ok(answer) => answers.answers.push((address, answer)),
            Err(why) => answers.warnings.push(format!("{address}: {why}")),
        }
    }
    answers
}

async fn ask<T: DeserializeOwned>(client: &Client, url: &str) -> Result<T, String> {
    let body = client.get(url).await.map_err(|error| error.to_string())?;
    read(&body)
}

/// Parses an answer; before NSQ 1.0 the data was wrapped.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    #[derive(Deserialize)]
    struct Wrapped<T> {
        data: T,
    }
    serde_json::from_slice::<Wrapped<T>>(body)
        .map(|wrapped| wrapped.data)
        .or_else(|_| serde_json::from_slice(body))
        .map_err(|error| format!("the answer cannot be read: {error}"))
}

/// Query value with every character escaped that is not allowed there.
pub(crate) fn escaped(text: &str) -> String {
    percent::encode(text.as_bytes(), b"-_.~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_answers() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Topics {
            topics: Vec<String>,
        }
        let topics = Topics { topics: vec!["a".into()] };
        assert_eq!(read(br#"{"topics":["a"]}"#), Ok(topics));
        let topics = Topics { topics: vec!["b".into()] };
        assert_eq!(read(br#"{"status_code":200,"data":{"topics":["b"]}}"#), Ok(topics));
        assert!(read::<Topics>(b"<html>").is_err());
    }

    #[test]
    fn names_in_queries() {
        assert_eq!(escaped("a.b_c-1"), "a.b_c-1");
        assert_eq!(escaped("t#ephemeral & more"), "t%23ephemeral%20%26%20more");
    }
}
