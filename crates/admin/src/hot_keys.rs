//! Hot keys and big replies of pools as JSON: `/api/keys/POOL`.

use serde::Serialize;
use telemetry::KeyReport;

/// Hot keys and big replies.
#[derive(Debug, Serialize)]
pub(crate) struct KeysStatus {
    /// Time of the newest figures; 0 if there are none.
    at_ms: u64,
    /// The hottest keys, the hottest first; rates are estimated from a sample.
    keys: Vec<HotKeyStatus>,
    /// The biggest replies of the last minutes, the biggest first.
    replies: Vec<BigReplyStatus>,
}

#[derive(Debug, Serialize)]
struct HotKeyStatus {
    /// Cut to 64 bytes, escaped.
    key: String,
    server: String,
    reads_per_second: f64,
    writes_per_second: f64,
    read_bytes_per_second: f64,
    write_bytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct BigReplyStatus {
    bytes: u64,
    command: String,
    /// Cut to 64 bytes, escaped; none if the request has none at its beginning.
    key: Option<String>,
    server: String,
    /// Address of the client, `unix` for a unix socket; empty if it had gone.
    client: String,
    at_ms: u64,
}

impl KeysStatus {
    pub(crate) fn of(report: &KeyReport) -> KeysStatus {
        let key = |key: &telemetry::HotKey| HotKeyStatus {
            key: key.key.to_string(),
            server: key.server.clone(),
            reads_per_second: key.reads,
            writes_per_second: key.writes,
            read_bytes_per_second: key.read_bytes,
            write_bytes_per_second: key.write_bytes,
        };
        let reply = |reply: &telemetry::BigReply| BigReplyStatus {
            bytes: reply.bytes,
            command: reply.command.clone(),
            key: reply.key.as_ref().map(ToString::to_string),
            server: reply.server.clone(),
            client: reply.client.clone(),
            at_ms: reply.at_ms,
        };
        let keys = report.keys.iter().map(key).collect();
        KeysStatus { at_ms: report.at_ms, keys, replies: report.replies.iter().map(reply).collect() }
    }
}
