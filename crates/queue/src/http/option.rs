//! `/config/:opt`: every setting by its key in nsqd's configuration file, two of which can be changed.
//!
//! A text is shown as it is, everything else as JSON: durations in nanoseconds, the log level as a number
//! from 1 (debug) to 5 (fatal), the effective broadcast ports and `statsd_prefix`, `tls_required` as 0 (no),
//! 1 (`tcp-https`) or 2, `tls_min_version` as the number on the wire.

use axum::body::Body;
use axum::http::Response;
use config::checked::{LogLevel, Queue, TlsRequired};
use config::go_flags::{GoKind, GoValue};
use config::nsqd::flags;
use serde_json::{Value, json};

use super::Api;
use crate::statsd;
use ::http::Asked;
use ::http::{HttpRefusal, answer};

const INVALID_OPTION: HttpRefusal = HttpRefusal::bad("INVALID_OPTION");
const INVALID_VALUE: HttpRefusal = HttpRefusal::bad("INVALID_VALUE");

impl Api {
    #[allow(clippy::unused_async, reason = "handlers of a table of routes are asynchronous")]
    pub(super) async fn read_option(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        self.show_option(asked.word())
    }

    fn show_option(&self, key: &str) -> Result<Response<Body>, HttpRefusal> {
        match self.option(key).ok_or(INVALID_OPTION)? {
            Value::String(value) => Ok(answer::text(value)),
            value => Ok(answer::json(&value)),
        }
    }

    pub(super) async fn write_option(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let bytes_max = self.settings().max_msg_size;
        let key = asked.word().to_owned();
        let body = self.budget().read(asked.link.host(), &asked.headers, asked.body, bytes_max).await;
        let body = body.map_err(|fault| fault.refusal("INVALID_VALUE"))?;
        if body.bytes.is_empty() {
            return Err(HttpRefusal::too_big("INVALID_VALUE"));
        }
        match key.as_str() {
            "nsqlookupd_tcp_addresses" => {
                let addresses: Option<Vec<String>> =
                    serde_json::from_slice(&body.bytes).map_err(|_| INVALID_VALUE)?;
                self.adjustable.set_lookup_addresses(addresses.unwrap_or_default());
            }
            "log_level" => {
                self.adjustable.set_log_level(LogLevel::of(&body.bytes).ok_or(INVALID_VALUE)?);
            }
            _ => return Err(INVALID_OPTION),
        }
        self.show_option(&key)
    }

    fn broadcast_http_port(&self) -> u16 {
        self.settings().advertised_http_port(self.about.http_port.try_into().unwrap_or(0))
    }

    fn option(&self, key: &str) -> Option<Value> {
        match key {
            "nsqlookupd_tcp_addresses" => Some(json!(self.adjustable.lookup_addresses())),
            "log_level" => Some(json!(self.adjustable.log_level().index() + 1)),
            "broadcast_tcp_port" => {
                Some(json!(self.settings().advertised_tcp_port(self.about.tcp_port.try_into().unwrap_or(0))))
            }
            "broadcast_http_port" => Some(json!(self.broadcast_http_port())),
            "statsd_prefix" => {
                let settings = self.settings();
                let (host, pattern) = (&settings.broadcast_address, fixed(&settings, key)?);
                Some(json!(statsd::prefix(pattern.as_str()?, host, self.broadcast_http_port())))
            }
            key => fixed(&self.settings(), key),
        }
    }
}

/// The value of a setting that cannot be changed: its flag's, unless it depends on more than that flag.
fn fixed(settings: &Queue, key: &str) -> Option<Value> {
    // In nsqd `verbose` is a flag, not an option.
    let flag =
        flags::FLAGS.iter().find(|flag| flag.file_key().as_deref() == Some(key) && key != "verbose")?;
    Some(match key {
        "broadcast_address" => json!(settings.broadcast_address),
        "e2e_processing_latency_percentiles" => json!(settings.e2e_percentiles),
        // The URLs may hold passwords, which nsqd shows.
        "auth_http_addresses" => {
            json!(settings.auth_http_addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        "id" => json!(settings.node_id),
        "tls_required" => json!(match settings.tls.as_ref().map(|tls| tls.required) {
            None | Some(TlsRequired::No) => 0,
            Some(TlsRequired::ExceptHttp) => 1,
            Some(TlsRequired::Yes) => 2,
        }),
        _ => match settings.nsqd_flags.get(flag.name)? {
            GoValue::Bool(value) => json!(value),
            GoValue::Int(value) | GoValue::Duration(value) => json!(value),
            GoValue::Text(value) if flag.kind == GoKind::TlsVersion => json!(tls_version(value)),
            GoValue::Text(value) => json!(value),
            GoValue::Texts(value) => json!(value),
            GoValue::Float(value) => json!(value),
            GoValue::Floats(value) => json!(value),
        },
    })
}

/// The number of a TLS version on the wire.
fn tls_version(name: &str) -> u16 {
    match name {
        "ssl3.0" => 0x300,
        "tls1.1" => 0x302,
        "tls1.2" => 0x303,
        "tls1.3" => 0x304,
        _ => 0x301,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_the_table_can_be_read() {
        let values = config::nsqd::resolve(Default::default(), Default::default());
        let settings = config::nsqd::check(&values).unwrap().queue;
        for flag in flags::FLAGS {
            if let Some(key) = flag.file_key().filter(|key| key != "verbose") {
                assert!(fixed(&settings, &key).is_some(), "{key}");
            }
        }
        let urls = vec!["http://joe:pass@h:1/auth?t=pass".into(), "h:1".into()];
        let settings = Queue { auth_http_addresses: urls, ..settings };
        for (key, expected) in [
            ("auth_http_addresses", json!(["http://***@h:1/auth?***", "h:1"])),
            ("max_rdy_count", json!(2500)),
            ("msg_timeout", json!(60_000_000_000_u64)),
            ("tls_required", json!(0)),
            ("tls_min_version", json!(769)),
            ("tcp_address", json!("0.0.0.0:4150")),
            ("http_address", json!("0.0.0.0:4151")),
            ("statsd_prefix", json!("nsq.%s")),
            ("data_path", json!("")),
        ] {
            assert_eq!(fixed(&settings, key), Some(expected), "{key}");
        }
    }
}
