//! The configuration file of nsqd and related programs: TOML with a key per flag.
//!
//! Values are converted as in the original: durations from a text or from whole milliseconds, lists from an
//! array or from a comma-separated text. Unknown keys are ignored. Two cases differ from the original, where
//! nothing can depend on them: an integer as a boolean is not inverted (it is refused unless 0 or 1), and an
//! integer among numbers does not crash.

use super::machine::error_text;
use crate::go_flags::{Exit, FlagSpec, GoKind, GoValue, GoValues, number, read, shown_default};
use crate::written::{self, Value};

/// Reads the file at `path`; returns values by flag name.
///
/// # Errors
///
/// The original's last output.
pub fn load(path: &str, flags: &'static [FlagSpec]) -> Result<GoValues, Exit> {
    let failed = |reason: String| Exit::Fatal(format!("failed to load config file {path} - {reason}"));
    let bytes =
        std::fs::read(path).map_err(|error| failed(format!("open {path}: {}", error_text(&error))))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("toml: the file is not UTF-8".into()))?;
    parse(&text, flags).map_err(|exit| match exit {
        Exit::Fatal(reason) if reason.starts_with("toml: ") => failed(reason),
        other => other,
    })
}

/// Parses the text of a file; a syntax error is a [`Exit::Fatal`] that begins with `toml: `.
///
/// # Errors
///
/// The original's last output.
pub fn parse(text: &str, flags: &'static [FlagSpec]) -> Result<GoValues, Exit> {
    let (entries, faults) = written::parse(text);
    if let Some(fault) = faults.first() {
        let line = fault.position.map_or(1, |position| position.line);
        let reason = two_words(text, line).unwrap_or_else(|| fault.text.clone());
        return Err(Exit::Fatal(format!("toml: line {line}: {reason}")));
    }
    let mut values = GoValues::new();
    for entry in &entries {
        if let Some(flag) = flags.iter().find(|flag| flag.file_key().as_deref() == Some(&entry.key)) {
            let value = coerce(flag, &entry.key, &entry.value.value)?;
            // nsqd's own example file has `tls_min_version = ""`: treated as if the key were absent.
            if flag.kind != GoKind::TlsVersion || value != GoValue::Text(String::new()) {
                values.insert(flag.name, value);
            }
        }
    }
    Ok(values)
}

/// The original's text for the most common fault: a bare key not followed by `=`.
fn two_words(text: &str, line: usize) -> Option<String> {
    let line = text.lines().nth(line.checked_sub(1)?)?.trim_start();
    let key =
        line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).filter(|end| *end > 0)?;
    let next = line[key..].trim_start_matches([' ', '\t']).chars().next()?;
    (next != '=' && next != '.').then(|| format!("expected '.' or '=', but got '{next}' instead"))
}

fn coerce(flag: &FlagSpec, key: &str, value: &Value) -> Result<GoValue, Exit> {
    let refused = |reason: &str| {
        Exit::Plain(format!(
            "ERROR: Resolve failed to coerce value {} ({}) for field {} - {reason}",
            show(value),
            shown_default(flag),
            flag.field
        ))
    };
    let wrong_type = || refused("invalid value type");
    match flag.kind {
        // These have few legal values: the original converts them first, and its error names the key.
        GoKind::LogLevel | GoKind::TlsRequired | GoKind::TlsVersion => {
            let text = show(value);
            read(flag.kind, &text).map_err(|_| Exit::Fatal(format!("failed parsing {key} {text}")))
        }
        GoKind::Bool => match value {
            Value::Bool(value) => Ok(GoValue::Bool(*value)),
            Value::Integer(value @ 0..=1) => Ok(GoValue::Bool(*value == 1)),
            Value::Text(text) => number::boolean(text).map(GoValue::Bool).ok_or_else(|| {
                refused(&format!("strconv.ParseBool: parsing {}: invalid syntax", number::quote(text)))
            }),
            _ => Err(wrong_type()),
        },
        GoKind::Int => match value {
            Value::Integer(value) => Ok(GoValue::Int(*value)),
            Value::Text(text) => text.parse().map(GoValue::Int).map_err(|_| {
                refused(&format!("strconv.ParseInt: parsing {}: invalid syntax", number::quote(text)))
            }),
            _ => Err(wrong_type()),
        },
        GoKind::Float => match value {
            Value::Float(value) => Ok(GoValue::Float(*value)),
            Value::Integer(value) => Ok(GoValue::Float(*value as f64)),
            Value::Text(text) => number::float(text).map(GoValue::Float).map_err(|_| {
                refused(&format!("strconv.ParseFloat: parsing {}: invalid syntax", number::quote(text)))
            }),
            _ => Err(wrong_type()),
        },
        GoKind::Duration => match value {
            Value::Integer(ms) => ms.checked_mul(1_000_000).map(GoValue::Duration).ok_or_else(wrong_type),
            Value::Text(text) => number::duration(text).map(GoValue::Duration).ok_or_else(|| {
                let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let bad = if digits { "" } else { text };
                refused(&format!("time: invalid duration {}", number::quote(bad)))
            }),
            _ => Err(wrong_type()),
        },
        GoKind::Text => match value {
            Value::List(_) | Value::Table(_) | Value::Date => Err(wrong_type()),
            value => Ok(GoValue::Text(show(value))),
        },
        GoKind::Texts => match value {
            Value::Text(text) => Ok(GoValue::Texts(text.split(',').map(String::from).collect())),
            Value::List(items) => {
                let texts = items.iter().map(|item| match &item.value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                });
                texts.collect::<Option<_>>().map(GoValue::Texts).ok_or_else(wrong_type)
            }
            _ => Err(wrong_type()),
        },
        GoKind::Floats => match value {
            Value::Text(text) => {
                let numbers = text.split(',').map(|part| part.trim().parse().ok());
                numbers.collect::<Option<_>>().map(GoValue::Floats).ok_or_else(wrong_type)
            }
            Value::List(items) => {
                let numbers = items.iter().map(|item| match item.value {
                    Value::Float(number) => Some(number),
                    Value::Integer(number) => Some(number as f64),
                    _ => None,
                });
                numbers.collect::<Option<_>>().map(GoValue::Floats).ok_or_else(wrong_type)
            }
            _ => Err(wrong_type()),
        },
    }
}

