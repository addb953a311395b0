//! `[queue]`: nsqd's options from its flags, our own from their fields.

use std::time::Duration;

use super::Section;
use super::value::{bytes, count, texts};
use crate::checked::Queue;
use crate::endpoint;
use crate::go_flags::GoValue;
use crate::options::{Kind, Scope};
use crate::setting::Setting;

pub(super) fn queue(queue: &Queue) -> Section {
    let own = [
        ("durability", Setting::text(queue.durability.name())),
        ("storage", Setting::text(queue.storage.name())),
        ("topic", (!queue.topics.is_empty()).then(|| Setting::Topics(queue.topics.clone()))),
        ("channels_from", Setting::text(if queue.channels_from_beginning { "beginning" } else { "now" })),
        ("journal_cache", Some(bytes(queue.journal_cache_bytes))),
        ("max_defer_timeout", Some(Setting::Duration(queue.max_defer_timeout))),
        ("http_names", texts(&queue.http_names)),
        ("max_deferred", Some(count(queue.max_deferred))),
        ("max_topics", Some(count(queue.max_topics))),
        ("max_channels", Some(count(queue.max_channels))),
        ("max_channels_per_topic", Some(count(queue.max_channels_per_topic))),
        ("max_memory", Some(bytes(queue.max_memory_bytes))),
        ("max_connections", Some(Setting::Integer(queue.max_connections.into()))),
        ("magic_timeout", Some(Setting::Duration(queue.magic_timeout))),
    ];
    // The adapted value of the flag.
    let adapted = [("max_bytes_per_file", Some(Setting::Size(queue.max_bytes_per_file)))];
    let flags = Scope::Queue.options().filter_map(|option| {
        let value = queue.nsqd_flags.get(option.nsqd?)?;
        Some((option.name, of_flag(value, &option.kind)))
    });
    Section::new(Scope::Queue, flags.chain(own).chain(adapted))
}

/// The value of a flag as a value of its option. None: the flag leaves the option unset.
pub(crate) fn of_flag(value: &GoValue, kind: &Kind) -> Option<Setting> {
    Some(match value {
        GoValue::Bool(value) => Setting::Bool(*value),
        GoValue::Int(value) => match kind {
            Kind::Size { .. } => Setting::Size(u64::try_from(*value).unwrap_or(0)),
            _ => Setting::Integer(*value),
        },
        GoValue::Duration(0) if matches!(kind, Kind::Duration { off: true, .. }) => Setting::Off,
        GoValue::Duration(nanos) => Setting::Duration(Duration::from_nanos(nanos.unsigned_abs())),
        GoValue::Text(text) => match kind {
            // A choice may have an empty word.
            Kind::Choice(_) => Setting::Text(text.clone()),
            Kind::Listen => match endpoint::listen(text) {
                Ok(listen) => Setting::Listens(vec![listen]),
                Err(_) => return Setting::text(text),
            },
            _ => return Setting::text(text),
        },
        GoValue::Texts(values) => return texts(values),
        GoValue::Float(value) => Setting::Quantiles(vec![*value]),
        GoValue::Floats(values) if values.is_empty() => return None,
        GoValue::Floats(values) => Setting::Quantiles(values.clone()),
    })
}
