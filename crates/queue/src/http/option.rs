//! `/config/:opt`: every setting by its key in nsqd's configuration file, two of which can be changed.
//!
//! A text is shown as it is, everything else as JSON: durations in nanoseconds, the log level as a number from 1 (debug) to
//! 5 (fatal), `tls_required` as 0 (no), 1 (`tcp-https`) or 2, `tls_min_version` as the number on the wire.

use axum::body::Body;
use axum::http::Response;
use config::checked::LogLevel;
use config::endpoint::show_listen;
use config::go_flags::{self, GoValue};
use config::nsqd::{AuthMethod, ClientAuth, Nsqd, TlsRequired, TlsVersion, flags};
use serde_json::{Value, json};

use super::answer::{self, Refusal};
use super::{Api, Asked};

const INVALID_OPTION: Refusal = Refusal::bad("INVALID_OPTION");
const INVALID_VALUE: Refusal = Refusal::bad("INVALID_VALUE");

/// Levels by number, from 1.
const LEVELS: [(LogLevel, &str); 5] = [
    (LogLevel::Debug, "debug"),
    (LogLevel::Info, "info"),
    (LogLevel::Warn, "warn"),
    (LogLevel::Error, "error"),
    (LogLevel::Fatal, "fatal"),
];

impl Api {
    pub(super) fn read_option(&self, key: &str) -> Result<Response<Body>, Refusal> {
        match self.option(key).ok_or(INVALID_OPTION)? {
            Value::String(value) => Ok(answer::text(value)),
            value => Ok(answer::json(&value)),
        }
    }

    pub(super) async fn write_option(&self, asked: Asked) -> Result<Response<Body>, Refusal> {
        let bytes_max = self.about.settings.max_msg_size;
        let body = self.budget.read(&asked.headers, asked.body, bytes_max).await;
        let body = body.map_err(|fault| fault.refusal("INVALID_VALUE"))?;
        if body.bytes.is_empty() {
            return Err(Refusal::too_big("INVALID_VALUE"));
        }
        match asked.word.as_str() {
            "nsqlookupd_tcp_addresses" => {
                let addresses: Option<Vec<String>> =
                    serde_json::from_slice(&body.bytes).map_err(|_| INVALID_VALUE)?;
                self.adjustable.set_lookup_addresses(addresses.unwrap_or_default());
            }
            "log_level" => {
                let is = |name: &str| body.bytes.eq_ignore_ascii_case(name.as_bytes());
                let level = LEVELS.iter().find(|(_, name)| is(name)).ok_or(INVALID_VALUE)?.0;
                self.adjustable.set_log_level(level);
            }
            _ => return Err(INVALID_OPTION),
        }
        self.read_option(&asked.word)
    }

    fn option(&self, key: &str) -> Option<Value> {
        match key {
            "nsqlookupd_tcp_addresses" => Some(json!(self.adjustable.lookup_addresses())),
            "log_level" => {
                let level = self.adjustable.log_level();
                LEVELS.iter().position(|(one, _)| *one == level).map(|at| json!(at + 1))
            }
            "verbose" => None,
            key => {
                let known = flags::FLAGS.iter().any(|flag| flag.file_key().as_deref() == Some(key));
                known.then(|| value(&self.about.settings, key)).flatten()
            }
        }
    }
}

