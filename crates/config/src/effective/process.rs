//! Sections of the process: its options, the log, ports, the embedded cache, discovery.

use super::Section;
use super::value::{bytes, count, duration_or_off, path, texts};
use crate::checked::{Admin, Config, Local, Log, Lookup, Stats};
use crate::options::Scope;
use crate::setting::Setting;

pub(super) fn process(config: &Config) -> Section {
    Section::new(
        Scope::Process,
        [
            ("threads", Some(count(config.threads))),
            ("memory_budget", Some(bytes(config.memory_budget_bytes))),
            ("stop_timeout", Some(Setting::Duration(config.stop_timeout))),
            ("upgrade_timeout", Some(Setting::Duration(config.upgrade_timeout))),
            ("drain_timeout", Some(Setting::Duration(config.drain_timeout))),
            ("watch_config", Some(Setting::Bool(config.watch_config))),
            ("coalesce", Some(duration_or_off(Some(config.coalesce).filter(|time| !time.is_zero())))),
        ],
    )
}

pub(super) fn log(log: &Log) -> Section {
    Section::new(
        Scope::Log,
        [
            ("level", Setting::text(log.level.name())),
            ("format", Setting::text(log.format.name())),
            ("file", log.file.as_deref().and_then(path)),
        ],
    )
}

pub(super) fn stats(stats: &Stats) -> Section {
    let statsd = &stats.statsd;
    Section::new(
        Scope::Stats,
        [
            ("listen", Some(Setting::Listens(vec![stats.listen.clone()]))),
            ("interval", Some(Setting::Duration(stats.interval))),
            ("statsd_address", Setting::text(&statsd.address)),
            // An empty text is no prefix, unlike an option that is not written.
            ("statsd_prefix", Some(Setting::Text(statsd.prefix.clone()))),
            ("statsd_interval", Some(Setting::Duration(statsd.interval))),
            ("statsd_udp_packet_size", Some(count(statsd.udp_packet_size))),
        ],
    )
}

pub(super) fn admin(admin: &Admin) -> Section {
    Section::new(
        Scope::Admin,
        [
            ("listen", Some(Setting::Listens(vec![admin.listen.clone()]))),
            ("tls", admin.tls.clone().map(Setting::Tls)),
            ("http_names", texts(&admin.http_names)),
            ("metrics_topics_max", Some(count(admin.metrics.topics_max))),
            ("metrics_channels_max", Some(count(admin.metrics.channels_max))),
            // An empty text disables it, unlike an option that is not written.
            ("events", Some(admin.events.as_deref().and_then(path).unwrap_or(Setting::Text(String::new())))),
        ],
    )
}

pub(super) fn local(local: &Local) -> Section {
    Section::new(Scope::Local, [("bytes", Some(bytes(local.bytes_max)))])
}

pub(super) fn lookup(lookup: &Lookup) -> Section {
    Section::new(
        Scope::Lookup,
        [
            ("tcp", Some(Setting::Listens(vec![lookup.tcp.clone()]))),
            ("http", Some(Setting::Listens(vec![lookup.http.clone()]))),
            ("broadcast_address", Setting::text(&lookup.broadcast_address)),
            ("inactive_producer_timeout", Some(Setting::Duration(lookup.inactive_producer_timeout))),
            ("tombstone_lifetime", Some(Setting::Duration(lookup.tombstone_lifetime))),
            ("max_connections", Some(Setting::Integer(lookup.max_connections.into()))),
            ("max_names", Some(count(lookup.max_names))),
            ("magic_timeout", Some(Setting::Duration(lookup.magic_timeout))),
            // An empty text disables it, unlike an option that is not written.
            (
                "snapshot",
                Some(lookup.snapshot.as_deref().and_then(path).unwrap_or(Setting::Text(String::new()))),
            ),
            ("snapshot_lifetime", Some(Setting::Duration(lookup.snapshot_lifetime))),
            ("http_names", texts(&lookup.http_names)),
        ],
    )
}
