//! Digests of the files of TLS: how a reload tells files that have another content from those that are as
//! they were.
//!
//! They are taken before the files are put to use. If one changes in between, the next reload takes it for
//! changed, and reads it once more.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::path::Path;

use config::checked::{Config, Queue, TlsToClients, TlsToServers};
use net::tls;

/// The admin port, as an owner of files.
pub const ADMIN: &str = "admin: tls";
/// The queue, as an owner of files.
pub const QUEUE: &str = "queue: TLS";

/// A digest of the files of each owner, and the settings that name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prints(BTreeMap<String, Print>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Print {
    settings: String,
    files: u64,
}

/// The side of a pool towards its clients, as an owner of files.
pub fn to_clients(pool: &str) -> String {
    format!("pool {pool}: tls")
}

/// The side of a pool towards its servers, as an owner of files.
pub fn to_servers(pool: &str) -> String {
    format!("pool {pool}: server_tls")
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

    /// True if an owner's files and settings are the same as those.
    pub fn same(&self, other: &Prints, owner: &str) -> bool {
        self.0.get(owner) == other.0.get(owner)
    }

    /// Changes from these to others that settings do not show, a line each.
    pub fn renewed(&self, now: &Prints) -> Vec<String> {
        let is_renewed = |(owner, now): &(&String, &Print)| {
            self.0
                .get(*owner)
                .is_some_and(|before| before.settings == now.settings && before.files != now.files)
        };
        let renewed = now.0.iter().filter(is_renewed);
        renewed
            .map(|(owner, _)| format!("{owner}: files have another content, for new connections"))
            .collect()
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

/// A digest of what is in these files, or why it cannot be read, and of `more`.
fn digest(files: [Option<&Path>; 3], more: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = file.map(|file| std::fs::read(file).map_err(|error| error.kind()));
        content.hash(&mut hasher);
    }
    more.hash(&mut hasher);
    hasher.finish()
}