/// A value as Go's `%v` shows it.
fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| show(&item.value)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Table(_) => "map[]".into(),
        Value::Date => "date".into(),
        // Only the native file has variables.
        Value::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nsqd::flags::FLAGS;

    #[test]
    fn conversions() {
        let cases = [
            ("msg_timeout = \"2m\"", "msg-timeout", GoValue::Duration(120_000_000_000)),
            ("msg_timeout = 1500", "msg-timeout", GoValue::Duration(1_500_000_000)),
            ("id = 7", "node-id", GoValue::Int(7)),
            ("mem_queue_size = \"12\"", "mem-queue-size", GoValue::Int(12)),
            ("snappy = \"false\"", "snappy", GoValue::Bool(false)),
            ("snappy = 1", "snappy", GoValue::Bool(true)),
            (
                "nsqlookupd_tcp_addresses = \"a:1,b:2\"",
                "lookupd-tcp-address",
                GoValue::Texts(vec!["a:1".into(), "b:2".into()]),
            ),
            ("auth_http_addresses = [\"a:1\"]", "auth-http-address", GoValue::Texts(vec!["a:1".into()])),
            (
                "e2e_processing_latency_percentiles = [1, 0.5]",
                "e2e-processing-latency-percentile",
                GoValue::Floats(vec![1.0, 0.5]),
            ),
            ("tls_required = true", "tls-required", GoValue::Text("true".into())),
            ("log_level = \"DEBUG\"", "log-level", GoValue::Text("debug".into())),
        ];
        for (text, flag, value) in cases {
            assert_eq!(parse(text, FLAGS).unwrap()[flag], value, "{text}");
        }
        assert!(parse("nonsense = 1\nversion = true", FLAGS).unwrap().is_empty());
        assert!(parse("tls_min_version = \"\"", FLAGS).unwrap().is_empty(), "nsqd's example file");
    }

    #[test]
    fn refusals() {
        let plain = |reason: &str| Exit::Plain(format!("ERROR: Resolve failed to coerce value {reason}"));
        let cases = [
            (
                "msg_timeout = \"abc\"",
                plain("abc (1m0s) for field MsgTimeout - time: invalid duration \"abc\""),
            ),
            ("msg_timeout = \"60\"", plain("60 (1m0s) for field MsgTimeout - time: invalid duration \"\"")),
            ("log_level = \"zap\"", Exit::Fatal("failed parsing log_level zap".into())),
            ("tls_min_version = 9", Exit::Fatal("failed parsing tls_min_version 9".into())),
            ("data_path = [1]", plain("[1] () for field DataPath - invalid value type")),
        ];
        for (text, exit) in cases {
            assert_eq!(parse(text, FLAGS), Err(exit), "{text}");
        }
        assert!(
            matches!(parse("x = = 1", FLAGS), Err(Exit::Fatal(text)) if text.starts_with("toml: line 1: "))
        );
    }
}
