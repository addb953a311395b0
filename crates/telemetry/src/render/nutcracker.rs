//! The document of nutcracker's statistics port, exact in shape.
//!
//! Scalars are separated by a comma and a space, a pool follows its scalars after a comma and a space, pools
//! and servers are separated by a comma alone, a name and its object by a colon and a space, and the document
//! ends in a line feed:
//!
//! ```text
//! {"service":"nutcracker", …, "POOL": {"client_eof":0, …, "SERVER": {"server_eof":0, …},"SERVER": {…}},"POOL": {…}}\n
//! ```
//!
//! It has only nutcracker's rows. Names are escaped as JSON requires; nutcracker does not escape them.

use crate::{PoolReport, PoolStats, Row, ServerStats};

/// The scalars at the start of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the service; "nutcracker" under that face.
    pub service: String,
    /// Host name.
    pub source: String,
    /// Version; "0.5.0" under nutcracker's face.
    pub version: String,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Seconds since the Unix epoch.
    pub timestamp_s: u64,
    /// Connections since start, listeners and servers included.
    pub total_connections: u64,
    /// Connections now, listeners and servers included.
    pub curr_connections: u64,
}

/// The whole document. Pools keep the given order; nutcracker sorts them by the length of their name, then
/// by its bytes.
pub fn document(header: &Header, pools: &[PoolReport]) -> String {
    let mut text = String::from("{\"service\":");
    string(&mut text, &header.service);
    text.push_str(", \"source\":");
    string(&mut text, &header.source);
    text.push_str(", \"version\":");
    string(&mut text, &header.version);
    let numbers = [
        ("uptime", header.uptime_s),
        ("timestamp", header.timestamp_s),
        ("total_connections", header.total_connections),
        ("curr_connections", header.curr_connections),
    ];
    for (name, value) in numbers {
        text.push_str(&format!(", \"{name}\":{value}"));
    }
    for (at, pool) in pools.iter().enumerate() {
        text.push_str(if at == 0 { ", " } else { "," });
        object(&mut text, &pool.name, PoolStats::ROWS, &pool.values);
        for (at, server) in pool.servers.iter().enumerate() {
            text.push_str(if at == 0 { ", " } else { "," });
            object(&mut text, &server.name, ServerStats::ROWS, &server.values);
            text.push('}');
        }
        text.push('}');
    }
    text.push_str("}\n");
    text
}

/// An object without its closing brace, which the caller adds.
fn object(text: &mut String, name: &str, rows: &[Row], values: &[u64]) {
    string(text, name);
    text.push_str(": {");
    for (at, (row, value)) in rows.iter().zip(values).filter(|(row, _)| row.nutcracker).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        text.push_str(&format!("{comma}\"{}\":{value}", row.name));
    }
}

fn string(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if (c as u32) < 0x20 => text.push_str(&format!("\\u{:04x}", c as u32)),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::{PoolCells, Registry};

    /// A file of captures from the original programs; none, with a message, where they are not available.
    pub(crate) fn golden(name: &str) -> Option<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden").join(name);
        let text = std::fs::read_to_string(&path).ok();
        if text.is_none() {
            eprintln!("SKIPPED: {} is not there", path.display());
        }
        text
    }

    /// The recorded document with numbers and a word in place of the masks.
    fn recorded() -> Option<String> {
        let case: Value = serde_json::from_str(&golden("nutcracker_stats.json")?).unwrap();
        let mut document = case["document"].as_str().unwrap().replace("\u{27e6}str\u{27e7}", "host");
        for number in 1000.. {
            let Some(at) = document.find("\u{27e6}int\u{27e7}") else { break };
            document.replace_range(at..at + "\u{27e6}int\u{27e7}".len(), &number.to_string());
        }
        Some(document.replace("\u{27e6}port:s2\u{27e7}", "26380"))
    }

    fn number(object: &Value, name: &str) -> u64 {
        object[name].as_u64().unwrap_or_else(|| panic!("no number {name}"))
    }

    /// Counts on one of two shards the recorded document's figures for one pool.
    fn pool(document: &Value, name: &str, servers: &[&str]) -> PoolCells {
        let cells = PoolCells::new(name, servers.iter().copied(), 2);
        let (stats, recorded) = (&cells.shards[1], &document[name]);
        stats.client_eof.add(number(recorded, "client_eof"));
        stats.client_err.add(number(recorded, "client_err"));
        stats.client_connections.set(number(recorded, "client_connections"));
        stats.server_ejects.add(number(recorded, "server_ejects"));
        stats.forward_error.add(number(recorded, "forward_error"));
        for server in &cells.servers {
            let (server, recorded) = (&server.shards[1], &recorded[&server.name]);
            server.server_err.add(number(recorded, "server_err"));
            server.server_connections.set(number(recorded, "server_connections"));
            server.server_ejected_at.set(number(recorded, "server_ejected_at"));
            server.requests.add(number(recorded, "requests"));
            server.request_bytes.add(number(recorded, "request_bytes"));
            server.responses.add(number(recorded, "responses"));
            server.response_bytes.add(number(recorded, "response_bytes"));
        }
        cells
    }

    #[test]
    fn is_the_recorded_document() {
        let Some(expected) = recorded() else { return };
        let document: Value = serde_json::from_str(&expected).unwrap();
        let registry = Registry::new(2);
        registry.set_pools([
            pool(&document, "beta", &["127.0.0.1:26380"]),
            pool(&document, "alpha", &["s1", "s2", "s3"]),
        ]);
        let header = Header {
            service: "nutcracker".into(),
            source: "host".into(),
            version: "0.5.0".into(),
            uptime_s: number(&document, "uptime"),
            timestamp_s: number(&document, "timestamp"),
            total_connections: number(&document, "total_connections"),
            curr_connections: number(&document, "curr_connections"),
        };
        assert_eq!(super::document(&header, &registry.pools()), expected);
    }

    #[test]
    fn names_are_escaped() {
        let header = Header {
            service: "a\"b".into(),
            source: "c\\d".into(),
            version: "\n".into(),
            uptime_s: 0,
            timestamp_s: 0,
            total_connections: 0,
            curr_connections: 0,
        };
        let document: Value = serde_json::from_str(&super::document(&header, &[])).unwrap();
        assert_eq!((&document["service"], &document["source"]), (&"a\"b".into(), &"c\\d".into()));
        assert_eq!(document["version"], "\n");
    }
}
