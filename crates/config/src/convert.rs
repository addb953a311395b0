//! A nutcracker.yml or nsqd.cfg as a nuthatch.toml that does the same.
//!
//! Only what differs from the native file's defaults is written. A note says what the file that was converted does not say
//! itself, such as settings of a command line, and what has no option here.

use std::fmt::Write;

use crate::checked::{Listen, Pool, Protocol, Server, Target};
use crate::endpoint::{identity, show_listen};
use crate::go_flags::{GoValue, GoValues};
use crate::native::{default_pool, default_queue_flags};
use crate::nsqd::{self, Refusal, flags::FLAGS};
use crate::nutcracker::Accepted;
use crate::options::{Kind, Scope};
use crate::quantity::show_duration;

/// The pools of a nutcracker.yml as a nuthatch.toml.
pub fn nutcracker(accepted: &Accepted) -> String {
    let mut text = String::from(
        "# nutcracker's statistics port, where its command line did not set another.\n\
         [stats]\nlisten = \"0.0.0.0:22222\"\n\n\
         # Metrics and the page, on 127.0.0.1:22220.\n[admin]\n",
    );
    for ignored in &accepted.ignored {
        let _ =
            writeln!(text, "\n# pool {}: {} had no effect and is left out.", ignored.pool, ignored.directive);
    }
    for written in &accepted.pools {
        pool(&mut text, written);
    }
    text
}

fn pool(text: &mut String, pool: &Pool) {
    let usual = default_pool(&pool.name, Vec::new());
    let mut lines = Lines::section(text, &format!("pool.{}", key(&pool.name)));
    let listens: Vec<String> = pool.listen.iter().map(|listen| quoted(&show_listen(listen))).collect();
    lines.add("listen", listens.join(", "));
    let off = |duration: Option<_>| quoted(&duration.map_or("off".into(), show_duration));
    lines.unless(pool.protocol == usual.protocol, "protocol", || {
        quoted(if pool.protocol == Protocol::Memcache { "memcache" } else { "redis" })
    });
    lines.unless(pool.hash == usual.hash, "hash", || quoted(pool.hash.name()));
    lines
        .unless(pool.distribution == usual.distribution, "distribution", || quoted(pool.distribution.name()));
    if let Some(tag) = pool.hash_tag {
        lines.add("hash_tag", quoted(&tag.map(char::from).iter().collect::<String>()));
    }
    lines.unless(pool.timeout == usual.timeout, "timeout", || off(pool.timeout));
    lines.unless(pool.backlog == usual.backlog, "backlog", || pool.backlog.to_string());
    if let Some(auth) = &pool.auth {
        lines.add("auth", quoted(auth.reveal()));
    }
    // On a memcached pool nutcracker's redis_db has no effect.
    lines.unless(pool.db == usual.db || pool.protocol == Protocol::Memcache, "db", || pool.db.to_string());
    lines.unless(pool.preconnect == usual.preconnect, "preconnect", || pool.preconnect.to_string());
    lines.unless(pool.auto_eject_hosts == usual.auto_eject_hosts, "auto_eject_hosts", || {
        pool.auto_eject_hosts.to_string()
    });
    lines.unless(pool.server_connections == usual.server_connections, "server_connections", || {
        pool.server_connections.to_string()
    });
    lines.unless(pool.server_retry_timeout == usual.server_retry_timeout, "server_retry_timeout", || {
        quoted(&show_duration(pool.server_retry_timeout))
    });
    lines.unless(pool.server_failure_limit == usual.server_failure_limit, "server_failure_limit", || {
        pool.server_failure_limit.to_string()
    });
    lines.unless(pool.keepalive == usual.keepalive, "keepalive", || off(pool.keepalive));
    let servers: String =
        pool.servers.iter().map(|server| format!("    {},\n", quoted(&show_server(server)))).collect();
    lines.add("servers", format!("[\n{servers}]"));
}

/// The text of a server, as [`crate::endpoint::server`] reads it.
fn show_server(server: &Server) -> String {
    let weight = server.weight;
    let place = match &server.target {
        Target::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}:{weight}"),
        Target::Tcp { host, port } => format!("{host}:{port}:{weight}"),
        Target::Unix(path) => format!("{}:{weight}", path.display()),
        Target::Local => "local".into(),
    };
    if server.identity == identity(&server.target) { place } else { format!("{place} {}", server.identity) }
}

