//! `stats`: the figures of a store and its pool, under memcached's names.
//!
//! A figure is a real one, or 0 for events that never happen here ([`NEVER`]), or omitted: sizes of buffers
//! and of the hash table, items never read, CPU time. There are no slab classes; `stats items` and `stats
//! slabs` show everything as class 1.

use super::admin::VERSION;
use super::counters::Surroundings;
use super::item::ITEM_BYTES_MAX;
use super::refusal::Refusal;
use super::request::Request;
use crate::Store;

/// Source of the rows.
struct View<'a> {
    store: &'a Store,
    pool: Surroundings,
    now_s: u64,
}

/// A row: the name, and its value; none if the figure does not exist.
type Row = (&'static str, fn(&View<'_>) -> Option<String>);

macro_rules! rows {
    ($(#[$doc:meta])* $name:ident { $($row:literal => |$v:ident| $value:expr;)* }) => {
        $(#[$doc])*
        static $name: &[Row] = &[$(($row, |$v| Some($value.to_string())),)*];
    };
}

rows! {
    /// `stats`
    GENERAL {
        "pid" => |_v| std::process::id();
        "uptime" => |v| uptime_s(v);
        "time" => |v| v.now_s;
        "version" => |_v| VERSION;
        "pointer_size" => |_v| usize::BITS;
        "curr_connections" => |v| v.pool.connections;
        "total_connections" => |v| v.pool.connections_total;
        "rejected_connections" => |v| v.pool.connections_refused;
        "cmd_get" => |v| v.store.counters.gets;
        "cmd_set" => |v| v.store.commands.stores;
        "cmd_flush" => |v| v.store.commands.flushes;
        "cmd_touch" => |v| v.store.commands.touches.hits + v.store.commands.touches.misses;
        "cmd_meta" => |v| v.store.commands.metas;
        "get_hits" => |v| v.store.counters.get_hits;
        "get_misses" => |v| v.store.counters.gets - v.store.counters.get_hits;
        "get_expired" => |v| v.store.counters.expired;
        "delete_misses" => |v| v.store.commands.deletes.misses;
        "delete_hits" => |v| v.store.commands.deletes.hits;
        "incr_misses" => |v| v.store.commands.incr.misses;
        "incr_hits" => |v| v.store.commands.incr.hits;
        "decr_misses" => |v| v.store.commands.decr.misses;
        "decr_hits" => |v| v.store.commands.decr.hits;
        "cas_misses" => |v| v.store.commands.cas.misses;
        "cas_hits" => |v| v.store.commands.cas.hits;
        "cas_badval" => |v| v.store.commands.cas_badval;
        "touch_hits" => |v| v.store.commands.touches.hits;
        "touch_misses" => |v| v.store.commands.touches.misses;
        "store_too_large" => |v| v.store.commands.too_large;
        "store_no_memory" => |v| v.store.commands.no_memory;
        "bytes_read" => |v| v.pool.bytes_read;
        "bytes_written" => |v| v.pool.bytes_written;
        "limit_maxbytes" => |v| v.store.bytes_max();
        "accepting_conns" => |_v| 1;
        "threads" => |_v| 1;
        "bytes" => |v| v.store.bytes();
        "curr_items" => |v| v.store.len();
        "total_items" => |v| v.store.counters.sets;
        "evictions" => |v| v.store.counters.evicted;
        "reclaimed" => |v| v.store.counters.expired;
    }
}

/// Counters of memcached that never move here: no slabs, no crawler, no watchers.
static NEVER: &[&str] = &[
    "response_obj_oom",
    "read_buf_oom",
    "get_flushed",
    "auth_cmds",
    "auth_errors",
    "listen_disabled_num",
    "time_in_listen_disabled_us",
    "conn_yields",
    "hash_is_expanding",
    "slab_reassign_rescues",
    "slab_reassign_chunk_rescues",
    "slab_reassign_evictions_nomem",
    "slab_reassign_inline_reclaim",
    "slab_reassign_busy_items",
    "slab_reassign_busy_deletes",
    "slab_reassign_running",
    "slabs_moved",
    "lru_crawler_running",
    "lru_crawler_starts",
    "lru_maintainer_juggles",
    "malloc_fails",
    "log_worker_dropped",
    "log_worker_written",
    "log_watcher_skipped",
    "log_watcher_sent",
    "log_watchers",
    "unexpected_napi_ids",
    "round_robin_fallback",
    "crawler_reclaimed",
    "crawler_items_checked",
    "lrutail_reflocked",
    "moves_to_cold",
    "moves_to_warm",
    "moves_within_lru",
    "direct_reclaims",
    "lru_bumps_dropped",
];

rows! {
    /// `stats settings`
    SETTINGS {
        "maxbytes" => |v| v.store.bytes_max();
        "item_size_max" => |_v| ITEM_BYTES_MAX;
        "evictions" => |_v| "on";
        "cas_enabled" => |_v| "yes";
        "flush_enabled" => |_v| "yes";
        "dump_enabled" => |_v| "no";
        "detail_enabled" => |_v| "no";
        "binding_protocol" => |_v| "ascii";
        "auth_enabled_sasl" => |_v| "no";
        "auth_enabled_ascii" => |_v| "no";
        "slab_reassign" => |_v| "no";
        "slab_automove" => |_v| 0;
        "lru_crawler" => |_v| "no";
        "lru_maintainer_thread" => |_v| "no";
        "lru_segmented" => |_v| "no";
        "track_sizes" => |_v| "no";
        "num_threads" => |_v| 1;
    }
}

/// The limit on clients, under the names of `stats` and of `stats settings`.
const CLIENTS_MAX: fn(&View<'_>) -> Option<String> = |v| v.pool.connections_max.map(|max| max.to_string());
static MAX_CONNECTIONS: &[Row] = &[("max_connections", CLIENTS_MAX)];
static MAXCONNS: &[Row] = &[("maxconns", CLIENTS_MAX)];

rows! {
    /// `stats items`
    ITEMS {
        "items:1:number" => |v| v.store.len();
        "items:1:mem_requested" => |v| v.store.bytes();
        "items:1:evicted" => |v| v.store.counters.evicted;
        "items:1:outofmemory" => |v| v.store.commands.no_memory;
        "items:1:reclaimed" => |v| v.store.counters.expired;
    }
}

rows! {
    /// `stats slabs`, of the class
    SLAB {
        "1:used_chunks" => |v| v.store.len();
        "1:mem_requested" => |v| v.store.bytes();
        "1:get_hits" => |v| v.store.counters.get_hits;
        "1:cmd_set" => |v| v.store.commands.stores;
        "1:delete_hits" => |v| v.store.commands.deletes.hits;
        "1:incr_hits" => |v| v.store.commands.incr.hits;
        "1:decr_hits" => |v| v.store.commands.decr.hits;
        "1:cas_hits" => |v| v.store.commands.cas.hits;
        "1:cas_badval" => |v| v.store.commands.cas_badval;
        "1:touch_hits" => |v| v.store.commands.touches.hits;
    }
}

rows! {
    /// and of all of them
    SLABS {
        "active_slabs" => |v| usize::from(!v.store.is_empty());
        "total_malloced" => |v| v.store.bytes();
    }
}

rows! {
    /// `stats sizes`
    SIZES {
        "sizes_status" => |_v| "disabled";
    }
}

/// `stats [reset | settings | items | slabs | sizes]`
pub(super) fn run(request: &mut Request<'_>) -> Result<(), Refusal> {
    // memcached shows no class without items.
    let class = |rows: &'static [Row]| if request.store.is_empty() { &[] } else { rows };
    let tables: &[&[Row]] = match request.words.get(1) {
        b"" => &[GENERAL, MAX_CONNECTIONS],
        b"settings" => &[SETTINGS, MAXCONNS],
        b"sizes" => &[SIZES],
        b"items" => &[class(ITEMS)],
        b"slabs" => &[class(SLAB), SLABS],
        b"reset" => {
            request.store.counters = Default::default();
            request.store.commands = Default::default();
            return request.answer("RESET");
        }
        _ => return Err("ERROR"),
    };
    let view = View { store: request.store, pool: request.store.surroundings, now_s: request.now_s };
    let mut lines: Vec<String> = Vec::new();
    for (name, value) in tables.iter().copied().flatten() {
        lines.extend(value(&view).map(|value| format!("STAT {name} {value}")));
    }
    if request.words.get(1).is_empty() {
        lines.extend(NEVER.iter().map(|name| format!("STAT {name} 0")));
    }
    lines.iter().try_for_each(|line| request.answer(line))?;
    request.answer("END")
}

fn uptime_s(view: &View<'_>) -> u64 {
    view.now_s.saturating_sub(view.store.started_ms.unwrap_or(view.now_s * 1000) / 1000)
}
