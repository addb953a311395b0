//! The native file: from the tree as written to [`Config`].
//!
//! The options table drives the reading of each section (`values.rs`), which is then assembled here;
//! checks across options come last. Nothing stops at the first fault.

mod files;
mod listeners;
mod sections;

mod admin;
mod engine;
mod lookup;
mod pool;
mod queue;
mod topology;
mod user;

use access::AdminRole;

use self::listeners::Listeners;
use self::sections::{Sections, TOP};
use crate::checked::{Admin, Config, Local, Log, LogFormat, Pool, PoolStatsd, Queue, Server, Stats};
use crate::fault::{Fault, Position};
use crate::go_flags::{self, GoValues};
use crate::limits;
use crate::options::Scope;
use crate::report::Report;
use crate::values::{self, Settings};
use crate::variables;
use crate::written;

pub use files::files;

/// The default configuration: a Redis and a memcached pool over the embedded cache, statistics, metrics and
/// the queue, all on loopback.
pub const DEFAULT_FILE: &str = "\
[pool.redis]
listen = \"127.0.0.1:22121\"
servers = [\"local\"]

[pool.memcache]
protocol = \"memcache\"
listen = \"127.0.0.1:22122\"
servers = [\"local\"]

[stats]

[admin]

[queue]
";

/// Checks the text of a native file, with the environment of this process; see [`check_with`].
pub fn check(text: &str, threads: usize) -> Report {
    check_with(text, threads, &variables::of_process)
}

/// Checks the text of a native file; of syntax errors only the first is reported, and nothing else. `threads`
/// is the default of that option. Reads the files of secrets and certificates.
pub fn check_with(text: &str, threads: usize, lookup: variables::Lookup<'_>) -> Report {
    let (mut entries, mut faults) = written::parse(text);
    if let Some(fault) = faults.drain(..).next() {
        // Later faults are most often consequences of the syntax error.
        return Report::new(vec![fault], None);
    }
    variables::expand(&mut entries, lookup, &mut faults);
    let sections = Sections::split(&entries, &mut faults);
    let process = values::read(Scope::Process, "the top of the file", TOP, &sections.process, &mut faults);
    let log = sections.read(Scope::Log, "log", &mut faults).unwrap_or_default();
    let local = sections.read(Scope::Local, "local", &mut faults).unwrap_or_default();
    let mut listeners = Listeners::default();
    let stats = sections.read(Scope::Stats, "stats", &mut faults).and_then(|read| {
        let listen = read.listens("listen").pop()?;
        listeners.add(&listen, read.place("listen").or(sections.place("stats")), &mut faults);
        let statsd = PoolStatsd {
            address: read.text("statsd_address").unwrap_or_default().to_owned(),
            prefix: read.text("statsd_prefix").unwrap_or_default().to_owned(),
            interval: read.duration("statsd_interval"),
            udp_packet_size: read.integer("statsd_udp_packet_size") as usize,
        };
        Some(Stats { listen, interval: read.duration("interval"), statsd })
    });
    let mut pools = Vec::new();
    let users = user::check(&sections, &mut faults);
    let has_operators = users.iter().any(|user| user.spec.admin != AdminRole::None);
    let admin = admin::check(&sections, has_operators, &mut listeners, &mut faults);
    let named = |pool: &str| users.iter().any(|user| user.spec.pools.iter().any(|name| name == pool));
    for (name, at, entries) in &sections.pools {
        pools.extend(pool::check(name, *at, entries, named(name), &mut listeners, &mut faults));
    }
    if let Some((text, help)) = limits::of_all(&pools) {
        faults.push(Fault::error(None, text, help));
    }
    pools.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    let queue = sections
        .section("queue")
        .and_then(|(at, entries)| queue::check(at, entries, &mut listeners, &mut faults));
    let engine = sections.read(Scope::Engine, "engine", &mut faults).and_then(|read| {
        if sections.section("queue").is_none() {
            let text = "[engine] has no effect without [queue]";
            faults.push(Fault::warning(sections.place("engine"), text, "add [queue]"));
        }
        engine::assemble(&read, sections.place("engine"), &mut faults)
    });
    if sections.section("engine").is_none() && queue.as_ref().is_some_and(Queue::uses_engine) {
        let text = "[queue]: topics are to be kept on the engine, and there is none";
        faults.push(Fault::error(sections.place("queue"), text, "add [engine] with servers = [...]"));
    }
    let lookup = sections.read(Scope::Lookup, "lookup", &mut faults).map(|read| {
        let lookup = lookup::assemble(&read, queue.as_ref());
        for (option, listen) in [("tcp", &lookup.tcp), ("http", &lookup.http)] {
            listeners.add(listen, read.place(option).or(sections.place("lookup")), &mut faults);
        }
        lookup
    });
    let admin = admin.map(|admin| {
        let beside = || queue.as_ref().map(|queue| queue.data_path.join("events.jsonl"));
        let events =
            admin.events.map_or_else(beside, |path| Some(path).filter(|path| !path.as_os_str().is_empty()));
        Admin { events, ..admin }
    });
    let served = !sections.pools.is_empty() || lookup.is_some() || sections.section("queue").is_some();
    if faults.is_empty() && !served {
        faults.push(Fault::warning(None, "nothing is served", "add a [pool.NAME], a [queue] or a [lookup]"));
    }
    let config = Config {
        threads: process.integer_if_set("threads").map_or(threads, |n| n as usize),
        memory_budget_bytes: process.size("memory_budget"),
        stop_timeout: process.duration("stop_timeout"),
        upgrade_timeout: process.duration("upgrade_timeout"),
        drain_timeout: process.duration("drain_timeout"),
        watch_config: process.flag("watch_config"),
        coalesce: process.duration("coalesce"),
        log: logging(&log),
        stats,
        admin,
        local: Local { bytes_max: local.size("bytes") },
        pools,
        queue,
        engine,
        lookup,
        nsqadmin: None,
        users,
    };
    Report { places: sections.places_of_files(), ..Report::new(faults, Some(config)) }
}

/// Checks the content of a native file.
pub fn check_bytes(bytes: &[u8], threads: usize) -> Report {
    match std::str::from_utf8(bytes) {
        Ok(text) => check(text, threads),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            let at = Position::of(&String::from_utf8_lossy(valid), valid.len());
            let fault = Fault::error(Some(at), "the file is not UTF-8 here", "save it as UTF-8");
            Report::new(vec![fault], None)
        }
    }
}

/// The configuration without a file.
pub fn default(threads: usize) -> Config {
    check(DEFAULT_FILE, threads).config.expect("the default file is valid: a test of this module")
}

/// The nsqd flags of a queue with default options.
pub(crate) fn default_queue_flags() -> GoValues {
    queue::flags(&values::read(Scope::Queue, "", TOP, &[], &mut Vec::new()))
}

/// A pool of these servers with default options.
pub(crate) fn default_pool(name: &str, servers: Vec<Server>) -> Pool {
    let read = values::read(Scope::Pool, "", TOP, &[], &mut Vec::new());
    pool::assemble(name, &read, servers).expect("defaults are valid: a test of the options table")
}

fn logging(read: &Settings) -> Log {
    Log {
        level: go_flags::level_of(read.text("level").unwrap_or("info")),
        format: read.text("format").and_then(LogFormat::of).unwrap_or(LogFormat::Text),
        file: read.text("file").map(Into::into),
    }
}

#[cfg(test)]
mod tests;
