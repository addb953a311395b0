//! Requests to one daemon, or the same request to many at once.
//!
//! A daemon that requires TLS answers 403 with its TLS port (`https_port`); the request is repeated there.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use config::go_flags::number::quote;
use http::base64;
use http::client::{Call, Client, ClientError, Reply, endpoint};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use telemetry::debug;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Concurrent requests, over all pages being served.
const AT_ONCE: usize = 128;
/// Characters shown of a body that is not a valid answer.
const SHOWN_CHARS_MAX: usize = 300;

/// Access to other daemons; clones share it.
#[derive(Debug, Clone)]
pub struct Upstreams {
    client: Client,
    /// `Authorization` of its requests.
    login: Option<HeaderValue>,
    places: Arc<Semaphore>,
}

impl Upstreams {
    /// Access through this client, logged in as `NAME:PASSWORD`.
    pub fn new(client: Client, login: Option<&str>) -> Upstreams {
        let login = login.and_then(|login| {
            let mut value =
                HeaderValue::from_str(&format!("Basic {}", base64::encode(login.as_bytes()))).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Upstreams { client, login, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The client itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Gets JSON from one daemon.
    ///
    /// # Errors
    /// The failure, with the URL.
    pub async fn get<T: DeserializeOwned>(&self, address: &str, path: &str) -> Result<T, String> {
        let body = self.exchange("Get", address, path, Call::get).await?;
        serde_json::from_slice(&body).map_err(|error| {
            format!("Get {}: bad answer: {error}", quote(&format!("http://{address}{path}")))
        })
    }

    /// Posts a command to one daemon.
    ///
    /// # Errors
    /// The failure, with the URL.
    pub async fn post(&self, address: &str, path: &str) -> Result<(), String> {
        self.exchange("Post", address, path, Call::post_nothing).await.map(|_| ())
    }

    async fn exchange(
        &self,
        verb: &str,
        address: &str,
        path: &str,
        call: fn(String) -> Call,
    ) -> Result<Bytes, String> {
        let failed = |url: &str, error: &ClientError| format!("{verb} {}: {}", quote(url), said(error));
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        let shown = format!("http://{address}{path}");
        let mut url = endpoint(address, path).map_err(|error| failed(&shown, &error))?;
        loop {
            debug!(url, "asking");
            let mut call = call(url.clone()).nsq();
            if let Some(login) = &self.login {
                call = call.header(AUTHORIZATION, login.clone());
            }
            let reply = self.client.send(call).await;
            let reply = reply.map_err(|error| failed(&url, &error))?;
            match secure(&url, address, path, &reply) {
                Some(other) => url = other,
                None if reply.status == StatusCode::OK => return Ok(reply.body),
                None => return Err(unexpected(&reply)),
            }
        }
    }

    /// Runs `work` for every item, all at once; answers are in the order of the items.
    pub async fn each<I, T, F>(&self, items: Vec<I>, work: impl Fn(Upstreams, I) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut answers: Vec<Option<T>> = std::iter::repeat_with(|| None).take(items.len()).collect();
        let mut tasks = JoinSet::new();
        for (at, item) in items.into_iter().enumerate() {
            let work = work(self.clone(), item);
            tasks.spawn(async move { (at, work.await) });
        }
        while let Some(done) = tasks.join_next().await {
            if let Ok((at, answer)) = done
                && let Some(place) = answers.get_mut(at)
            {
                *place = Some(answer);
            }
        }
        answers.into_iter().flatten().collect()
    }

    /// Posts a command to all of these daemons; returns failures in their order.
    pub async fn post_each(&self, addresses: Vec<String>, path: &str) -> Vec<String> {
        let path: Arc<str> = path.into();
        let told = self.each(addresses, |upstreams, address| {
            let path = Arc::clone(&path);
            async move { upstreams.post(&address, &path).await }
        });
        told.await.into_iter().filter_map(Result::err).collect()
    }
}

/// URL to use instead, if the daemon requires TLS.
fn secure(url: &str, address: &str, path: &str, reply: &Reply) -> Option<String> {
    #[derive(Deserialize)]
    struct TlsRequired {
        https_port: u16,
    }
    if reply.status != StatusCode::FORBIDDEN || !url.starts_with("http:") {
        return None;
    }
    let required: TlsRequired = serde_json::from_slice(&reply.body).ok()?;
    let (host, _) = address.rsplit_once(':')?;
    Some(format!("https://{host}:{}{path}", required.https_port))
}

/// The failure in Go's words, where Go has some.
fn said(error: &ClientError) -> String {
    match error {
        ClientError::Connect(why) | ClientError::Request(why) => why.clone(),
        ClientError::Timeout => "context deadline exceeded (Client.Timeout exceeded)".into(),
        other => other.to_string(),
    }
}

fn unexpected(reply: &Reply) -> String {
    let body: String = String::from_utf8_lossy(&reply.body).chars().take(SHOWN_CHARS_MAX).collect();
    let reason = reply.status.canonical_reason().unwrap_or_default();
    format!("got response {} {reason} {}", reply.status.as_str(), quote(&body))
}
