//! The table of options: name, type, range, field.
//!
//! Names, ranges and texts are go-nsq's. Where go-nsq lets a number wrap (`max_attempts=70000` becomes 4464),
//! the range is checked here instead.

use std::fmt::Display;
use std::time::Duration;

use config::go_flags::number::{duration, quote, show_duration};

use super::error::ConfigError;
use super::settings::{BackoffStrategy, Config};
use super::tls;
use super::value::{read_bool, syntax};

/// One option: its name, and how it is parsed, formatted and checked.
struct Row {
    name: &'static str,
    field: Field,
}

/// Accessor of a value in [`Config`].
type Place<T> = fn(&mut Config) -> &mut T;

enum Field {
    Text(Place<String>),
    Bool(Place<bool>),
    Share(Place<f64>),
    /// Nanoseconds, minimum and maximum.
    Duration(Place<Duration>, i64, i64),
    /// A negative text disables it.
    DurationOrOff(Place<Option<Duration>>),
    I64(Place<i64>),
    U32(Place<u32>, u32, u32),
    U16(Place<u16>),
    Percent(Place<u8>),
    Size(Place<usize>, usize, usize),
    Address,
    Strategy,
}

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
const MINUTE: i64 = 60 * SECOND;
const ANY: i64 = i64::MAX;

const fn row(name: &'static str, field: Field) -> Row {
    Row { name, field }
}

static ROWS: [Row; 35] = [
    row("dial_timeout", Field::Duration(|c| &mut c.dial_timeout, 0, ANY)),
    row("read_timeout", Field::Duration(|c| &mut c.read_timeout, 100 * MS, 5 * MINUTE)),
    row("write_timeout", Field::Duration(|c| &mut c.write_timeout, 100 * MS, 5 * MINUTE)),
    row("local_addr", Field::Address),
    row("lookupd_poll_interval", Field::Duration(|c| &mut c.lookupd_poll_interval, 10 * MS, 5 * MINUTE)),
    row("lookupd_poll_jitter", Field::Share(|c| &mut c.lookupd_poll_jitter)),
    row("lookupd_poll_timeout", Field::Duration(|c| &mut c.lookupd_poll_timeout, 0, ANY)),
    row("lookupd_authorization", Field::Bool(|c| &mut c.lookupd_authorization)),
    row("max_requeue_delay", Field::Duration(|c| &mut c.max_requeue_delay, 0, 60 * MINUTE)),
    row("default_requeue_delay", Field::Duration(|c| &mut c.default_requeue_delay, 0, 60 * MINUTE)),
    row("backoff_strategy", Field::Strategy),
    row("max_backoff_duration", Field::Duration(|c| &mut c.max_backoff_duration, 0, 60 * MINUTE)),
    row("backoff_multiplier", Field::Duration(|c| &mut c.backoff_multiplier, 0, 60 * MINUTE)),
    row("max_attempts", Field::U16(|c| &mut c.max_attempts)),
    row("low_rdy_idle_timeout", Field::Duration(|c| &mut c.low_rdy_idle_timeout, SECOND, 5 * MINUTE)),
    row("low_rdy_timeout", Field::Duration(|c| &mut c.low_rdy_timeout, SECOND, 5 * MINUTE)),
    row("rdy_redistribute_interval", Field::Duration(|c| &mut c.rdy_redistribute_interval, MS, 5 * SECOND)),
    row("client_id", Field::Text(|c| &mut c.client_id)),
    row("hostname", Field::Text(|c| &mut c.hostname)),
    row("user_agent", Field::Text(|c| &mut c.user_agent)),
    row("heartbeat_interval", Field::DurationOrOff(|c| &mut c.heartbeat_interval)),
    row("sample_rate", Field::Percent(|c| &mut c.sample_rate)),
    row("tls_v1", Field::Bool(|c| &mut c.tls.tls_v1)),
    row("deflate", Field::Bool(|c| &mut c.deflate)),
    row("deflate_level", Field::U32(|c| &mut c.deflate_level, 1, 9)),
    row("snappy", Field::Bool(|c| &mut c.snappy)),
    row("output_buffer_size", Field::I64(|c| &mut c.output_buffer_size)),
    row("output_buffer_timeout", Field::DurationOrOff(|c| &mut c.output_buffer_timeout)),
    row("max_in_flight", Field::U32(|c| &mut c.max_in_flight, 0, i32::MAX as u32)),
    row("msg_timeout", Field::Duration(|c| &mut c.msg_timeout, 0, ANY)),
    row("auth_secret", Field::Text(|c| &mut c.auth_secret)),
    row("max_frame_size", Field::Size(|c| &mut c.max_frame_size, 1 << 10, 1 << 31)),
    row("max_pending_publishes", Field::Size(|c| &mut c.max_pending_publishes, 1, 1 << 20)),
    row("publish_timeout", Field::Duration(|c| &mut c.publish_timeout, 100 * MS, 60 * MINUTE)),
    row("max_reconnect_delay", Field::Duration(|c| &mut c.max_reconnect_delay, 100 * MS, 5 * MINUTE)),
];

/// Names of all options of [`Config::set`], in table order.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name).chain(tls::NAMES)
}

