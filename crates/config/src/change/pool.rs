//! Changes of pools: options, listeners, servers, and the keys that move.

use std::path::Path;

use super::difference::{Change, Effect, Subject, What, of_option, presence};
use super::keys;
use crate::checked::{Config, Pool, PoolListen, Server, Target, WrittenListen};
use crate::effective;
use crate::options::{Applies, Kind, OptionSpec, Scope};
use crate::secret::Secret;
use crate::setting::Setting;

/// Removed pools, then added and changed ones in the order of the new configuration.
pub(super) fn changes(old: &Config, new: &Config, changes: &mut Vec<Change>) {
    let applies = Scope::Pool.presence_applies();
    let gone = |pool: &&Pool| !new.pools.iter().any(|other| other.name == pool.name);
    for pool in old.pools.iter().filter(gone) {
        let removed = presence(Subject::Pool(pool.name.clone()), What::Removed, applies);
        changes.push(Change { effect: Some(Effect::ClientsClosed), ..removed });
    }
    for pool in &new.pools {
        match old.pools.iter().find(|other| other.name == pool.name) {
            Some(before) => changes.extend(of_pool(before, pool)),
            None => {
                let added = What::Added(pool.listen.iter().map(|listen| listen.address.clone()).collect());
                changes.push(presence(Subject::Pool(pool.name.clone()), added, applies));
            }
        }
    }
}

/// True if nothing about a pool changes.
pub(super) fn same(old: &Pool, new: &Pool) -> bool {
    differences(old, new).is_empty()
}

/// Changes of one pool, with their effects on keys and clients.
fn of_pool(old: &Pool, new: &Pool) -> Vec<Change> {
    let mut changes = differences(old, new);
    for change in &mut changes {
        change.effect = match &change.what {
            What::Option { name: "protocol", .. } => Some(Effect::ClientsClosed),
            What::Option { name: "hash_tag", .. } => Some(Effect::TaggedKeysMove),
            _ => None,
        };
    }
    let moves = |change: &Change| moves_keys(&change.what);
    let count = changes.iter().filter(|change| moves(change)).count();
    let Some(share) = (count > 0).then(|| keys::moved(old, new)).flatten() else { return changes };
    let effect = Some(Effect::KeysMove(share));
    match changes.iter_mut().find(|change| moves(change)).filter(|_| count == 1) {
        Some(change) => change.effect = effect,
        None => {
            let ring = presence(Subject::Pool(new.name.clone()), What::Ring, Applies::Live);
            changes.push(Change { effect, ..ring });
        }
    }
    changes
}

/// True for a change that may move keys, hash tags aside.
fn moves_keys(what: &What) -> bool {
    match what {
        What::Option { name, .. } => ["hash", "distribution"].contains(name),
        What::ServerAdded(_) | What::ServerRemoved(_) | What::ServerWeight { .. } => true,
        // Reported although no keys move: that is the purpose of server names.
        What::ServerMoved { .. } => true,
        _ => false,
    }
}

/// Changes of one pool, option by option.
fn differences(old: &Pool, new: &Pool) -> Vec<Change> {
    let (before, after) = (effective::pool(old), effective::pool(new));
    let subject = Subject::Pool(new.name.clone());
    let of_option = |(option, value): (&'static OptionSpec, Option<&Setting>)| match option.kind {
        Kind::Listens => listeners(&subject, option, old, new),
        Kind::Servers => servers(&subject, option, old, new),
        // Each is a server.
        _ if option.name == "masters" => Vec::new(),
        _ if before.get(option.name) == value => Vec::new(),
        // The protocol decides whether there is one.
        _ if ["db", "databases"].contains(&option.name) && old.protocol != new.protocol => Vec::new(),
        _ => vec![of_option(subject.clone(), option, before.get(option.name), value)],
    };
    after.settings().flat_map(of_option).collect()
}

