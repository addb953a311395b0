//! The configuration of a process after a reload: the new one, except for changes that need a restart.

use super::pool::is_embedded;
use crate::checked::{Admin, Config, Lookup, Queue};
use crate::options::{Applies, Scope};

/// The configuration in force after a reload from `old`, in force until then, to `new`. Changes
/// that need a restart according to [`super::changes`] stay as in `old`; comparing the result with
/// `new` lists what is left to change.
pub fn in_force(old: &Config, new: &Config) -> Config {
    let mut pools = new.pools.clone();
    for pool in &mut pools {
        if let Some(before) = old.pools.iter().find(|other| other.name == pool.name)
            && is_embedded(before) != is_embedded(pool)
        {
            pool.servers.clone_from(&before.servers);
        }
    }
    Config {
        threads: old.threads,
        local: old.local.clone(),
        admin: new.admin.clone().map(|admin| Admin {
            events: old.admin.as_ref().map_or(admin.events, |old| old.events.clone()),
            ..admin
        }),
        pools,
        queue: old.queue.as_ref().map(|old| queue(old, new.queue.as_ref().unwrap_or(old))),
        engine: old.engine.clone(),
        lookup: old.lookup.as_ref().map(|old| lookup(old, new.lookup.as_ref().unwrap_or(old))),
        nsqadmin: old.nsqadmin.clone(),
        ..new.clone()
    }
}

fn queue(old: &Queue, new: &Queue) -> Queue {
    let mut nsqd_flags = new.nsqd_flags.clone();
    let rows = || Scope::Queue.options();
    for (flag, value) in old.nsqd_flags.iter() {
        let row = rows().find(|option| option.nsqd == Some(*flag));
        if row.is_none_or(|row| row.applies == Applies::Restart) {
            nsqd_flags.insert(flag, value.clone());
        }
    }
    Queue {
        nsqd_flags,
        node_id: old.node_id,
        data_path: old.data_path.clone(),
        tcp: old.tcp.clone(),
        http: old.http.clone(),
        https: old.https.clone(),
        ..new.clone()
    }
}

fn lookup(old: &Lookup, new: &Lookup) -> Lookup {
    Lookup {
        tcp: old.tcp.clone(),
        http: old.http.clone(),
        snapshot: old.snapshot.clone(),
        snapshot_lifetime: old.snapshot_lifetime,
        ..new.clone()
    }
}
