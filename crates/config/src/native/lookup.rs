//! `[lookup]`: every value is checked by the options table.

use std::path::PathBuf;

use super::sections::TOP;
use crate::checked::{Listen, Lookup, Queue};
use crate::nsqd::machine;
use crate::options::Scope;
use crate::setting::Setting;
use crate::values::{self, Settings};

/// The section as read, in which every option has a value or is unset.
pub(super) fn assemble(read: &Settings, queue: Option<&Queue>) -> Lookup {
    // A value that is at fault is reported; what stands here instead is never used.
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

/// The file that is named; an empty name is none; without one, a file beside the messages, if there are some.
fn snapshot(read: &Settings, queue: Option<&Queue>) -> Option<PathBuf> {
    match read.text("snapshot") {
        Some("") => None,
        Some(path) => Some(path.into()),
        None => queue.map(|queue| queue.data_path.join("lookup.json")),
    }
}

impl Default for Lookup {
    /// As when no option of `[lookup]` is written.
    fn default() -> Lookup {
        assemble(&values::read(Scope::Lookup, "", TOP, &[], &mut Vec::new()), None)
    }
}
