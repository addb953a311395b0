//! `/config/:opt`: every setting by its key in nsqadmin's file; two of them can be changed.

use axum::body::Body;
use axum::http::Response;
use config::checked::LogLevel;
use config::go_flags::GoValue;
use config::nsqadmin::{Nsqadmin, PROGRAM};
use http::{Asked, HttpRefusal, answer};
use serde_json::{Value, json};

use crate::acl;
use crate::api::{Api, word};

/// Largest value, bytes.
pub(crate) const VALUE_BYTES_MAX: u64 = 1 << 20;

const INVALID_OPTION: HttpRefusal = HttpRefusal::bad("INVALID_OPTION");
const INVALID_VALUE: HttpRefusal = HttpRefusal::bad("INVALID_VALUE");

type Answer = Result<Response<Body>, HttpRefusal>;

#[allow(clippy::unused_async, reason = "handlers of a table of routes are asynchronous")]
pub(crate) async fn read(api: &Api, asked: Asked) -> Answer {
    acl::admit_to_config(&api.settings, &asked.link)?;
    show(api, word(&asked, 0))
}

pub(crate) async fn write(api: &Api, asked: Asked) -> Answer {
    acl::admit_to_config(&api.settings, &asked.link)?;
    let key = word(&asked, 0).to_owned();
    let body = api.budget.read(asked.link.host(), &asked.headers, asked.body, VALUE_BYTES_MAX).await;
    let body = body.map_err(|fault| fault.refusal("INVALID_VALUE"))?;
    if body.bytes.is_empty() {
        return Err(HttpRefusal::too_big("INVALID_VALUE"));
    }
    match key.as_str() {
        "nsqlookupd_http_addresses" => {
            let lookups: Option<Vec<String>> =
                serde_json::from_slice(&body.bytes).map_err(|_| INVALID_VALUE)?;
            api.set_lookups(lookups.unwrap_or_default());
        }
        "log_level" => api.log.set_level(LogLevel::of(&body.bytes).ok_or(INVALID_VALUE)?),
        _ => return Err(INVALID_OPTION),
    }
    show(api, &key)
}

fn show(api: &Api, key: &str) -> Answer {
    let value = match key {
        "nsqlookupd_http_addresses" => json!(api.addresses().lookups),
        "log_level" => json!(api.log.level().index() + 1),
        key => fixed(&api.settings, key).ok_or(INVALID_OPTION)?,
    };
    Ok(match value {
        Value::String(text) => answer::text(text),
        value => answer::json(&value),
    })
}

/// Value of a read-only setting, with passwords removed.
fn fixed(settings: &Nsqadmin, key: &str) -> Option<Value> {
    let flag = PROGRAM.flags.iter().find(|flag| flag.file_key().as_deref() == Some(key))?;
    Some(match key {
        "base_path" => json!(settings.base_path),
        "graphite_url" => json!(settings.graphite.url.to_string()),
        "notification_http_endpoint" => json!(settings.notification_endpoint.to_string()),
        _ => match settings.flags.get(flag.name)? {
            GoValue::Bool(value) => json!(value),
            GoValue::Int(value) | GoValue::Duration(value) => json!(value),
            GoValue::Text(value) => json!(value),
            GoValue::Texts(value) => json!(value),
            GoValue::Float(value) => json!(value),
            GoValue::Floats(value) => json!(value),
        },
    })
}

#[cfg(test)]
mod tests {
    use config::nsqadmin::check;

    use super::*;

    #[test]
    fn every_setting_can_be_read() {
        let arguments = [
            "-nsqd-http-address=h:1",
            "-base-path=sub/",
            "-graphite-url=http://joe:secret@g/",
            "-notification-http-endpoint=http://n/?token=secret",
        ];
        let values = PROGRAM.from_arguments(&arguments.map(String::from)).unwrap();
        let settings = check(&values).unwrap();
        for key in PROGRAM.flags.iter().filter_map(config::go_flags::FlagSpec::file_key) {
            let value = fixed(&settings, &key).unwrap_or_else(|| panic!("{key}"));
            assert!(!value.to_string().contains("secret"), "{key}");
        }
        for (key, expected) in [
            ("base_path", json!("/sub")),
            ("nsqd_http_addresses", json!(["h:1"])),
            ("admin_users", json!([])),
            ("statsd_interval", json!(60_000_000_000_u64)),
            ("proxy_graphite", json!(false)),
            ("graphite_url", json!("http://***@g/")),
            ("acl_http_header", json!("X-Forwarded-User")),
        ] {
            assert_eq!(fixed(&settings, key), Some(expected), "{key}");
        }
        for none in ["", "config", "version", "verbose", "base-path", "lookupd_http_address"] {
            assert_eq!(fixed(&settings, none), None, "{none}");
        }
    }
}
