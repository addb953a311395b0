//! The settings of one section, by the names of their options.

use std::collections::BTreeMap;
use std::time::Duration;

use access::Rate;

use crate::checked::{Listen, Server, TlsToClients, TlsToServers, TopicRule, WrittenListen};
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

/// The value of a setting of one type; `None` if it is not set. Another type is a bug of ours.
macro_rules! value {
    ($settings:ident, $name:ident, $what:literal, $kind:ident) => {
        match $settings.get($name) {
            Some(Setting::$kind(value)) => Some(value),
            None => None,
            Some(other) => panic!("{} is {other:?}, not {}", $name, $what),
        }
    };
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
        self.integer_if_set(name).unwrap_or(0)
    }

    pub fn integer_if_set(&self, name: &str) -> Option<i64> {
        value!(self, name, "an integer", Integer).copied()
    }

    /// None if it is off.
    pub fn duration_if_on(&self, name: &str) -> Option<Duration> {
        if self.is_off(name) { None } else { value!(self, name, "a duration", Duration).copied() }
    }

    pub fn duration(&self, name: &str) -> Duration {
        self.duration_if_on(name).unwrap_or_default()
    }

    pub fn size(&self, name: &str) -> usize {
        value!(self, name, "a size", Size).map_or(0, |&bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        value!(self, name, "a text", Text).map(String::as_str)
    }

    pub fn secret(&self, name: &str) -> Option<Secret> {
        value!(self, name, "a secret", Secret).cloned()
    }

    pub fn secrets(&self, name: &str) -> &[Secret] {
        value!(self, name, "a list of secrets", Secrets).map_or(&[], Vec::as_slice)
    }

    pub fn texts(&self, name: &str) -> &[String] {
        value!(self, name, "a list of texts", Texts).map_or(&[], Vec::as_slice)
    }

    pub fn rate(&self, name: &str) -> Option<Rate> {
        value!(self, name, "a rate", Rate).copied()
    }

    pub fn listens(&self, name: &str) -> Vec<Listen> {
        value!(self, name, "a list of addresses", Listens).cloned().unwrap_or_default()
    }

    pub fn servers(&self, name: &str) -> &[Server] {
        value!(self, name, "a list of servers", Servers).map_or(&[], Vec::as_slice)
    }

    pub fn topics(&self, name: &str) -> &[TopicRule] {
        value!(self, name, "a list of rules", Topics).map_or(&[], Vec::as_slice)
    }

    pub fn hash_tag(&self, name: &str) -> Option<[u8; 2]> {
        value!(self, name, "a hash tag", HashTag).copied()
    }

    pub fn written_listens(&self, name: &str) -> &[WrittenListen] {
        value!(self, name, "a list of listeners", WrittenListens).map_or(&[], Vec::as_slice)
    }

    pub fn tls(&self, name: &str) -> Option<TlsToClients> {
        value!(self, name, "TLS", Tls).cloned()
    }

    /// None if it is off.
    pub fn server_tls(&self, name: &str) -> Option<TlsToServers> {
        if self.is_off(name) { None } else { value!(self, name, "TLS", ServerTls).cloned() }
    }

    fn is_off(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Setting::Off))
    }
}