pub(super) fn set(config: &mut Config, option: &str, value: &str) -> Result<(), ConfigError> {
    let option = option.replace('-', "_");
    if tls::NAMES.contains(&option.as_str()) {
        return config.tls.set(&option, value);
    }
    let Some(row) = ROWS.iter().find(|row| row.name == option) else {
        return Err(ConfigError(format!("invalid option {option}")));
    };
    let coerce = |why: String| ConfigError(format!("failed to coerce option {option} ({value}) - {why}"));
    let range = |why: String| ConfigError(format!("invalid {option} ! {why}"));
    match row.field {
        Field::Text(place) => value.clone_into(place(config)),
        Field::Bool(place) => *place(config) = read_bool(value).map_err(coerce)?,
        Field::Share(place) => {
            let share = read_number::<f64>(value, "ParseFloat").map_err(coerce)?;
            *place(config) = within(share, 0.0, 1.0, |n| n).map_err(range)?;
        }
        Field::Duration(place, min, max) => {
            let ns = read_duration(value).map_err(coerce)?;
            let ns = within(ns, min, max, show_duration).map_err(range)?;
            *place(config) = Duration::from_nanos(ns.unsigned_abs());
        }
        Field::DurationOrOff(place) => {
            let ns = read_duration(value).map_err(coerce)?;
            *place(config) = u64::try_from(ns).ok().map(Duration::from_nanos);
        }
        Field::I64(place) => *place(config) = read_number(value, "ParseInt").map_err(coerce)?,
        Field::U32(place, min, max) => {
            let number = read_number::<i64>(value, "ParseInt").map_err(coerce)?;
            let number = within(number, min.into(), max.into(), |n| n).map_err(range)?;
            *place(config) = u32::try_from(number).unwrap_or(max);
        }
        Field::U16(place) => {
            let number = read_number::<u64>(value, "ParseUint").map_err(coerce)?;
            let number = within(number, 0, u16::MAX.into(), |n| n).map_err(range)?;
            *place(config) = u16::try_from(number).unwrap_or(u16::MAX);
        }
        Field::Percent(place) => {
            let number = read_number::<i64>(value, "ParseInt").map_err(coerce)?;
            *place(config) = u8::try_from(within(number, 0, 99, |n| n).map_err(range)?).unwrap_or(99);
        }
        Field::Size(place, min, max) => {
            let number = read_number::<usize>(value, "ParseUint").map_err(coerce)?;
            *place(config) = within(number, min, max, |n| n).map_err(range)?;
        }
        Field::Address => config.local_addr = Some(read_address(value).map_err(coerce)?),
        Field::Strategy => {
            config.backoff_strategy = match value {
                "" | "exponential" => BackoffStrategy::Exponential,
                "full_jitter" => BackoffStrategy::FullJitter,
                _ => return Err(coerce("invalid value type".into())),
            }
        }
    }
    Ok(())
}

/// Checks the ranges again before use, since fields can be written directly.
pub(super) fn check_ranges(config: &Config) -> Result<(), ConfigError> {
    let mut config = config.clone();
    for row in &ROWS {
        let range = |why: String| ConfigError(format!("invalid {} ! {why}", row.name));
        match row.field {
            Field::Share(place) => drop(within(*place(&mut config), 0.0, 1.0, |n| n).map_err(range)?),
            Field::Duration(place, min, max) => {
                within(nanoseconds(*place(&mut config)), min, max, show_duration).map_err(range)?;
            }
            Field::U32(place, min, max) => drop(within(*place(&mut config), min, max, |n| n).map_err(range)?),
            Field::Percent(place) => drop(within(*place(&mut config), 0, 99, |n| n).map_err(range)?),
            Field::Size(place, min, max) => {
                within(*place(&mut config), min, max, |n| n).map_err(range)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn within<T: PartialOrd + Copy, S: Display>(value: T, min: T, max: T, show: fn(T) -> S) -> Result<T, String> {
    if value < min {
        return Err(format!("{} < {}", show(value), show(min)));
    }
    if value <= max { Ok(value) } else { Err(format!("{} > {}", show(value), show(max))) }
}

pub(super) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn read_number<T: std::str::FromStr>(text: &str, function: &str) -> Result<T, String> {
    text.parse().map_err(|_| {
        let unsigned = function == "ParseUint";
        let digits = if unsigned { text } else { text.trim_start_matches(['+', '-']) };
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("strconv.{function}: parsing {}: value out of range", quote(text))
        } else {
            syntax(function, text)
        }
    })
}

fn read_duration(text: &str) -> Result<i64, String> {
    duration(text).ok_or_else(|| {
        let unsigned = text.trim_start_matches(['+', '-']);
        if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            format!("time: missing unit in duration {}", quote(text))
        } else {
            format!("time: invalid duration {}", quote(text))
        }
    })
}

fn read_address(text: &str) -> Result<std::net::SocketAddr, String> {
    let text_of_any_host = text.strip_prefix(':').map(|port| format!("0.0.0.0:{port}"));
    let address = text_of_any_host.as_deref().unwrap_or(text);
    address.parse().map_err(|_| format!("address {text}: not an IP address with a port"))
}

#[cfg(test)]
mod tests;
