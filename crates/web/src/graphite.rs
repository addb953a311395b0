//! Graphite: a rate for the API, and graphs for browsers that cannot reach graphite themselves.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use http::answer::TEXT;
use http::client::{Call, ClientError};
use http::query::escape_query;
use http::{Asked, HttpRefusal, answer};
use serde::{Deserialize, Serialize};
use telemetry::{error, info};

use crate::api::Api;
use crate::request::json;

const FAILED: HttpRefusal = HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR");

#[derive(Deserialize)]
struct Series {
    datapoints: Vec<Vec<Option<f64>>>,
}

/// `/api/graphite`: messages per second of a target, in the last but one interval of statsd.
pub(crate) async fn rate(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    #[derive(Serialize)]
    struct Rate {
        rate: String,
    }
    let query = asked.query()?;
    if query.text("metric") != Some("rate") {
        return Err(HttpRefusal::bad("INVALID_ARG_METRIC"));
    }
    let target = query.text("target").ok_or(HttpRefusal::bad("INVALID_ARG_TARGET"))?;
    let interval = api.settings.graphite.statsd_interval;
    let path = format!(
        "/render?format=json&from=-{}sec&target={}&until=-{}sec",
        (interval * 2).as_secs(),
        escape_query(target),
        interval.as_secs()
    );
    info!("GRAPHITE: {path}");
    let url = format!("{}{path}", api.settings.graphite.url.reveal());
    let client = api.upstreams.client().ok_or(FAILED)?;
    let reply = client.send(Call::get(url).nsq().with_credentials()).await;
    let reply = reply.map_err(failed)?;
    if reply.status != StatusCode::OK {
        error!(status = reply.status.as_u16(), "graphite request failed");
        return Err(FAILED);
    }
    let series: Vec<Series> = json(&reply.body).ok_or(FAILED)?;
    let first = series.first().and_then(|series| *series.datapoints.first()?.first()?);
    Ok(answer::json(&Rate { rate: per_second(first.ok_or(FAILED)?, interval) }))
}

/// Rate of a count in an interval, formatted as nsqadmin does.
fn per_second(count: f64, interval: Duration) -> String {
    match interval.as_secs() {
        0 => "N/A".into(),
        _ if count < 0.0 => "N/A".into(),
        seconds => format!("{:.2}", count / seconds as f64),
    }
}

fn failed(error: ClientError) -> HttpRefusal {
    error!(%error, "graphite request failed");
    FAILED
}

/// `/render`, proxied to graphite.
pub(crate) async fn render(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{}/render{query}", api.settings.graphite.url.reveal().trim_end_matches('/'));
    let mut call = Call::get(url).with_credentials();
    if let Some(accept) = asked.headers.get(ACCEPT) {
        call = call.header(ACCEPT, accept.clone());
    }
    let client = api.upstreams.client().ok_or(FAILED)?;
    let reply = match client.send(call).await {
        Ok(reply) => reply,
        Err(error) => {
            error!(%error, "graphite request failed");
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            return Ok(answer);
        }
    };
    let kind = sniffed(&reply.body);
    let mut answer = Response::new(Body::from(reply.body));
    *answer.status_mut() = reply.status;
    for name in [CONTENT_TYPE, CACHE_CONTROL] {
        if let Some(value) = reply.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    // Graphite's answer must not run as a page of this site.
    let headers = answer.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("content-security-policy", HeaderValue::from_static("sandbox"));
    Ok(answer)
}

/// Content type that Go's server detects for a body without one.
fn sniffed(body: &[u8]) -> &'static str {
    let start = body.get(..512).unwrap_or(body);
    let is_text = !start.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31));
    match start {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        _ if is_text => TEXT,
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_bodies() {
        for (body, kind) in [
            (&b"[{}]"[..], "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"\x89PNG\r\n", "image/png"),
            (b"\0\x01", "application/octet-stream"),
        ] {
            assert_eq!(sniffed(body), kind);
        }
    }

    #[test]
    fn rates() {
        let minute = Duration::from_mins(1);
        for (count, interval, shown) in [
            (1.5, minute, "0.03"),
            (0.0, minute, "0.00"),
            (-1.0, minute, "N/A"),
            (6000.0, minute, "100.00"),
            (1.0, Duration::from_millis(500), "N/A"),
        ] {
            assert_eq!(per_second(count, interval), shown);
        }
    }
}
