//! The settings of one section, by the names of their options.

use std::collections::BTreeMap;
use std::time::Duration;

use access::Rate;

use crate::checked::{Listen, Server, TlsToClients, TlsToServers, WrittenListen};
use crate::fault::Position;
use crate::secret::Secret;
use crate::setting::Setting;

/// The settings of one section by option name.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) settings: BTreeMap<&'static str, Setting>,
    pub(crate) places: BTreeMap<&'static str, Position>,
    /// Place of each server, in the order of the file.
    pub server_places: Vec<Position>,
    /// True if the section has a fault; missing settings are already reported.
    pub faulty: bool,
}

/// Access by name. Requesting an option that is not in the table, or with the wrong type, is a bug of ours
/// and panics; a faulty value reads as the option's default, or as the type's least harmful value.
impl Settings {
    /// Place of the option.
    pub fn place(&self, name: &str) -> Option<Position> {
        self.places.get(name).copied()
    }

    /// True if the option was written in the file.
    pub fn written(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Setting::Bool(true)))
    }

    pub fn integer(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Setting::Integer(value)) => *value,
            None => 0,
            Some(other) => panic!("{name} is {other:?}, not an integer"),
        }
    }

    pub fn integer_if_set(&self, name: &str) -> Option<i64> {
        self.get(name).map(|_| self.integer(name))
    }

    /// None if it is off.
    pub fn duration_if_on(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some(Setting::Duration(value)) => Some(*value),
            Some(Setting::Off) | None => None,
            Some(other) => panic!("{name} is {other:?}, not a duration"),
        }
    }

    pub fn duration(&self, name: &str) -> Duration {
        self.duration_if_on(name).unwrap_or_default()
    }

    pub fn size(&self, name: &str) -> usize {
        match self.get(name) {
            Some(Setting::Size(value)) => usize::try_from(*value).unwrap_or(usize::MAX),
            None => 0,
            Some(other) => panic!("{name} is {other:?}, not a size"),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Setting::Text(value)) => Some(value),
            None => None,
            Some(other) => panic!("{name} is {other:?}, not a text"),
        }
    }

    pub fn secret(&self, name: &str) -> Option<Secret> {
        match self.get(name) {
            Some(Setting::Secret(value)) => Some(value.clone()),
            None => None,
            Some(other) => panic!("{name} is {other:?}, not a secret"),
        }
    }

    pub fn secrets(&self, name: &str) -> &[Secret] {
        match self.get(name) {
            Some(Setting::Secrets(value)) => value,
            None => &[],
            Some(other) => panic!("{name} is {other:?}, not a list of secrets"),
        }
    }

    pub fn texts(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Setting::Texts(value)) => value,
            None => &[],
            Some(other) => panic!("{name} is {other:?}, not a list of texts"),
        }
    }

    pub fn rate(&self, name: &str) -> Option<Rate> {
        match self.get(name) {
            Some(Setting::Rate(value)) => Some(*value),
            None => None,
            Some(other) => panic!("{name} is {other:?}, not a rate"),
        }
    }

    pub fn listens(&self, name: &str) -> Vec<Listen> {
        match self.get(name) {
            Some(Setting::Listens(value)) => value.clone(),
            None => Vec::new(),
            Some(other) => panic!("{name} is {other:?}, not a list of addresses"),
        }
    }

    pub fn servers(&self, name: &str) -> &[Server] {
        match self.get(name) {
            Some(Setting::Servers(value)) => value,
            None => &[],
            Some(other) => panic!("{name} is {other:?}, not a list of servers"),
        }
    }

    pub fn hash_tag(&self, name: &str) -> Option<[u8; 2]> {
        match self.get(name) {
            Some(Setting::HashTag(value)) => Some(*value),
            None => None,
            Some(other) => panic!("{name} is {other:?}, not a hash tag"),
        }
    }

    pub fn written_listens(&self, name: &str) -> &[WrittenListen] {
        match self.get(name) {
            Some(Setting::WrittenListens(value)) => value,
            None => &[],
            Some(other) => panic!("{name} is {other:?}, not a list of listeners"),
        }
    }

    pub fn tls(&self, name: &str) -> Option<TlsToClients> {
        match self.get(name) {
            Some(Setting::Tls(value)) => Some(value.clone()),
            None => None,
            Some(other) => panic!("{name} is {other:?}, not TLS"),
        }
    }

    pub fn server_tls(&self, name: &str) -> Option<TlsToServers> {
        match self.get(name) {
            Some(Setting::ServerTls(value)) => Some(value.clone()),
            Some(Setting::Off) | None => None,
            Some(other) => panic!("{name} is {other:?}, not TLS"),
        }
    }
}