/// Listeners added and removed, and those with TLS switched on or off. One removed
/// and one added count as one moved.
fn listeners(subject: &Subject, option: &'static OptionSpec, old: &Pool, new: &Pool) -> Vec<Change> {
    let among = |pool: &Pool, listen: &PoolListen| pool.listen.iter().any(|it| it.address == listen.address);
    let removed: Vec<&PoolListen> = old.listen.iter().filter(|listen| !among(new, listen)).collect();
    let added: Vec<&PoolListen> = new.listen.iter().filter(|listen| !among(old, listen)).collect();
    let of_one = |option: &OptionSpec, old: &PoolListen, new: &PoolListen| {
        let [old, new] = [old, new].map(|listen| {
            let tls = listen.tls.then_some(true);
            Setting::WrittenListens(vec![WrittenListen { address: listen.address.clone(), tls }])
        });
        of_option(subject.clone(), option, Some(&old), Some(&new))
    };
    let mut changes = match (removed.as_slice(), added.as_slice()) {
        ([old], [new]) => vec![of_one(option, old, new)],
        _ => {
            let removed = removed.into_iter().cloned().map(What::ListenerRemoved);
            let added = added.into_iter().cloned().map(What::ListenerAdded);
            removed.chain(added).map(|what| presence(subject.clone(), what, option.applies)).collect()
        }
    };
    // If the pool gains or loses `tls`, that change covers all listeners.
    if old.tls.is_some() == new.tls.is_some() {
        let same = |new: &PoolListen| old.listen.iter().find(|old| old.address == new.address);
        let switched = new.listen.iter().filter_map(|new| same(new).map(|old| (old, new)));
        let row = OptionSpec { applies: Applies::NewConnections, ..*option };
        changes.extend(
            switched.filter(|(old, new)| old.tls != new.tls).map(|(old, new)| of_one(&row, old, new)),
        );
    }
    changes
}

/// Removed servers, then added and changed ones in the order of the new pool.
fn servers(subject: &Subject, option: &'static OptionSpec, old: &Pool, new: &Pool) -> Vec<Change> {
    // The clients of a pool with the embedded cache are on one shard, those of
    // others on all: they cannot be moved.
    let restart = is_embedded(old) != is_embedded(new);
    let change = |what: What| {
        let applies = row_of(&what).map_or(option.applies, |row| row.applies);
        presence(subject.clone(), what, if restart { Applies::Restart } else { applies })
    };
    let of_server = |new: &Server| match old.servers.iter().find(|old| old.identity == new.identity) {
        Some(old) => server_changes(old, new),
        None => vec![What::ServerAdded(new.clone())],
    };
    let gone = |server: &&Server| !new.servers.iter().any(|other| other.identity == server.identity);
    let removed = old.servers.iter().filter(gone).map(|server| What::ServerRemoved(server.clone()));
    removed.chain(new.servers.iter().flat_map(of_server)).map(change).collect()
}

/// Differences of a server in both pools.
fn server_changes(old: &Server, new: &Server) -> Vec<What> {
    let server = new.identity.clone();
    let moved = (old.target != new.target).then(|| What::ServerMoved {
        server: server.clone(),
        old: old.target.clone(),
        new: new.target.clone(),
    });
    let weight = (old.weight != new.weight).then(|| What::ServerWeight {
        server: server.clone(),
        old: old.weight,
        new: new.weight,
    });
    let password = (old.password != new.password).then(|| What::ServerPassword { server: server.clone() });
    let file = |server: &Server| server.password.as_ref().and_then(Secret::file).map(Path::to_owned);
    let file = (file(old) != file(new)).then_some(What::ServerPasswordFile { server });
    [moved, weight, password, file].into_iter().flatten().collect()
}

/// The options table's row of a server change.
fn row_of(what: &What) -> Option<&'static OptionSpec> {
    let name = match what {
        What::ServerMoved { .. } => "address",
        What::ServerWeight { .. } => "weight",
        What::ServerPassword { .. } => "password",
        What::ServerPasswordFile { .. } => "password_file",
        _ => return None,
    };
    Scope::Server.option(name)
}

/// True for a pool with the embedded cache as a server.
pub(super) fn is_embedded(pool: &Pool) -> bool {
    pool.servers.iter().any(|server| server.target == Target::Local)
}