/// The settings of an nsqd.cfg as a nuthatch.toml.
///
/// # Errors
///
/// nsqd would not start with them.
pub fn nsqd(file: GoValues) -> Result<String, Refusal> {
    let file_sets_segments = file.contains_key("max-bytes-per-file");
    let wanted = nsqd::resolve(GoValues::new(), file);
    let checked = nsqd::check(&wanted)?.queue;
    let usual = nsqd::resolve(default_queue_flags(), GoValues::new());
    let mut text = String::from("# Metrics and the page, on 127.0.0.1:22220.\n[admin]\n");
    if wanted["log-level"] != usual["log-level"] {
        Lines::section(&mut text, "log").add("level", shown(&wanted["log-level"], &Kind::Text));
    }
    let mut lines = Lines::section(&mut text, "queue");
    for option in Scope::Queue.options() {
        let Some(flag) = option.nsqd.filter(|flag| wanted[flag] != usual[flag]) else { continue };
        let value = match option.name {
            "tcp" => Some(listener(&checked.tcp)),
            "http" => checked.http.as_ref().map(listener),
            "https" => checked.https.as_ref().map(listener),
            // nsqd's default is the directory that it is started in.
            "data_path" => Some(quoted(&checked.data_path.display().to_string())),
            // nsqd's own default is too much for a journal, under its face too.
            "max_bytes_per_file" if !file_sets_segments => None,
            _ => Some(shown(&wanted[flag], &option.kind)),
        };
        if let Some(value) = value {
            lines.add(option.name, value);
        }
    }
    if checked.http.is_none() {
        text.push_str("# nsqd was told to serve no HTTP; there is no option for that here.\n");
    }
    for flag in unsupported(&wanted) {
        let _ = writeln!(text, "# {flag} has no option here.");
    }
    Ok(text)
}

/// Flags that were set and have no option here, deprecated and native ones aside.
fn unsupported(wanted: &GoValues) -> impl Iterator<Item = &'static str> {
    let has_option = |flag: &str| Scope::Queue.options().any(|option| option.nsqd == Some(flag));
    let usual = nsqd::resolve(GoValues::new(), GoValues::new());
    FLAGS
        .iter()
        .filter(|flag| !["log-level", "verbose", "worker-id", "config", "version"].contains(&flag.name))
        .filter(move |flag| wanted[flag.name] != usual[flag.name] && !has_option(flag.name))
        .map(|flag| flag.name)
        .collect::<Vec<_>>()
        .into_iter()
}

fn listener(listen: &Listen) -> String {
    quoted(&show_listen(listen))
}

/// A flag's value as an option of this kind takes it.
fn shown(value: &GoValue, kind: &Kind) -> String {
    match value {
        GoValue::Bool(value) => value.to_string(),
        GoValue::Int(value) => value.to_string(),
        GoValue::Duration(0) if matches!(kind, Kind::Duration { off: true, .. }) => quoted("off"),
        GoValue::Duration(ns) => quoted(&show_duration(std::time::Duration::from_nanos(ns.unsigned_abs()))),
        GoValue::Text(value) => quoted(value),
        GoValue::Texts(values) => list(values.iter().map(|value| quoted(value))),
        GoValue::Float(value) => format!("{value:?}"),
        GoValue::Floats(values) => list(values.iter().map(|value| format!("{value:?}"))),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A text in TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// A key in TOML, quoted if need be.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if bare { name.into() } else { quoted(name) }
}

/// The lines of a section.
struct Lines<'a>(&'a mut String);

impl<'a> Lines<'a> {
    fn section(text: &'a mut String, name: &str) -> Lines<'a> {
        let _ = writeln!(text, "\n[{name}]");
        Lines(text)
    }

    fn add(&mut self, option: &str, value: String) {
        let _ = writeln!(self.0, "{option} = {value}");
    }

    fn unless(&mut self, usual: bool, option: &str, value: impl FnOnce() -> String) {
        if !usual {
            self.add(option, value());
        }
    }
}

#[cfg(test)]
mod tests;
