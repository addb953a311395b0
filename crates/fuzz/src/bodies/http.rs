//! The queue's HTTP API without a socket, and the answers of an authorization server.
//!
//! ```text
//! POST /pub?topic=t&defer=10      first line: method and target
//! Content-Length: 5               headers, up to an empty line
//!
//! hello                           the rest: the body
//! ```

use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use axum::http::Response;
use config::checked;
use config::checked::LogLevel;
use http::router;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use net::NotTaken;
use queue::QueueError;
use queue::authority::{Access, Grant};
use queue::http::{About, Adjustable, Api};
use queue::request::{Answer, Reply, Request};

/// Name of the only topic in this body's queue.
const KNOWN: &str = "t";

/// An HTTP request that the server in front would pass on: every answer has an HTTP status.
pub fn request(bytes: &[u8]) {
    let Some(request) = read(bytes) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (parts, body) = runtime.block_on(answered(request)).into_parts();
    assert!((200..600).contains(&parts.status.as_u16()), "{}", parts.status);
    let body = runtime.block_on(body.collect()).expect("a body in memory").to_bytes();
    let kind = parts.headers.get("content-type").map_or(&b""[..], |kind| kind.as_bytes());
    // an answer to HEAD has no body
    if kind.starts_with(b"application/json") && !body.is_empty() {
        let json: Result<serde_json::Value, _> = serde_json::from_slice(&body);
        assert!(json.is_ok(), "says it is JSON: {}", body.escape_ascii());
    }
}

async fn answered(request: axum::http::Request<Body>) -> Response<Body> {
    static SETTINGS: LazyLock<Arc<checked::Queue>> = LazyLock::new(Arc::default);
    let about = About {
        hostname: "host".into(),
        tcp_port: 4150,
        http_port: 4151,
        https_port: -1,
        started: 1_700_000_000,
    };
    let api = Api::new(about, Arc::clone(&SETTINGS), Box::new(answer), Arc::new(Knobs::default()));
    let service = TowerToHyperService::new(router(Arc::new(api)));
    service.call(request).await.expect("the router is infallible")
}

fn read(bytes: &[u8]) -> Option<axum::http::Request<Body>> {
    let split = |bytes: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        Some((line.to_vec(), bytes[end + 1..].to_vec()))
    };
    let (first, mut rest) = split(bytes)?;
    let mut words = first.splitn(2, |byte| *byte == b' ');
    let (method, target) = (words.next()?, words.next()?);
    let mut request = axum::http::Request::builder().method(method).uri(target);
    loop {
        let (line, after) = split(&rest)?;
        rest = after;
        if line.is_empty() {
            return request.body(Body::from(rest)).ok();
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
}

/// Answers of an idle queue with one topic.
fn answer(request: Request, reply: Reply) -> Result<(), NotTaken> {
    reply.send(match request {
        Request::Publish { batch, .. } => {
            assert!(batch.iter().all(|message| !message.is_empty()));
            Answer::Done
        }
        Request::Health => Answer::Health(None),
        Request::TopicSettings(topic) if topic == KNOWN => Answer::TopicSettings(Default::default()),
        Request::ChannelSettings(topic, _) if topic == KNOWN => Answer::ChannelSettings(Default::default()),
        Request::Peek { topic, .. } if topic == KNOWN => Answer::Messages(Vec::new()),
        Request::Seek(..) | Request::Redrive { .. } => Answer::Count(0),
        // There is no real queue to count.
        Request::Stats { .. } => return Err(NotTaken::Stopped),
        Request::CreateTopic(name, _) | Request::CreateChannel(name, _) => {
            assert!(wire::nsq::valid_name(name.as_bytes()).is_some(), "{name}");
            Answer::Done
        }
        Request::DeleteChannel(..) => Answer::Refused(QueueError::NoChannel),
        _ => Answer::Refused(QueueError::NoTopic),
    });
    Ok(())
}

#[derive(Default)]
struct Knobs(Mutex<Vec<String>>);

impl Adjustable for Knobs {
    fn lookup_addresses(&self) -> Vec<String> {
        self.0.lock().expect("no other panic").clone()
    }
    fn set_lookup_addresses(&self, addresses: Vec<String>) {
        *self.0.lock().expect("no other panic") = addresses;
    }
    fn log_level(&self) -> LogLevel {
        LogLevel::Info
    }
    fn set_log_level(&self, _: LogLevel) {}
}

/// Answers of an authorization server: their validity is never zero, and evaluating them does not panic.
pub fn rights(bytes: &[u8]) {
    let Ok(rights) = queue::auth::Rights::parse(bytes) else { return };
    assert!(!rights.ttl().is_zero());
    for access in [Access::Subscribe, Access::Publish] {
        let _ = rights.allows(access, "topic", "channel");
        assert!(rights.permission_count() > 0 || !rights.allows(access, "", ""));
    }
}