/// The value of a setting that does not change.
fn value(settings: &Nsqd, key: &str) -> Option<Value> {
    let address = |listen: &Option<_>| listen.as_ref().map(show_listen).unwrap_or_default();
    let tls = settings.tls.as_ref();
    let path =
        |path: Option<&std::path::PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let ns = |duration: std::time::Duration| json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    Some(match key {
        "auth_http_addresses" => json!(settings.auth_http_addresses),
        "auth_http_request_method" => match settings.auth_http_request_method {
            AuthMethod::Get => json!("get"),
            AuthMethod::Post => json!("post"),
        },
        "broadcast_address" => json!(settings.broadcast_address),
        "broadcast_http_port" => json!(settings.broadcast_http_port),
        "broadcast_tcp_port" => json!(settings.broadcast_tcp_port),
        "data_path" => json!(settings.data_path.display().to_string()),
        "deflate" => json!(settings.deflate),
        "e2e_processing_latency_percentiles" => json!(settings.e2e_percentiles),
        "e2e_processing_latency_window_time" => ns(settings.e2e_window),
        "enable_experiment" => json!(settings.experiments),
        "http_address" => json!(address(&settings.http)),
        "http_client_connect_timeout" => ns(settings.http_client_connect_timeout),
        "http_client_request_timeout" => ns(settings.http_client_request_timeout),
        "https_address" => json!(address(&settings.https)),
        "id" => json!(settings.node_id),
        "log_prefix" => json!(settings.log_prefix),
        "max_body_size" => json!(settings.max_body_size),
        "max_bytes_per_file" => json!(settings.max_bytes_per_file),
        "max_channel_consumers" => json!(settings.max_channel_consumers),
        "max_deflate_level" => json!(settings.max_deflate_level),
        "max_heartbeat_interval" => ns(settings.max_heartbeat_interval),
        "max_msg_size" => json!(settings.max_msg_size),
        "max_msg_timeout" => ns(settings.max_msg_timeout),
        "max_output_buffer_size" => json!(settings.max_output_buffer_size),
        "max_output_buffer_timeout" => ns(settings.max_output_buffer_timeout),
        "max_rdy_count" => json!(settings.max_rdy_count),
        "max_req_timeout" => ns(settings.max_req_timeout),
        "mem_queue_size" => json!(settings.mem_queue_size),
        "min_output_buffer_timeout" => ns(settings.min_output_buffer_timeout),
        "msg_timeout" => ns(settings.msg_timeout),
        "output_buffer_timeout" => ns(settings.output_buffer_timeout),
        "queue_scan_selection_count" => json!(settings.queue_scan_selection_count),
        "queue_scan_worker_pool_max" => json!(settings.queue_scan_worker_pool_max),
        "snappy" => json!(settings.snappy),
        "sync_every" => json!(settings.sync_every),
        "sync_timeout" => ns(settings.sync_timeout),
        "tcp_address" => json!(show_listen(&settings.tcp)),
        "tls_cert" => json!(path(tls.map(|tls| &tls.cert))),
        "tls_client_auth_policy" => json!(match tls.map(|tls| tls.client_auth) {
            Some(ClientAuth::Require) => "require",
            Some(ClientAuth::RequireVerify) => "require-verify",
            _ => "",
        }),
        "tls_key" => json!(path(tls.map(|tls| &tls.key))),
        "tls_min_version" => json!(match tls.map_or(TlsVersion::Tls10, |tls| tls.min_version) {
            TlsVersion::Tls10 => 0x301,
            TlsVersion::Tls11 => 0x302,
            TlsVersion::Tls12 => 0x303,
            TlsVersion::Tls13 => 0x304,
        }),
        "tls_required" => json!(match tls.map_or(TlsRequired::No, |tls| tls.required) {
            TlsRequired::No => 0,
            TlsRequired::ExceptHttp => 1,
            TlsRequired::Yes => 2,
        }),
        "tls_root_ca_file" => json!(path(tls.and_then(|tls| tls.root_ca.as_ref()))),
        "topology_region" => json!(settings.topology_region),
        "topology_zone" => json!(settings.topology_zone),
        key => return statsd(settings, key),
    })
}

fn statsd(settings: &Nsqd, key: &str) -> Option<Value> {
    let Some(statsd) = &settings.statsd else { return default(key) };
    Some(match key {
        "statsd_address" => json!(statsd.address),
        "statsd_prefix" => json!(statsd.prefix),
        "statsd_interval" => json!(u64::try_from(statsd.interval.as_nanos()).unwrap_or(u64::MAX)),
        "statsd_mem_stats" => json!(statsd.mem_stats),
        "statsd_udp_packet_size" => json!(statsd.udp_packet_size),
        "statsd_exclude_ephemeral" => json!(statsd.exclude_ephemeral),
        _ => return None,
    })
}

/// The default of a flag.
fn default(key: &str) -> Option<Value> {
    let flag = flags::FLAGS.iter().find(|flag| flag.file_key().as_deref() == Some(key))?;
    match go_flags::read(flag.kind, flag.default).ok()? {
        GoValue::Bool(value) => Some(json!(value)),
        GoValue::Int(value) | GoValue::Duration(value) => Some(json!(value)),
        GoValue::Text(value) => Some(json!(value)),
        GoValue::Texts(value) => Some(json!(value)),
        GoValue::Floats(value) => Some(json!(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_table_can_be_read() {
        let values = config::nsqd::resolve(Default::default(), Default::default());
        let settings = config::nsqd::check(&values).unwrap();
        for flag in flags::FLAGS {
            let Some(key) = flag.file_key().filter(|key| key != "verbose") else { continue };
            if !matches!(key.as_str(), "log_level" | "nsqlookupd_tcp_addresses") {
                assert!(value(&settings, &key).is_some(), "{key}");
            }
        }
        for (key, expected) in [
            ("max_rdy_count", json!(2500)),
            ("msg_timeout", json!(60_000_000_000_u64)),
            ("tls_required", json!(0)),
            ("tls_min_version", json!(769)),
            ("tcp_address", json!("0.0.0.0:4150")),
            ("http_address", json!("0.0.0.0:4151")),
            ("statsd_prefix", json!("nsq.%s")),
            ("data_path", json!("")),
        ] {
            assert_eq!(value(&settings, key), Some(expected), "{key}");
        }
    }
}
