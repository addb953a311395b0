//! Flags of commands, as Redis 7.0 names them in the reply to `COMMAND`.
//!
//! They are facts about Redis, shown to clients; of our own decisions only the safety of resending depends on
//! one ([`READONLY`]).

/// `readonly`: changes nothing.
pub const READONLY: u32 = 1;
/// `write`: may change data.
pub const WRITE: u32 = 1 << 1;
/// `denyoom`: refused when memory is full.
pub const DENYOOM: u32 = 1 << 2;
/// `admin`
pub const ADMIN: u32 = 1 << 3;
/// `pubsub`
pub const PUBSUB: u32 = 1 << 4;
/// `noscript`: not allowed in scripts.
pub const NOSCRIPT: u32 = 1 << 5;
/// `blocking`: may block.
pub const BLOCKING: u32 = 1 << 6;
/// `loading`: allowed while data is being loaded.
pub const LOADING: u32 = 1 << 7;
/// `stale`: allowed on a replica with stale data.
pub const STALE: u32 = 1 << 8;
/// `fast`: constant or logarithmic time.
pub const FAST: u32 = 1 << 9;
/// `no_auth`: allowed before authentication.
pub const NO_AUTH: u32 = 1 << 10;
/// `movablekeys`: the positions of keys depend on other arguments.
pub const MOVABLEKEYS: u32 = 1 << 11;
/// `allow_busy`: allowed while a script runs too long.
pub const ALLOW_BUSY: u32 = 1 << 12;
/// `no_mandatory_keys`: may have no keys.
pub const NO_MANDATORY_KEYS: u32 = 1 << 13;
/// `skip_monitor`
pub const SKIP_MONITOR: u32 = 1 << 14;
/// `skip_slowlog`
pub const SKIP_SLOWLOG: u32 = 1 << 15;
/// `asking`: allowed for a slot that is being imported.
pub const ASKING: u32 = 1 << 16;
/// `no_multi`: not allowed in transactions.
pub const NO_MULTI: u32 = 1 << 17;
/// `no_async_loading`
pub const NO_ASYNC_LOADING: u32 = 1 << 18;

/// Every flag with Redis' name for it.
pub const NAMES: [(u32, &str); 19] = [
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (ASKING, "asking"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MULTI, "no_multi"),
    (ALLOW_BUSY, "allow_busy"),
    (MOVABLEKEYS, "movablekeys"),
];
