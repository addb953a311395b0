//! Notifications of changes: one POST of JSON each, in order.
//!
//! The endpoint may be slow, wrong or down: changes do not wait for it. Notices wait in a queue of
//! [`NOTICES_MAX`]; beyond that they are dropped and logged.

use std::time::{SystemTime, UNIX_EPOCH};

use http::client::{Call, Client, JSON, without_secrets};
use http::go_json;
use serde::Serialize;
use telemetry::{info, warn};
use tokio::sync::mpsc::{Receiver, Sender as Mailbox, channel};

use crate::request::Sender;

/// Most notices that may wait.
const NOTICES_MAX: usize = 1000;

/// A notice, in the order of nsqadmin's fields.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Notice {
    action: &'static str,
    topic: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node: String,
    /// Subject of the change, if that is no topic or channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    /// Seconds since 1970.
    timestamp: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    remote_ip: String,
    user_agent: String,
    url: String,
    via: String,
}

impl Notice {
    /// Notice about a topic, a channel and a node; the last two may be empty.
    pub(crate) fn new(action: &'static str, about: [&str; 3], sender: &Sender, via: &str) -> Notice {
        let [topic, channel, node] = about.map(str::to_owned);
        Notice {
            action,
            topic,
            channel,
            node,
            details: None,
            timestamp: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            user: sender.basic_user(),
            remote_ip: sender.remote.clone(),
            user_agent: sender.user_agent(),
            url: sender.url(),
            via: via.to_owned(),
        }
    }
}

impl Notice {
    /// This notice with a subject besides topics and channels.
    pub(crate) fn with_details(self, details: Option<String>) -> Notice {
        Notice { details, ..self }
    }
}

/// Sends notices.
#[derive(Debug)]
pub(crate) struct Notifier {
    notices: Mailbox<Notice>,
}

impl Notifier {
    /// Starts the sender if there is an endpoint. Needs a tokio runtime.
    pub(crate) fn start(endpoint: &str, client: Client) -> Option<Notifier> {
        if endpoint.is_empty() {
            return None;
        }
        let (notices, waiting) = channel(NOTICES_MAX);
        tokio::spawn(send_all(endpoint.to_owned(), client, waiting));
        Some(Notifier { notices })
    }

    /// Queues a notice.
    pub(crate) fn tell(&self, notice: Notice) {
        let action = notice.action;
        if self.notices.try_send(notice).is_err() {
            warn!(action, "notification dropped: {NOTICES_MAX} are queued");
        }
    }
}

async fn send_all(endpoint: String, client: Client, mut waiting: Receiver<Notice>) {
    let shown = without_secrets(&endpoint);
    while let Some(notice) = waiting.recv().await {
        info!("POSTing notification to {shown}");
        let call = Call::post(endpoint.clone(), JSON, go_json::to_vec(&notice)).with_credentials();
        match client.send(call).await {
            Ok(reply) if reply.status.is_success() => {}
            Ok(reply) => warn!(status = reply.status.as_u16(), "notification rejected"),
            Err(error) => warn!(%error, "failed to POST notification"),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use http::client::stub::{Stub, answer};

    use super::*;

    fn notice(action: &'static str) -> Notice {
        let sender = Sender {
            remote: "1.2.3.4:5".into(),
            tls: true,
            uri: "/x".parse().unwrap(),
            headers: HeaderMap::new(),
        };
        Notice { timestamp: 7, ..Notice::new(action, ["t<", "", ""], &sender, "me") }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_endpoint_that_fails_does_not_end_notifications() {
        let answers = vec![b"junk\r\n\r\n".to_vec(), Vec::new(), answer(500, "no"), answer(200, "")];
        let stub = Stub::new(answers, None).await;
        let notifier =
            Notifier::start(&format!("http://joe:x@{}/hook", stub.address), Client::default()).unwrap();
        for action in ["create_topic", "delete_topic", "empty_topic", "pause_topic"] {
            notifier.tell(notice(action));
        }
        while stub.requests().len() < 4 {
            tokio::task::yield_now().await;
        }
        let asked = &stub.requests()[3];
        assert_eq!(asked.line, "POST /hook HTTP/1.1");
        assert_eq!((asked.header("accept"), asked.header("authorization")), (None, Some("Basic am9lOng=")));
        assert_eq!(
            asked.body,
            r#"{"action":"pause_topic","topic":"t\u003c","timestamp":7,"remote_ip":"1.2.3.4:5","user_agent":"","url":"https:///x","via":"me"}"#
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_endpoint_that_stalls_holds_up_nobody() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/", listener.local_addr().unwrap());
        let notifier = Notifier::start(&endpoint, Client::default()).unwrap();
        for _ in 0..2 * NOTICES_MAX {
            notifier.tell(notice("create_topic"));
        }
        assert_eq!(notifier.notices.capacity(), 0);
        assert!(Notifier::start("", Client::default()).is_none());
    }
}
