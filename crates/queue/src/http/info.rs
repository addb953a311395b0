//! `/ping` and `/info`.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;

use super::Api;
use crate::request::{Answer, Request};
use ::http::{HttpRefusal, answer};

/// The answer to `/info`, in nsqd's order. Durations are nanoseconds.
#[derive(Serialize)]
struct Info<'a> {
    version: &'a str,
    broadcast_address: &'a str,
    hostname: &'a str,
    http_port: i64,
    tcp_port: i64,
    start_time: i64,
    max_heartbeat_interval: u128,
    max_output_buffer_size: u64,
    max_output_buffer_timeout: u128,
    max_deflate_level: u8,
    topology_zone: &'a str,
    topology_region: &'a str,
}

impl Api {
    /// Answers OK while the disk works and the queue runs.
    pub(super) async fn ping(&self) -> Result<Response<Body>, HttpRefusal> {
        let health = match self.ask(Request::Health).await {
            Ok(Answer::Health(health)) => health,
            _ => Some("exiting".to_owned()),
        };
        Ok(match health {
            None => answer::with_type(StatusCode::OK, answer::TEXT, "OK"),
            Some(why) => {
                answer::with_type(StatusCode::INTERNAL_SERVER_ERROR, answer::TEXT, format!("NOK - {why}"))
            }
        })
    }

    #[allow(clippy::unused_async, reason = "handlers of a table of routes are asynchronous")]
    pub(super) async fn info(&self) -> Result<Response<Body>, HttpRefusal> {
        let settings = self.settings();
        Ok(answer::json(&Info {
            version: config::nsqd::VERSION,
            broadcast_address: &settings.broadcast_address,
            hostname: &self.about.hostname,
            http_port: self.about.http_port,
            tcp_port: self.about.tcp_port,
            start_time: self.about.started,
            max_heartbeat_interval: settings.max_heartbeat_interval.as_nanos(),
            max_output_buffer_size: settings.max_output_buffer_size,
            max_output_buffer_timeout: settings.max_output_buffer_timeout.as_nanos(),
            max_deflate_level: settings.max_deflate_level,
            topology_zone: &settings.topology_zone,
            topology_region: &settings.topology_region,
        }))
    }
}
