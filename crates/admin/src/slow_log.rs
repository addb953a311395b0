//! Slow logs of pools as JSON: `/api/slowlog/POOL`.

use serde::Serialize;
use telemetry::{Cut, SlowRequest};

/// An entry of a slow log.
#[derive(Debug, Serialize)]
pub(crate) struct SlowEntry {
    /// Its number: one more than that of the one before.
    id: u64,
    /// Time of its reply.
    at_ms: u64,
    /// Address of its client, `unix` for a unix socket; empty if the client had gone.
    client: String,
    /// Name that its client has set.
    client_name: String,
    server: String,
    command: String,
    /// Its key, cut to 64 bytes, escaped; none if it has none, or none at the beginning.
    key: Option<String>,
    /// Its first arguments, cut and escaped as the key.
    arguments: Vec<String>,
    /// Number of further arguments.
    more_arguments: usize,
    /// Time it waited to be written to the server.
    queue_us: u64,
    /// Time from then to its reply.
    response_us: u64,
    /// Bytes of its reply; none if the connection was lost without one.
    reply_bytes: Option<u64>,
}

impl SlowEntry {
    pub(crate) fn of(request: &SlowRequest) -> SlowEntry {
        SlowEntry {
            id: request.id,
            at_ms: request.at_ms,
            client: request.client.clone(),
            client_name: request.client_name.clone(),
            server: request.server.clone(),
            command: request.command(),
            key: request.key().map(Cut::to_string),
            arguments: request.arguments.iter().map(Cut::to_string).collect(),
            more_arguments: request.more_arguments,
            queue_us: request.queue_us,
            response_us: request.response_us,
            reply_bytes: request.reply_bytes,
        }
    }
}
