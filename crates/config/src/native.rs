//! The native file: from the tree as written to [`Config`].
//!
//! Each section is read by the options table ([`crate::values`]) and assembled here; then what spans several options
//! is checked. Nothing stops at the first fault.

mod lookup;
mod pool;
mod queue;
mod user;

use crate::checked::{Admin, Config, Listen, Local, Log, LogFormat, Lookup, Pool, Server, Stats};
use crate::endpoint::show_listen;
use crate::fault::{Fault, Position};
use crate::go_flags::{self, GoValues};
use crate::options::Scope;
use crate::report::Report;
use crate::suggest;
use crate::values::{self, Settings};
use crate::variables;
use crate::written::{self, Entry, Value};

const TOP: Position = Position { line: 1, column: 1 };

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

/// Checks the text of a native file; of syntax errors the first is reported, and nothing else. `threads` is the default of the
/// option of that name. Files of secrets and certificates are read.
pub fn check_with(text: &str, threads: usize, lookup: variables::Lookup<'_>) -> Report {
    let (mut entries, mut faults) = written::parse(text);
    if let Some(fault) = faults.drain(..).next() {
        // What follows a syntax error is most often a consequence of it.
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
        Some(Stats { listen, interval: read.duration("interval") })
    });
    let admin = sections.read(Scope::Admin, "admin", &mut faults).and_then(|read| {
        let listen = read.listens("listen").pop()?;
        listeners.add(&listen, read.place("listen").or(sections.place("admin")), &mut faults);
        Some(Admin { listen })
    });
    let mut pools = Vec::new();
    let users = user::check(&sections, &mut faults);
    let named = |pool: &str| users.iter().any(|user| user.spec.pools.iter().any(|name| name == pool));
    for (name, at, entries) in &sections.pools {
        pools.extend(pool::check(name, *at, entries, named(name), &mut listeners, &mut faults));
    }
    pools.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    let queue = sections
        .section("queue")
        .and_then(|(at, entries)| queue::check(at, entries, &mut listeners, &mut faults));
    let lookup = sections.read(Scope::Lookup, "lookup", &mut faults).map(|read| {
        let lookup = lookup::assemble(&read, queue.as_ref());
        for (option, listen) in [("tcp", &lookup.tcp), ("http", &lookup.http)] {
            listeners.add(listen, read.place(option).or(sections.place("lookup")), &mut faults);
        }
        lookup
    });
    let served = !sections.pools.is_empty() || lookup.is_some() || sections.section("queue").is_some();
    if faults.is_empty() && !served {
        faults.push(Fault::warning(None, "nothing is served", "add a [pool.NAME], a [queue] or a [lookup]"));
    }
    let config = Config {
        threads: process.integer_if_set("threads").map_or(threads, |n| n as usize),
        memory_budget_bytes: process.size("memory_budget"),
        stop_timeout: process.duration("stop_timeout"),
        coalesce: process.duration("coalesce"),
        watch_config: process.flag("watch_config"),
        log: logging(&log),
        stats,
        admin,
        local: Local { bytes_max: local.size("bytes") },
        pools,
        queue,
        lookup,
        nsqadmin: None,
        users,
    };
    Report::new(faults, Some(config))
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

/// The configuration that runs when there is no file.
pub fn default(threads: usize) -> Config {
    check(DEFAULT_FILE, threads).config.expect("the default file is valid: a test of this module")
}

/// The flags of nsqd that the queue has when no option is written.
pub(crate) fn default_queue_flags() -> GoValues {
    queue::flags(&values::read(Scope::Queue, "", TOP, &[], &mut Vec::new()))
}

/// The lookup when no option is written.
pub(crate) fn default_lookup() -> Lookup {
    lookup::assemble(&values::read(Scope::Lookup, "", TOP, &[], &mut Vec::new()), None)
}

/// A pool of these servers with every other option as when it is not written.
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

/// The file by sections.
struct Sections<'a> {
    process: Vec<Entry>,
    tables: Vec<(&'a str, Position, &'a [Entry])>,
    pools: Vec<(&'a str, Position, &'a [Entry])>,
    users: Vec<(&'a str, Position, &'a [Entry])>,
}

