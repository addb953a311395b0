//! Requests to one daemon, or the same request to many at once.
//!
//! A daemon that requires TLS answers 403 with its TLS port (`https_port`); the request is repeated there.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use config::go_flags::number::quote;
use http::base64;
use http::client::{Call, Client, ClientError, JSON, Reply, endpoint};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use telemetry::debug;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::own::{self, OwnQueue};
use super::request::{DaemonRequest, unexpected};

/// Begin of the address of an admin port with TLS.
pub(super) const TLS: &str = "https://";
/// Header with the client that a change is made for: an admin port lets no client of another machine change
/// something without a login.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Concurrent requests, over all pages being served.
const AT_ONCE: usize = 128;

/// Access to daemons; clones share it.
#[derive(Clone)]
pub struct Upstreams {
    way: Way,
    places: Arc<Semaphore>,
}

/// The way to daemons: pages over both are the same.
#[derive(Clone)]
enum Way {
    /// Other daemons, over HTTP, with the `Authorization` of its requests.
    Http(Box<Client>, Option<HeaderValue>),
    /// The queue of this process, whatever the address.
    Process(Arc<dyn OwnQueue>),
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.way {
            Way::Http(client, _) => write!(f, "Upstreams {{ {client:?} }}"),
            Way::Process(_) => write!(f, "Upstreams {{ process }}"),
        }
    }
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
        Upstreams { way: Way::Http(Box::new(client), login), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Access to the queue of this process only.
    pub fn own(queue: Arc<dyn OwnQueue>) -> Upstreams {
        Upstreams { way: Way::Process(queue), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The client for other daemons, if there are any.
    pub fn client(&self) -> Option<&Client> {
        match &self.way {
            Way::Http(client, _) => Some(client),
            Way::Process(_) => None,
        }
    }

    /// The queue of this process, if all this is it.
    pub fn own_queue(&self) -> Option<&Arc<dyn OwnQueue>> {
        match &self.way {
            Way::Http(..) => None,
            Way::Process(queue) => Some(queue),
        }
    }

    /// True if all this is the queue of this process.
    pub fn is_own(&self) -> bool {
        self.own_queue().is_some()
    }

    /// Gets JSON from one daemon.
    ///
    /// # Errors
    /// The failure, with the URL.
    pub async fn get<T: DeserializeOwned>(&self, address: &str, path: &str) -> Result<T, String> {
        let body = self.exchange(address, path, DaemonRequest::Get).await?;
        serde_json::from_slice(&body).map_err(|error| {
            format!("Get {}: bad answer: {error}", quote(&format!("http://{address}{path}")))
        })
    }

    /// Sends a request to one daemon and returns the body of a 200 answer.
    ///
    /// # Errors
    /// The failure, with the URL.
    pub async fn exchange(&self, address: &str, path: &str, ask: DaemonRequest) -> Result<Bytes, String> {
        // The semaphore is never closed.
        let _place = self.places.acquire().await;
        match &self.way {
            Way::Http(client, login) => over_http(client, login.as_ref(), address, path, ask).await,
            Way::Process(queue) => own::exchange(&**queue, path, ask).await,
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

    /// Sends a request to all of these daemons; results are in their order.
    pub async fn tell_each(&self, addresses: Vec<String>, path: &str, ask: DaemonRequest) -> Vec<Told> {
        let path: Arc<str> = path.into();
        let told = self.each(addresses, |upstreams, node| {
            let (path, ask) = (Arc::clone(&path), ask.clone());
            async move {
                let result = upstreams.exchange(&node, &path, ask).await;
                let result = result.map(|body| String::from_utf8_lossy(&body).into_owned());
                Told { node, result }
            }
        });
        told.await
    }
}

/// Answer of a daemon to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its address.
    pub node: String,
    /// The body of its answer, or the failure.
    pub result: Result<String, String>,
}

async fn over_http(
    client: &Client,
    login: Option<&HeaderValue>,
    address: &str,
    path: &str,
    ask: DaemonRequest,
) -> Result<Bytes, String> {
    let verb = match &ask {
        DaemonRequest::Get => "Get",
        DaemonRequest::Post | DaemonRequest::PostFor(_) | DaemonRequest::Publish(_) => "Post",
        DaemonRequest::Put(_) => "Put",
    };
    let failed = |url: &str, error: &ClientError| format!("{verb} {}: {}", quote(url), said(error));
    let (scheme, address) = address.strip_prefix(TLS).map_or(("http://", address), |address| (TLS, address));
    let shown = format!("{scheme}{address}{path}");
    let url = endpoint(address, path).map_err(|error| failed(&shown, &error))?;
    let mut url = url.replacen("http://", scheme, 1);
    loop {
        debug!(url, "asking");
        let call = match ask.clone() {
            DaemonRequest::Get => Call::get(url.clone()),
            DaemonRequest::Post | DaemonRequest::PostFor(None) => Call::post_nothing(url.clone()),
            DaemonRequest::PostFor(Some(client)) => {
                let client = HeaderValue::from_str(&client).unwrap_or(HeaderValue::from_static("unknown"));
                Call::post_nothing(url.clone()).header(FORWARDED_FOR, client)
            }
            DaemonRequest::Publish(body) => Call::post_bytes(url.clone(), body),
            DaemonRequest::Put(body) => Call::put(url.clone(), JSON, body),
        };
        let call = match login {
            Some(login) => call.nsq().header(AUTHORIZATION, login.clone()),
            None => call.nsq(),
        };
        let reply = client.send(call).await;
        let reply = reply.map_err(|error| failed(&url, &error))?;
        match secure(&url, address, path, &reply) {
            Some(other) => url = other,
            None if reply.status == StatusCode::OK => return Ok(reply.body),
            None => return Err(unexpected(reply.status, &reply.body)),
        }
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
