//! Conversion of resolved values to [`Nsqd`]: nsqd's own checks, in its order and with its texts.
//!
//! Like nsqd, it stops at the first error, since scripts may look for it. Values that pass are in their
//! type's range and need no further check.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pem::Holds;
use super::{Nsqd, Refusal, machine, pem};
use crate::checked::{
    AuthMethod, ClientAuth, Durability, Queue, Statsd, Storage, Tls, TlsRequired, TlsVersion,
};
use crate::go_flags::{self, GoValues, number};
use crate::listen::Listen;

/// Settings without an nsqd flag, under its face; the native file has an option for each.
const JOURNAL_CACHE_BYTES: usize = 24 << 20;
/// Size limit of a journal segment, in bytes. nsqd deletes a file once it is read, but a journal
/// deletes a segment only when the next one is started, so nsqd's 100 MiB for each of many topics would
/// fill the disk with finished messages.
const SEGMENT_BYTES_MAX: i64 = 16 << 20;
const MAX_DEFERRED: u64 = 1_000_000;
const MAX_TOPICS: u64 = 100_000;
const MAX_CHANNELS: u64 = 100_000;
const MAX_CHANNELS_PER_TOPIC: u64 = 10_000;
const MAX_MEMORY_BYTES: usize = 1 << 30;
const MAGIC_TIMEOUT: Duration = Duration::from_secs(30);

