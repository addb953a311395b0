//! Digests of TLS files, by which a reload detects changed contents.
//!
//! They are taken before the files are used. If a file changes in between, the next reload sees
//! a change, and reads it once more.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::path::Path;

use config::checked::{Config, Queue, TlsToClients, TlsToServers};
use net::tls;

/// Owner name of the admin port's files.
pub const ADMIN: &str = "admin: tls";
/// Owner name of the queue's files.
pub const QUEUE: &str = "queue: TLS";

/// A digest of the files of each owner, with the settings that name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prints(BTreeMap<String, Print>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    settings: String,
    files: u64,
}

/// Owner name of the files of a pool's client side.
pub fn to_clients(pool: &str) -> String {
    format!("pool {pool}: tls")
}

/// Owner name of the files of a pool's server side.
pub fn to_servers(pool: &str) -> String {
    format!("pool {pool}: server_tls")
}

/// Owner name of the files towards a pool's Sentinels.
pub fn to_sentinels(pool: &str) -> String {
    format!("pool {pool}: sentinel_tls")
}

impl Prints {
    /// Reads the files of a configuration.
    pub fn of(config: &Config) -> Prints {
        let mut prints = Prints::default();
        for pool in &config.pools {
            if let Some(tls) = &pool.tls {
                prints.add(to_clients(&pool.name), tls, files_to_clients(tls));
            }
            if let Some(tls) = &pool.server_tls {
                prints.add(to_servers(&pool.name), tls, files_to_servers(tls));
            }
            if let Some(tls) = &pool.discovery.sentinels.tls {
                prints.add(to_sentinels(&pool.name), tls, files_to_servers(tls));
            }
        }
        if let Some(tls) = config.admin.as_ref().and_then(|admin| admin.tls.as_ref()) {
            prints.add(ADMIN.into(), tls, files_to_clients(tls));
        }
        if let Some(queue) = &config.queue {
            prints.add(
                QUEUE.into(),
                &(&queue.tls, &queue.tls_root_ca, queue.tls_min_version),
                files_of_queue(queue),
            );
        }
        prints
    }

    /// True if an owner's files and settings are the same in both.
    pub fn same(&self, other: &Prints, owner: &str) -> bool {
        self.0.get(owner) == other.0.get(owner)
    }

    /// Owners whose files have changed under unchanged settings, a line each.
    pub fn renewed(&self, now: &Prints) -> Vec<String> {
        let is_renewed = |(owner, now): &(&String, &Print)| {
            self.0
                .get(*owner)
                .is_some_and(|before| before.settings == now.settings && before.files != now.files)
        };
        let renewed = now.0.iter().filter(is_renewed);
        renewed.map(|(owner, _)| format!("{owner}: content of files changed, for new connections")).collect()
    }

    fn add(&mut self, owner: String, settings: &impl Debug, files: u64) {
        self.0.insert(owner, Print { settings: format!("{settings:?}"), files });
    }
}

fn files_to_clients(settings: &TlsToClients) -> u64 {
    digest([Some(&*settings.cert), Some(&*settings.key), settings.client_ca.as_deref()], &[])
}

fn files_to_servers(settings: &TlsToServers) -> u64 {
    let identity = settings.identity.as_ref();
    let files = [settings.ca.as_deref(), identity.map(|(cert, _)| &**cert), identity.map(|(_, key)| &**key)];
    let roots = if settings.ca.is_none() { tls::system_roots() } else { None };
    digest(files, &roots.unwrap_or_default())
}

fn files_of_queue(queue: &Queue) -> u64 {
    let tls = queue.tls.as_ref();
    digest([tls.map(|tls| &*tls.cert), tls.map(|tls| &*tls.key), queue.tls_root_ca.as_deref()], &[])
}

/// A digest of the contents of these files, or of the error reading them, and of `more`.
fn digest(files: [Option<&Path>; 3], more: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = file.map(|file| std::fs::read(file).map_err(|error| error.kind()));
        content.hash(&mut hasher);
    }
    more.hash(&mut hasher);
    hasher.finish()
}
