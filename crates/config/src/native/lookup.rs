//! `[lookup]`: the options table checks every value.

use std::path::PathBuf;

use super::sections::TOP;
use crate::checked::{Listen, Lookup, Queue};
use crate::nsqd::machine;
use crate::options::Scope;
use crate::setting::Setting;
use crate::values::{self, Settings};

/// Assembles the section as read; every option has a value or is unset.
pub(super) fn assemble(read: &Settings, queue: Option<&Queue>) -> Lookup {
    // A faulty value is already reported; its replacement here is never used.
    let listen = |option| read.listens(option).pop().unwrap_or(Listen::Tcp { host: String::new(), port: 0 });
    Lookup {
        tcp: listen("tcp"),
        http: listen("http"),
        broadcast_address: read.text("broadcast_address").map_or_else(machine::hostname, str::to_owned),
        inactive_producer_timeout: read.duration("inactive_producer_timeout"),
        tombstone_lifetime: read.duration("tombstone_lifetime"),
        max_connections: u32::try_from(read.integer("max_connections")).unwrap_or(u32::MAX),
        max_names: u64::try_from(read.integer("max_names")).unwrap_or(u64::MAX),
        magic_timeout: read.duration("magic_timeout"),
        http_names: match read.get("http_names") {
            Some(Setting::Texts(names)) => names.clone(),
            _ => Vec::new(),
        },
        snapshot: snapshot(read, queue),
        snapshot_lifetime: read.duration("snapshot_lifetime"),
    }
}

/// The configured file; an empty name means none; by default a file beside the messages, if the queue runs.
fn snapshot(read: &Settings, queue: Option<&Queue>) -> Option<PathBuf> {
    match read.text("snapshot") {
        Some("") => None,
        Some(path) => Some(path.into()),
        None => queue.map(|queue| queue.data_path.join("lookup.json")),
    }
}

impl Default for Lookup {
    /// `[lookup]` with default options.
    fn default() -> Lookup {
        assemble(&values::read(Scope::Lookup, "", TOP, &[], &mut Vec::new()), None)
    }
}