/// Checks resolved values in nsqd's order, and reports the first one that nsqd refuses.
///
/// # Errors
///
/// nsqd's error.
pub fn check(values: &GoValues) -> Result<Nsqd, Refusal> {
    let max_deflate_level = count(values, "max-deflate-level", 1, 9)?;
    let node_id = match values.int("node-id") {
        id @ 0..1024 => id as u16,
        _ => return Err(early("node-id", "--node-id must be [0,1024)")),
    };
    let tls = tls(values)?;
    let tls_root_ca = root_ca(values)?;
    let auth_http_request_method = match values.text("auth-http-request-method") {
        "post" => AuthMethod::Post,
        "get" => AuthMethod::Get,
        _ => {
            return Err(early("auth-http-request-method", "--auth-http-request-method must be post or get"));
        }
    };
    let mut e2e_percentiles = values.floats("e2e-processing-latency-percentile").to_vec();
    if let Some(bad) = e2e_percentiles.iter().find(|q| !(**q > 0.0 && **q <= 1.0)) {
        let text = format!("invalid E2E processing latency percentile: {bad}");
        return Err(early("e2e-processing-latency-percentile", &text));
    }
    e2e_percentiles.sort_by(|a, b| b.total_cmp(a));
    let queue = Queue {
        nsqd_flags: values.clone(),
        node_id,
        tcp: Listen::Tcp { host: String::new(), port: 0 },
        http: None,
        https: None,
        broadcast_address: values.text("broadcast-address").to_owned(),
        broadcast_tcp_port: count(values, "broadcast-tcp-port", 0, 65_535)? as u16,
        broadcast_http_port: count(values, "broadcast-http-port", 0, 65_535)? as u16,
        lookupd_tcp_addresses: values.texts("lookupd-tcp-address").to_vec(),
        auth_http_addresses: values.texts("auth-http-address").iter().map(Into::into).collect(),
        auth_http_request_method,
        http_client_connect_timeout: duration(values, "http-client-connect-timeout")?,
        http_client_request_timeout: duration(values, "http-client-request-timeout")?,
        topology_region: values.text("topology-region").to_owned(),
        topology_zone: values.text("topology-zone").to_owned(),
        experiments: values.texts("enable-experiment").to_vec(),
        data_path: match values.text("data-path") {
            "" => PathBuf::from("."),
            path => PathBuf::from(path),
        },
        durability: Durability::default(),
        channels_from_beginning: false,
        journal_cache_bytes: JOURNAL_CACHE_BYTES,
        max_defer_timeout: duration(values, "max-req-timeout")?,
        http_names: Vec::new(),
        max_deferred: MAX_DEFERRED,
        max_topics: MAX_TOPICS,
        max_channels: MAX_CHANNELS,
        max_channels_per_topic: MAX_CHANNELS_PER_TOPIC,
        max_memory_bytes: MAX_MEMORY_BYTES,
        max_connections: 0,
        magic_timeout: MAGIC_TIMEOUT,
        storage: Storage::Local,
        topics: Vec::new(),
        mem_queue_size: count(values, "mem-queue-size", 0, i64::MAX)? as u64,
        max_bytes_per_file: count(values, "max-bytes-per-file", 1, i64::MAX)?.min(SEGMENT_BYTES_MAX) as u64,
        sync_every: count(values, "sync-every", 1, i64::MAX)? as u64,
        sync_timeout: duration(values, "sync-timeout")?,
        queue_scan_worker_pool_max: count(values, "queue-scan-worker-pool-max", 0, i32::MAX.into())? as u32,
        queue_scan_selection_count: count(values, "queue-scan-selection-count", 0, i32::MAX.into())? as u32,
        msg_timeout: duration(values, "msg-timeout")?,
        max_msg_timeout: duration(values, "max-msg-timeout")?,
        max_msg_size: count(values, "max-msg-size", 0, i32::MAX.into())? as u64,
        max_body_size: count(values, "max-body-size", 0, i32::MAX.into())? as u64,
        max_req_timeout: duration(values, "max-req-timeout")?,
        max_heartbeat_interval: duration(values, "max-heartbeat-interval")?,
        max_rdy_count: count(values, "max-rdy-count", 0, i64::MAX)? as u64,
        max_output_buffer_size: count(values, "max-output-buffer-size", 0, i32::MAX.into())? as u64,
        max_output_buffer_timeout: duration(values, "max-output-buffer-timeout")?,
        min_output_buffer_timeout: duration(values, "min-output-buffer-timeout")?,
        output_buffer_timeout: duration(values, "output-buffer-timeout")?,
        max_channel_consumers: count(values, "max-channel-consumers", 0, u32::MAX.into())? as u32,
        statsd: statsd(values)?,
        e2e_percentiles,
        e2e_window: duration(values, "e2e-processing-latency-window-time")?,
        deflate: values.switch("deflate"),
        max_deflate_level: max_deflate_level as u8,
        snappy: values.switch("snappy"),
        tls,
        tls_root_ca,
        tls_min_version: match values.text("tls-min-version") {
            "tls1.3" => TlsVersion::Tls13,
            "tls1.2" => TlsVersion::Tls12,
            "tls1.1" => TlsVersion::Tls11,
            _ => TlsVersion::Tls10,
        },
    };
    Ok(Nsqd {
        queue: listeners(values, queue)?,
        log_level: go_flags::level_of(values.text("log-level")),
        log_prefix: values.text("log-prefix").to_owned(),
    })
}

/// Checks the addresses, which nsqd does last.
fn listeners(values: &GoValues, queue: Queue) -> Result<Queue, Refusal> {
    let late = |flag: &'static str, address: &str, reason: String| Refusal {
        text: format!("listen ({address}) failed - {reason}"),
        flag,
        after_banner: Some(queue.node_id),
    };
    let listen = |flag: &'static str| {
        let address = values.text(flag);
        go_listen(address).map_err(|reason| late(flag, address, reason))
    };
    let unless_empty =
        |flag: &'static str| if values.text(flag).is_empty() { Ok(None) } else { listen(flag).map(Some) };
    let tcp = listen("tcp-address")?;
    let http = unless_empty("http-address")?;
    let https = if queue.tls.is_some() { unless_empty("https-address")? } else { None };
    Ok(Queue { tcp, http, https, ..queue })
}

