//! Discovery of the nodes that have the topic, by polling every lookupd.
//!
//! A poll queries all of them at once; the consumer connects to every node that any of them names. Rounds are
//! `lookupd_poll_interval` apart, plus a random part of `lookupd_poll_jitter` of it; a lost node brings the
//! next round forward.

use std::sync::Arc;
use std::time::Duration;

use http::client::{Call, Client, Limits};
use http::query::escape_query;
use serde::Deserialize;
use serde_json::Value;
use telemetry::{debug, warn};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::hub::Hub;
use super::subscription;
use crate::config::Config;
use crate::link::NodeAddress;
use crate::message::Message;
use crate::random;

/// Shortest time between two rounds.
const GAP: Duration = Duration::from_secs(1);

/// Polls until the consumer ends.
pub(super) async fn poll(hub: Arc<Hub>, lookupds: Vec<String>, queue: mpsc::Sender<Message>) {
    let client = client(&hub.profile.config, &lookupds);
    let asking = async {
        loop {
            let begun = Instant::now();
            round(&hub, &client, &lookupds, &queue).await;
            let config = &hub.profile.config;
            let interval = config.lookupd_poll_interval;
            let jitter = interval.mul_f64(config.lookupd_poll_jitter * random::fraction());
            tokio::select! {
                () = sleep_until(begun + interval + jitter) => {}
                () = hub.lost.notified() => sleep_until(begun + GAP.min(interval)).await,
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = hub.stopped() => {}
    }
}

fn client(config: &Config, lookupds: &[String]) -> Client {
    let limits = Limits {
        connect_timeout: config.lookupd_poll_timeout,
        request_timeout: config.lookupd_poll_timeout,
        ..Limits::default()
    };
    let secure = lookupds.iter().any(|url| url.starts_with("https:"));
    let tls = secure.then(|| config.tls.for_https()).flatten();
    Client::new(limits, tls)
}

async fn round(hub: &Arc<Hub>, client: &Client, lookupds: &[String], queue: &mpsc::Sender<Message>) {
    let mut questions = JoinSet::new();
    for url in lookupds {
        let (client, config) = (client.clone(), &hub.profile.config);
        let mut call = Call::get(question(url, &hub.topic)).nsq();
        if config.lookupd_authorization && !config.auth_secret.is_empty() {
            call = call.bearer(&config.auth_secret);
        }
        let url = http::client::without_secrets(url);
        questions.spawn(async move { (url, ask(&client, call).await) });
    }
    let (mut all_answered, mut found) = (true, Vec::new());
    while let Some(answer) = questions.join_next().await {
        match answer {
            Ok((_, Ok(nodes))) => found.extend(nodes),
            Ok((lookupd, Err(error))) => {
                all_answered = false;
                warn!(topic = %hub.topic, %lookupd, %error, "lookupd does not answer");
            }
            Err(_) => all_answered = false,
        }
    }
    if all_answered {
        hub.listed(&found);
    }
    for address in found {
        connect(hub, &address, queue);
    }
}

fn connect(hub: &Arc<Hub>, address: &str, queue: &mpsc::Sender<Message>) {
    let Some(node) = NodeAddress::parse(address) else {
        debug!(%address, "lookupd returned an invalid address");
        return;
    };
    if hub.note(address, |node| node.listed = true) {
        tokio::spawn(subscription::keep(hub.clone(), node, queue.clone()));
    }
}

/// Addresses in the answer of one lookupd.
async fn ask(client: &Client, call: Call) -> Result<Vec<String>, String> {
    let reply = client.send(call).await.map_err(|error| error.to_string())?;
    match reply.status.as_u16() {
        200 => addresses(&reply.body).ok_or_else(|| "the answer is not that of a lookupd".to_owned()),
        // no node has the topic yet
        404 => Ok(Vec::new()),
        status => Err(format!("got response {status}")),
    }
}

/// The answer, in the format since 1.0, or wrapped as before.
#[derive(Deserialize)]
struct Answer {
    producers: Option<Vec<Value>>,
    data: Option<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    producers: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Producer {
    broadcast_address: String,
    tcp_port: u16,
}

fn addresses(body: &[u8]) -> Option<Vec<String>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let producers = answer.producers.or_else(|| answer.data?.producers)?;
    let known =
        producers.into_iter().filter_map(|producer| serde_json::from_value::<Producer>(producer).ok());
    // a path would be a local unix socket
    let known = known.filter(|producer| !producer.broadcast_address.contains('/'));
    let addresses = known.map(|producer| {
        NodeAddress::Tcp { host: producer.broadcast_address, port: producer.tcp_port }.to_string()
    });
    Some(addresses.collect())
}

/// The URL to query: an address without a path gets `/lookup`.
fn question(url: &str, topic: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
    let after_scheme = base.find("://").map_or(0, |at| at + 3);
    let base = match base[after_scheme..].find('/') {
        None => format!("{base}/lookup"),
        Some(at) if at + after_scheme + 1 == base.len() => format!("{base}lookup"),
        Some(_) => base.to_owned(),
    };
    let topic = escape_query(topic);
    match query {
        Some(query) => format!("{base}?{query}&topic={topic}"),
        None => format!("{base}?topic={topic}"),
    }
}

/// The URL of a lookupd named by a user. `None` if it is malformed.
pub(super) fn lookupd_url(text: &str) -> Option<String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Some(text.to_owned());
    }
    let address = match NodeAddress::parse(text)? {
        NodeAddress::Unix(_) => return None,
        address @ NodeAddress::Tcp { .. } => address,
    };
    Some(format!("http://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let ask = |text: &str| lookupd_url(text).map(|url| question(&url, "a#ephemeral"));
        for (text, url) in [
            ("l:4161", "http://l:4161/lookup?topic=a%23ephemeral"),
            (":4161", "http://127.0.0.1:4161/lookup?topic=a%23ephemeral"),
            ("[::1]:4161", "http://[::1]:4161/lookup?topic=a%23ephemeral"),
            ("https://l/", "https://l/lookup?topic=a%23ephemeral"),
            ("http://l:1/x/y?zone=1", "http://l:1/x/y?zone=1&topic=a%23ephemeral"),
        ] {
            assert_eq!(ask(text).as_deref(), Some(url));
        }
        assert_eq!(lookupd_url("l"), None);
    }

    #[test]
    fn answers() {
        let wrapped = r#"{"status_code":200,"status_txt":"OK","data":{"channels":[],"producers":
            [{"broadcast_address":"h","tcp_port":1}]}}"#;
        let plain = r#"{"channels":["c"],"producers":[{"broadcast_address":"::1","tcp_port":4150,"http_port":-1},
            {"broadcast_address":"h","tcp_port":70000},{"broadcast_address":"/run/x","tcp_port":1},{"tcp_port":1},7]}"#;
        assert_eq!(addresses(wrapped.as_bytes()), Some(vec!["h:1".to_owned()]));
        assert_eq!(addresses(plain.as_bytes()), Some(vec!["[::1]:4150".to_owned()]));
        assert_eq!(addresses(br#"{"producers":[]}"#), Some(vec![]));
        for bad in ["", "null", "[]", "{}", r#"{"producers":1}"#] {
            assert_eq!(addresses(bad.as_bytes()), None, "{bad}");
        }
    }
}
