//! `[queue]`: its options are nsqd's under native names, and go through nsqd's checks.
//!
//! So a rule of nsqd (a range, a file that must exist) exists once, in [`crate::nsqd::check`]; here its
//! errors only get the native option's name and place.

use std::path::Path;
use std::sync::LazyLock;

use super::listeners::Listeners;
use super::sections::TOP;
use crate::checked::{Durability, Queue, Storage};
use crate::fault::{Fault, Position};
use crate::go_flags::{GoValue, GoValues};
use crate::nsqd::pem::{self, Holds};
use crate::nsqd::{self, Refusal};
use crate::options::Scope;
use crate::setting::Setting;
use crate::values::{self, Settings};
use crate::written::Entry;
use crate::{endpoint, options};

/// Checks the section. None if it cannot be assembled; then there are faults.
pub(super) fn check(
    at: Position,
    entries: &[Entry],
    listeners: &mut Listeners,
    faults: &mut Vec<Fault>,
) -> Option<Queue> {
    let read = values::read(Scope::Queue, "[queue]", at, entries, faults);
    let files_stand = files(&read, at, faults);
    if read.faulty || !files_stand {
        return None;
    }
    match assemble(&read) {
        Ok(queue) => {
            let places =
                [("tcp", Some(&queue.tcp)), ("http", queue.http.as_ref()), ("https", queue.https.as_ref())];
            for (option, listen) in places {
                if let Some(listen) = listen {
                    listeners.add(listen, read.place(option).or(Some(at)), faults);
                }
            }
            faults.extend(crate::warnings::of_queue(&queue).into_iter().map(|warning| {
                let place = read.place(warning.option).or(Some(at));
                Fault::warning(place, format!("[queue]: {}", warning.text), warning.help)
            }));
            Some(queue)
        }
        Err(refusal) => {
            let option = options::all().iter().find(|option| option.nsqd == Some(refusal.flag));
            let name = option.map_or(refusal.flag, |option| option.name);
            let text = refusal.text.replace(&format!("--{}", refusal.flag), name);
            faults.push(Fault::error(read.place(name).or(Some(at)), format!("[queue]: {text}"), ""));
            None
        }
    }
}

/// Assembles the section as read; every option has a value or is unset.
/// Options of nsqd go through its checks.
fn assemble(read: &Settings) -> Result<Queue, Refusal> {
    let checked = nsqd::check(&nsqd::resolve(flags(read), GoValues::new()))?.queue;
    let listen = |option| match read.get(option) {
        Some(Setting::Listens(listens)) => listens.first().cloned(),
        _ => None,
    };
    Ok(Queue {
        tcp: listen("tcp").unwrap_or(checked.tcp),
        http: listen("http"),
        https: checked.https.and_then(|_| listen("https")),
        durability: read.text("durability").and_then(Durability::named).unwrap_or_default(),
        storage: read.text("storage").and_then(Storage::named).unwrap_or_default(),
        topics: read.topics("topic").to_vec(),
        channels_from_beginning: read.text("channels_from") == Some("beginning"),
        journal_cache_bytes: read.size("journal_cache"),
        max_defer_timeout: read.duration_if_on("max_defer_timeout").unwrap_or(checked.max_req_timeout),
        max_bytes_per_file: read.size("max_bytes_per_file") as u64,
        http_names: match read.get("http_names") {
            Some(Setting::Texts(names)) => names.clone(),
            _ => Vec::new(),
        },
        max_deferred: read.integer("max_deferred") as u64,
        max_topics: read.integer("max_topics") as u64,
        max_channels: read.integer("max_channels") as u64,
        max_channels_per_topic: read.integer("max_channels_per_topic") as u64,
        max_memory_bytes: read.size("max_memory"),
        max_connections: read.integer("max_connections") as u32,
        magic_timeout: read.duration("magic_timeout"),
        ..checked
    })
}

impl Default for Queue {
    /// `[queue]` with default options.
    fn default() -> Queue {
        static DEFAULT: LazyLock<Queue> = LazyLock::new(|| {
            let read = values::read(Scope::Queue, "", TOP, &[], &mut Vec::new());
            assemble(&read).expect("defaults are valid: a test of the options table")
        });
        DEFAULT.clone()
    }
}

/// Checks the TLS files: nsqd stops at the first unusable one, here each is reported. True if all are good.
fn files(read: &Settings, at: Position, faults: &mut Vec<Fault>) -> bool {
    let before = faults.len();
    let files =
        [("tls_cert", Holds::Certificate), ("tls_key", Holds::Key), ("tls_root_ca_file", Holds::Authorities)];
    for (option, holds) in files {
        if let Some(Err(why)) = read.text(option).map(|path| pem::check(Path::new(path), holds)) {
            let text = format!("[queue]: failed to build TLS config - {why}");
            faults.push(Fault::error(read.place(option).or(Some(at)), text, ""));
        }
    }
    for (option, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if read.text(option).is_some() && read.text(other).is_none() && !read.written(other) {
            let text = format!("[queue]: {option} has no effect without {other}");
            faults.push(Fault::error(read.place(option).or(Some(at)), text, format!("write {other} too")));
        }
    }
    faults.len() == before
}

/// The settings as nsqd's flags.
pub(super) fn flags(read: &Settings) -> GoValues {
    let mut values = GoValues::new();
    for option in Scope::Queue.options() {
        let Some((flag, setting)) = option.nsqd.zip(read.get(option.name)) else { continue };
        let value = match setting.clone() {
            Setting::Bool(value) => GoValue::Bool(value),
            Setting::Integer(value) => GoValue::Int(value),
            Setting::Size(value) => GoValue::Int(i64::try_from(value).unwrap_or(i64::MAX)),
            Setting::Duration(value) => {
                GoValue::Duration(i64::try_from(value.as_nanos()).unwrap_or(i64::MAX))
            }
            Setting::Off => GoValue::Duration(0),
            Setting::Text(value) => GoValue::Text(value),
            Setting::Texts(value) => GoValue::Texts(value),
            Setting::Quantiles(value) => GoValue::Floats(value),
            Setting::Listens(value) => {
                GoValue::Text(value.first().map(endpoint::show_listen).unwrap_or_default())
            }
            other => unreachable!("no option of the queue is {other:?}"),
        };
        values.insert(flag, value);
    }
    values
}
