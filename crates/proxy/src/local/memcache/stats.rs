//! `stats`: what a store knows of itself, under memcached's names.
//!
//! The list is shorter than memcached's: slabs, threads and connections are not here to be counted.

use super::admin::VERSION;
use super::item::ITEM_BYTES_MAX;
use super::refusal::Refusal;
use super::request::Request;
use crate::local::Store;

/// A row: the name, and what to print.
type Row = (&'static str, fn(&Store, u64) -> String);

/// `stats`
static GENERAL: &[Row] = &[
    ("pid", |_, _| std::process::id().to_string()),
    ("uptime", |store, now_s| uptime_s(store, now_s).to_string()),
    ("time", |_, now_s| now_s.to_string()),
    ("version", |_, _| VERSION.to_owned()),
    ("pointer_size", |_, _| usize::BITS.to_string()),
    ("cmd_get", |store, _| store.counters.gets.to_string()),
    ("cmd_set", |store, _| store.counters.sets.to_string()),
    ("get_hits", |store, _| store.counters.get_hits.to_string()),
    ("get_misses", |store, _| (store.counters.gets - store.counters.get_hits).to_string()),
    ("get_expired", |store, _| store.counters.expired.to_string()),
    ("delete_hits", |store, _| store.counters.deletes.to_string()),
    ("bytes", |store, _| store.bytes().to_string()),
    ("curr_items", |store, _| store.len().to_string()),
    ("total_items", |store, _| store.counters.sets.to_string()),
    ("limit_maxbytes", |store, _| store.bytes_max().to_string()),
    ("evictions", |store, _| store.counters.evicted.to_string()),
    ("threads", |_, _| "1".to_owned()),
];

/// `stats settings`
static SETTINGS: &[Row] = &[
    ("maxbytes", |store, _| store.bytes_max().to_string()),
    ("item_size_max", |_, _| ITEM_BYTES_MAX.to_string()),
    ("evictions", |_, _| "on".to_owned()),
    ("cas_enabled", |_, _| "yes".to_owned()),
    ("flush_enabled", |_, _| "yes".to_owned()),
    ("num_threads", |_, _| "1".to_owned()),
];

/// `stats sizes`
static SIZES: &[Row] = &[("sizes_status", |_, _| "disabled".to_owned())];

/// `stats [reset | settings | items | slabs | sizes]`
pub(super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    let rows = match request.words.get(1) {
        b"" => GENERAL,
        b"settings" => SETTINGS,
        b"sizes" => SIZES,
        b"items" | b"slabs" => &[],
        b"reset" => {
            request.store.counters = Default::default();
            return request.answer("RESET");
        }
        _ => return Err("ERROR"),
    };
    for (name, value) in rows {
        let value = value(request.store, request.now_s);
        request.answer(&format!("STAT {name} {value}"))?;
    }
    request.answer("END")
}

fn uptime_s(store: &Store, now_s: u64) -> u64 {
    now_s.saturating_sub(store.started_ms.unwrap_or(now_s * 1000) / 1000)
}