/// A listening address as in Go: host and port, or else the path of a unix socket.
///
/// # Errors
///
/// The error in Go's words.
pub fn go_listen(address: &str) -> Result<Listen, String> {
    let Some((host, port)) = split_host_port(address) else {
        if address.is_empty() || address.len() > crate::endpoint::UNIX_PATH_MAX {
            return Err(format!("listen unix {address}: bind: invalid argument"));
        }
        return Ok(Listen::Unix { path: PathBuf::from(address), mode: None });
    };
    let port = match number::integer(port) {
        _ if port.is_empty() => 0,
        Ok(n) if port.bytes().all(|b| b.is_ascii_digit()) => {
            u16::try_from(n).map_err(|_| format!("listen tcp: address {port}: invalid port"))?
        }
        _ => return Err(format!("listen tcp: lookup tcp/{port}: unknown port")),
    };
    // In Go, the IPv4 wildcard means both IP versions.
    let host = if matches!(host, "" | "0.0.0.0") { machine::any_address() } else { host };
    Ok(Listen::Tcp { host: host.to_string(), port })
}

/// `net.SplitHostPort`: None where Go reports an error.
fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.contains(['[', ']']) && !port.contains(['[', ']'])).then_some((host, port))
}

fn statsd(values: &GoValues) -> Result<Option<Statsd>, Refusal> {
    let statsd = Statsd {
        prefix: values.text("statsd-prefix").to_owned(),
        interval: duration(values, "statsd-interval")?,
        mem_stats: values.switch("statsd-mem-stats"),
        udp_packet_size: count(values, "statsd-udp-packet-size", 1, 65_507)? as usize,
        exclude_ephemeral: values.switch("statsd-exclude-ephemeral"),
        address: values.text("statsd-address").to_owned(),
    };
    Ok(Some(statsd).filter(|statsd| !statsd.address.is_empty()))
}

fn tls(values: &GoValues) -> Result<Option<Tls>, Refusal> {
    let (cert, key) = (values.text("tls-cert"), values.text("tls-key"));
    let policy = values.text("tls-client-auth-policy");
    let required = match values.text("tls-required") {
        "true" => TlsRequired::Yes,
        "tcp-https" => TlsRequired::ExceptHttp,
        _ if !policy.is_empty() => TlsRequired::Yes,
        _ => TlsRequired::No,
    };
    if cert.is_empty() && key.is_empty() {
        if required != TlsRequired::No {
            return Err(early(
                "tls-required",
                "cannot require TLS client connections without TLS key and cert",
            ));
        }
        return Ok(None);
    }
    let root_ca = values.text("tls-root-ca-file");
    let files = [
        ("tls-cert", cert, Holds::Certificate),
        ("tls-key", key, Holds::Key),
        ("tls-root-ca-file", root_ca, Holds::Authorities),
    ];
    for (flag, path, holds) in files {
        if holds != Holds::Authorities || !path.is_empty() {
            pem::check(Path::new(path), holds)
                .map_err(|why| early(flag, &format!("failed to build TLS config - {why}")))?;
        }
    }
    Ok(Some(Tls {
        cert: cert.into(),
        key: key.into(),
        client_auth: match policy {
            "require" => ClientAuth::Require,
            "require-verify" => ClientAuth::RequireVerify,
            _ => ClientAuth::None,
        },
        required,
    }))
}

/// nsqd builds its TLS client for authorization servers from the same file, with or without a certificate.
fn root_ca(values: &GoValues) -> Result<Option<PathBuf>, Refusal> {
    let path = values.text("tls-root-ca-file");
    if path.is_empty() {
        return Ok(None);
    }
    let path = PathBuf::from(path);
    pem::check(&path, Holds::Authorities)
        .map_err(|why| early("tls-root-ca-file", &format!("failed to build client TLS config - {why}")))?;
    Ok(Some(path))
}

fn early(flag: &'static str, text: &str) -> Refusal {
    Refusal { text: text.into(), flag, after_banner: None }
}

fn count(values: &GoValues, flag: &'static str, min: i64, max: i64) -> Result<i64, Refusal> {
    match values.int(flag) {
        value if (min..=max).contains(&value) => Ok(value),
        _ => Err(early(flag, &format!("--{flag} must be [{min},{max}]"))),
    }
}

fn duration(values: &GoValues, flag: &'static str) -> Result<Duration, Refusal> {
    match u64::try_from(values.nanos(flag)) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos)),
        Err(_) => Err(early(flag, &format!("--{flag} must not be negative"))),
    }
}