impl<'a> Sections<'a> {
    const NAMES: [&'static str; 6] = ["log", "stats", "admin", "local", "queue", "lookup"];
    /// Sections of which there may be several, each with a name of its own.
    const NAMED: [&'static str; 2] = ["pool", "user"];

    fn split(entries: &'a [Entry], faults: &mut Vec<Fault>) -> Sections<'a> {
        let (tables, pools, users) = Default::default();
        let mut sections = Sections { process: Vec::new(), tables, pools, users };
        for entry in entries {
            let name = entry.key.as_str();
            match &entry.value.value {
                Value::Table(inner) if name == "pool" => named(name, inner, &mut sections.pools, faults),
                Value::Table(inner) if name == "user" => named(name, inner, &mut sections.users, faults),
                Value::Table(inner) if Sections::NAMES.contains(&name) => {
                    sections.tables.push((name, entry.at, inner));
                }
                Value::Table(_) => faults.push(unknown_section(entry)),
                _ if Sections::NAMED.contains(&name) || Sections::NAMES.contains(&name) => {
                    let is_named = Sections::NAMED.contains(&name);
                    let help =
                        if is_named { format!("write [{name}.NAME]") } else { format!("write [{name}]") };
                    faults.push(Fault::error(
                        Some(entry.at),
                        format!("{name} is a section, not an option"),
                        help,
                    ));
                }
                _ => sections.process.push(entry.clone()),
            }
        }
        sections
    }

    fn section(&self, name: &str) -> Option<(Position, &'a [Entry])> {
        self.tables.iter().find(|(table, ..)| *table == name).map(|(_, at, entries)| (*at, *entries))
    }

    fn place(&self, name: &str) -> Option<Position> {
        self.section(name).map(|(at, _)| at)
    }

    /// Reads a section of the options table. Sections that only hold defaults are read even if they are absent.
    fn read(&self, scope: Scope, name: &str, faults: &mut Vec<Fault>) -> Option<Settings> {
        let always = matches!(scope, Scope::Log | Scope::Local);
        match self.section(name) {
            Some((at, entries)) => Some(values::read(scope, &format!("[{name}]"), at, entries, faults)),
            None => always.then(|| values::read(scope, name, TOP, &[], faults)),
        }
    }
}

/// Adds the sections `[KIND.NAME]` of one kind.
fn named<'a>(
    kind: &str,
    entries: &'a [Entry],
    sections: &mut Vec<(&'a str, Position, &'a [Entry])>,
    faults: &mut Vec<Fault>,
) {
    for entry in entries {
        match &entry.value.value {
            Value::Table(inner) => sections.push((&entry.key, entry.at, inner)),
            _ => {
                let text = format!("{} stands in [{kind}], which has no options", entry.key);
                let help = format!("give the {kind} a name: [{kind}.NAME]");
                faults.push(Fault::error(Some(entry.at), text, help));
            }
        }
    }
}

fn unknown_section(entry: &Entry) -> Fault {
    let known = Sections::NAMES.into_iter().chain(Sections::NAMED);
    let help = match suggest::nearest(&entry.key, known) {
        Some(name) if Sections::NAMED.contains(&name) => format!("did you mean [{name}.NAME]?"),
        Some(name) => format!("did you mean [{name}]?"),
        None => format!("sections are pool.NAME, user.NAME, {}", Sections::NAMES.join(", ")),
    };
    Fault::error(Some(entry.at), format!("unknown section [{}]", entry.key), help)
}

/// Every address of the file, to find the ones that stand twice.
#[derive(Default)]
struct Listeners {
    seen: Vec<(String, Option<Position>)>,
}

impl Listeners {
    fn add(&mut self, listen: &Listen, at: Option<Position>, faults: &mut Vec<Fault>) {
        if matches!(listen, Listen::Tcp { port: 0, .. }) {
            return;
        }
        let shown = match listen {
            Listen::Unix { path, .. } => path.display().to_string(),
            tcp => show_listen(tcp),
        };
        match self.seen.iter().find(|(other, _)| *other == shown) {
            Some((_, first)) => {
                let first = first.map(|p| format!(" (first on line {})", p.line)).unwrap_or_default();
                faults.push(Fault::error(
                    at,
                    format!("{shown} is listened on twice{first}"),
                    "change one of the two",
                ));
            }
            None => self.seen.push((shown, at)),
        }
    }
}

#[cfg(test)]
mod tests;
