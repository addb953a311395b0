//! Formats of a line.
//!
//! ```text
//! text        2025-01-31T12:00:00.123Z WARN  proxy::health: server ejected pool=alpha server="s 1"
//! json        {"time":"2025-01-31T12:00:00.123Z","level":"warn","target":"proxy::health","message":"…","pool":"alpha"}
//! nutcracker  [2025-01-31 13:00:00.123] health.rs:41 server ejected pool=alpha server="s 1"
//! nsqd        [nsqd] 2025/01/31 13:00:00.123456 WARNING: server ejected pool=alpha server="s 1"
//! ```
//!
//! External text can neither start a new line nor change how the line is displayed: control characters,
//! direction marks and invisible characters are escaped everywhere.

use std::fmt::{Debug, Write};

use jiff::{Timestamp, tz::TimeZone};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::target::SIGNAL;

/// Longest line, in bytes; the rest is cut off and marked.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024;

/// The format of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; time in UTC.
    Text,
    /// One JSON object per line; time in UTC.
    Json,
    /// As nutcracker 0.5.0; local time.
    Nutcracker,
    /// As nsqd 1.3.0, each line beginning with its `--log-prefix`; local time.
    Nsqd(&'static str),
}

/// One parsed event.
#[derive(Debug, Default)]
pub(super) struct Record {
    target: String,
    level: Option<Level>,
    source: Option<(String, u32)>,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// A number or a boolean, identical in every format.
    Bare(String),
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Record {
        let meta = event.metadata();
        let mut record = Record {
            target: meta.target().trim_start_matches("nuthatch_").to_owned(),
            level: Some(*meta.level()),
            source: meta.file().zip(meta.line()).map(|(file, line)| (base_name(file).to_owned(), line)),
            ..Record::default()
        };
        event.record(&mut record);
        record
    }

    /// A line of the log about itself.
    pub(super) fn own(message: &str, name: &'static str, value: u64) -> Record {
        Record {
            target: "log".into(),
            level: Some(Level::WARN),
            source: Some(("log".into(), 0)),
            message: message.into(),
            fields: vec![(name, Value::Bare(value.to_string()))],
        }
    }

    /// The line, with its line feed.
    pub(super) fn line(&self, format: Format, at: Timestamp, zone: &TimeZone) -> String {
        let mut line = String::with_capacity(128);
        match format {
            Format::Text => self.text(&mut line, at),
            Format::Json => self.json(&mut line, at),
            Format::Nutcracker => self.nutcracker(&mut line, at, zone),
            Format::Nsqd(prefix) => self.nsqd(&mut line, prefix, at, zone),
        }
        line.push('\n');
        line
    }

    fn text(&self, line: &mut String, at: Timestamp) {
        let level = self.level.unwrap_or(Level::INFO);
        let _ = write!(line, "{} {level:<5} {}: ", utc(at), self.target);
        self.message_and_fields(line);
    }

