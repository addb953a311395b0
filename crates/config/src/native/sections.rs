//! The sections of a file: single ones, and named ones.
//!
//! A key outside of all sections is an option of the process.

use crate::fault::{Fault, Position};
use crate::options::Scope;
use crate::suggest;
use crate::values::{self, Settings};
use crate::written::{Entry, Value};

/// The place of a section that is not written.
pub(super) const TOP: Position = Position { line: 1, column: 1 };

/// Every section as written.
pub(super) struct Sections<'a> {
    pub(super) process: Vec<Entry>,
    pub(super) tables: Vec<(&'a str, Position, &'a [Entry])>,
    pub(super) pools: Vec<(&'a str, Position, &'a [Entry])>,
    pub(super) users: Vec<(&'a str, Position, &'a [Entry])>,
}

impl<'a> Sections<'a> {
    pub(super) const NAMES: [&'static str; 7] =
        ["log", "stats", "admin", "local", "queue", "engine", "lookup"];
    /// Kinds of sections that may occur several times, each with its own name.
    pub(super) const NAMED: [&'static str; 2] = ["pool", "user"];

    pub(super) fn split(entries: &'a [Entry], faults: &mut Vec<Fault>) -> Sections<'a> {
        let (tables, pools, users) = Default::default();
        let mut sections = Sections { process: Vec::new(), tables, pools, users };
        for entry in entries {
            let name = entry.key.as_str();
            match &entry.value.value {
                Value::Table(inner) if name == "pool" => named(name, inner, &mut sections.pools, faults),
                Value::Table(inner) if name == "user" => named(name, inner, &mut sections.users, faults),
                Value::Table(inner) if Sections::NAMES.contains(&name) => {
                    sections.tables.push((name, entry.at, inner));
                }
                Value::Table(_) => faults.push(unknown_section(entry)),
                _ if Sections::NAMED.contains(&name) || Sections::NAMES.contains(&name) => {
                    let is_named = Sections::NAMED.contains(&name);
                    let help =
                        if is_named { format!("write [{name}.NAME]") } else { format!("write [{name}]") };
                    faults.push(Fault::error(
                        Some(entry.at),
                        format!("{name} is a section, not an option"),
                        help,
                    ));
                }
                _ => sections.process.push(entry.clone()),
            }
        }
        sections
    }

    pub(super) fn section(&self, name: &str) -> Option<(Position, &'a [Entry])> {
        self.tables.iter().find(|(table, ..)| *table == name).map(|(_, at, entries)| (*at, *entries))
    }

    /// Places of the options that name TLS files: section, option.
    pub(super) fn places_of_files(&self) -> Vec<(String, &'static str, Position)> {
        let pools = self.pools.iter().map(|(name, _, entries)| (format!("[pool.{name}]"), *entries));
        let admin = self.section("admin").map(|(_, entries)| ("[admin]".to_owned(), entries));
        let mut places = Vec::new();
        let engine = self.section("engine").map(|(_, entries)| ("[engine]".to_owned(), entries));
        for (section, entries) in pools.chain(admin).chain(engine) {
            for option in ["tls", "server_tls"] {
                let entry = entries.iter().find(|entry| entry.key == option);
                places.extend(entry.map(|entry| (section.clone(), option, entry.value.at)));
            }
        }
        places
    }

    pub(super) fn place(&self, name: &str) -> Option<Position> {
        self.section(name).map(|(at, _)| at)
    }

    /// Reads a section of the options table. Sections that only hold defaults are read even if absent.
    pub(super) fn read(&self, scope: Scope, name: &str, faults: &mut Vec<Fault>) -> Option<Settings> {
        let always = matches!(scope, Scope::Log | Scope::Local);
        match self.section(name) {
            Some((at, entries)) => Some(values::read(scope, &format!("[{name}]"), at, entries, faults)),
            None => always.then(|| values::read(scope, name, TOP, &[], faults)),
        }
    }
}

/// Adds the sections `[KIND.NAME]` of one kind.
fn named<'a>(
    kind: &str,
    entries: &'a [Entry],
    sections: &mut Vec<(&'a str, Position, &'a [Entry])>,
    faults: &mut Vec<Fault>,
) {
    for entry in entries {
        match &entry.value.value {
            Value::Table(inner) => sections.push((&entry.key, entry.at, inner)),
            _ => {
                let text = format!("{} stands in [{kind}], which has no options", entry.key);
                let help = format!("give the {kind} a name: [{kind}.NAME]");
                faults.push(Fault::error(Some(entry.at), text, help));
            }
        }
    }
}

fn unknown_section(entry: &Entry) -> Fault {
    let known = Sections::NAMES.into_iter().chain(Sections::NAMED);
    let help = match suggest::nearest(&entry.key, known) {
        Some(name) if Sections::NAMED.contains(&name) => format!("did you mean [{name}.NAME]?"),
        Some(name) => format!("did you mean [{name}]?"),
        None => format!("sections are pool.NAME, user.NAME, {}", Sections::NAMES.join(", ")),
    };
    Fault::error(Some(entry.at), format!("unknown section [{}]", entry.key), help)
}