    fn nutcracker(&self, line: &mut String, at: Timestamp, zone: &TimeZone) {
        if self.target == SIGNAL {
            line.push_str("[.......................] ");
        } else {
            let _ =
                write!(line, "[{}] ", at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f"));
            if let Some((file, number)) = &self.source {
                let _ = write!(line, "{file}:{number} ");
            }
        }
        self.message_and_fields(line);
    }

    fn nsqd(&self, line: &mut String, prefix: &str, at: Timestamp, zone: &TimeZone) {
        let level = match self.level.unwrap_or(Level::INFO) {
            Level::ERROR => "ERROR",
            Level::WARN => "WARNING",
            Level::INFO => "INFO",
            _ => "DEBUG",
        };
        let time = at.to_zoned_datetime(zone.clone());
        let _ = write!(line, "{prefix}{} {level}: ", time.strftime("%Y/%m/%d %H:%M:%S%.6f"));
        self.message_and_fields(line);
    }

    fn message_and_fields(&self, line: &mut String) {
        escape(line, &self.message, false);
        for (name, value) in &self.fields {
            let _ = write!(line, " {name}=");
            match value {
                Value::Bare(value) => line.push_str(value),
                Value::Text(value) => quoted_if_needed(line, value),
            }
        }
        cut(line, LINE_BYTES_MAX, " [cut]");
    }

    fn json(&self, line: &mut String, at: Timestamp) {
        let level = self.level.unwrap_or(Level::INFO).as_str().to_ascii_lowercase();
        let _ = write!(line, "{{\"time\":\"{}\",\"level\":\"{level}\",\"target\":", utc(at));
        json_string(line, &self.target);
        line.push_str(",\"message\":");
        json_string(line, &self.message);
        for (name, value) in &self.fields {
            if line.len() > LINE_BYTES_MAX {
                line.push_str(",\"cut\":true");
                break;
            }
            let _ = write!(line, ",\"{name}\":");
            match value {
                Value::Bare(value) => line.push_str(value),
                Value::Text(value) => json_string(line, value),
            }
        }
        line.push('}');
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Bare(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, Value::Text(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(value.to_owned()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Bare(value.to_string()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Bare(value.to_string()));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bare(value.to_string()));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        self.put(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn utc(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Appends `text` with control characters, and quotes if asked, escaped.
fn escape(line: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '"' | '\\' if quotes => line.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(line, "\\x{:02x}", c as u32);
            }
            c if is_deceptive(c) => {
                let _ = write!(line, "\\u{{{:x}}}", c as u32);
            }
            c => line.push(c),
        }
    }
}

/// True for characters that change the display of surrounding text, or are invisible: line and paragraph
/// separators, direction marks, zero-width characters, tags (Unicode categories Zl, Zp and Cf).
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn quoted_if_needed(line: &mut String, value: &str) {
    let bare = |c: char| c.is_alphanumeric() || "-_.:/@+%#*,[]{}".contains(c);
    if !value.is_empty() && value.chars().all(bare) {
        line.push_str(value);
        return;
    }
    line.push('"');
    escape(line, value, true);
    line.push('"');
}

/// Appends a JSON string; one longer than the maximum line is cut.
fn json_string(line: &mut String, value: &str) {
    line.push('"');
    for c in value.chars().take(LINE_BYTES_MAX) {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            c if c.is_control() || is_deceptive(c) => {
                // All of these above U+FFFF are tags, which JSON writes as two surrogates.
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            c => line.push(c),
        }
    }
    line.push('"');
}

/// Cuts `line` to `bytes_max` at a character boundary and marks the place.
fn cut(line: &mut String, bytes_max: usize, mark: &str) {
    if line.len() > bytes_max {
        let mut end = bytes_max;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push_str(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(target: &str, message: &str) -> Record {
        Record {
            target: target.into(),
            level: Some(Level::WARN),
            source: Some(("health.rs".into(), 41)),
            message: message.into(),
            fields: vec![
                ("pool", Value::Text("alpha".into())),
                ("key", Value::Text("a \"b\"\n".into())),
                ("n", Value::Bare("3".into())),
            ],
        }
    }

    fn line(record: &Record, format: Format) -> String {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        record.line(format, Timestamp::from_millisecond(1_738_324_800_123).unwrap(), &zone)
    }

    #[test]
    fn the_looks() {
        let record = record("proxy::health", "server\x1b[1m ejected");
        let fields = "pool=alpha key=\"a \\\"b\\\"\\n\" n=3";
        for (format, expected) in [
            (
                Format::Text,
                format!("2025-01-31T12:00:00.123Z WARN  proxy::health: server\\x1b[1m ejected {fields}\n"),
            ),
            (
                Format::Nutcracker,
                format!("[2025-01-31 13:00:00.123] health.rs:41 server\\x1b[1m ejected {fields}\n"),
            ),
            (
                Format::Nsqd("[nsqd] "),
                format!("[nsqd] 2025/01/31 13:00:00.123000 WARNING: server\\x1b[1m ejected {fields}\n"),
            ),
            (
                Format::Json,
                "{\"time\":\"2025-01-31T12:00:00.123Z\",\"level\":\"warn\",\"target\":\"proxy::health\",\
                 \"message\":\"server\\u001b[1m ejected\",\"pool\":\"alpha\",\"key\":\"a \\\"b\\\"\\u000a\",\"n\":3}\n"
                    .into(),
            ),
        ] {
            assert_eq!(line(&record, format), expected);
        }
        let json: serde_json::Value = serde_json::from_str(&line(&record, Format::Json)).unwrap();
        assert_eq!((&json["key"], &json["n"]), (&"a \"b\"\n".into(), &3.into()));
    }

    #[test]
    fn characters_that_deceive_the_eye_are_escaped() {
        let record = record("t", "a\u{202e}b\u{2066}c\u{feff}d\u{e0041}\u{85}é");
        let text = line(&record, Format::Text);
        assert!(text.contains(r"a\u{202e}b\u{2066}c\u{feff}d\u{e0041}\x85é"), "{text}");
        let json = line(&record, Format::Json);
        assert!(json.contains(r"a\u202eb\u2066c\ufeffd\udb40\udc41\u0085é"), "{json}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["message"], record.message.as_str());
    }

    #[test]
    fn a_signal_has_no_time_under_nutcrackers_face() {
        let mut record = record(SIGNAL, "signal 1 (SIGHUP) received, reopening log file");
        record.fields.clear();
        let expected = "[.......................] signal 1 (SIGHUP) received, reopening log file\n";
        assert_eq!(line(&record, Format::Nutcracker), expected);
    }

    #[test]
    fn long_lines_are_cut() {
        for (length, cut) in [(LINE_BYTES_MAX / 2, false), (2 * LINE_BYTES_MAX, true)] {
            let record = Record { message: "é".repeat(length / 2), ..record("t", "") };
            let text = line(&record, Format::Text);
            assert_eq!(text.ends_with(" [cut]\n"), cut);
            assert!(text.len() <= LINE_BYTES_MAX + " [cut]\n".len());
            assert!(serde_json::from_str::<serde_json::Value>(&line(&record, Format::Json)).is_ok());
        }
    }

    #[test]
    fn empty_values_are_quoted() {
        let mut text = String::new();
        quoted_if_needed(&mut text, "");
        assert_eq!(text, "\"\"");
    }
}
