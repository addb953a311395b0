//! Places of a file's sections and options, and the variables in their values.
//!
//! The file is parsed again here, so that a check need not keep data that only this needs.

use std::collections::BTreeMap;
use std::fmt;

use crate::effective::Section;
use crate::endpoint;
use crate::fault::Position;
use crate::options::Scope;
use crate::variables::{self, Lookup};
use crate::written::{self, Entry, Value, Written};

/// Origin of a section or of an option's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    file: String,
    at: Position,
    /// Variables in it, without duplicates, in order.
    variables: Vec<String>,
    /// The texts of the value with their variables unexpanded: one, or those of a list.
    pub texts: Vec<String>,
    /// Passwords of the servers in the value, unexpanded as well, by name in the ring.
    pub passwords: BTreeMap<String, String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.at.line)?;
        self.variables.iter().try_for_each(|name| write!(f, ", ${{{name}}}"))
    }
}

/// Origins of the sections and options of a file.
#[derive(Debug, Default)]
pub(super) struct Origins {
    /// By section and option; an empty option is the section itself.
    found: BTreeMap<(String, String), Origin>,
}

impl Origins {
    /// Reads a file as written. A faulty one has no origins.
    pub fn read(file: &str, text: &str, lookup: Lookup<'_>) -> Origins {
        let (entries, _) = written::parse(text);
        let mut expanded = entries.clone();
        variables::expand(&mut expanded, lookup, &mut Vec::new());
        let mut origins = Origins::default();
        origins.section(file, "", &entries, &expanded);
        origins
    }

    /// Origin of a section.
    pub fn of_section(&self, section: &Section) -> Option<&Origin> {
        self.found.get(&(path(section), String::new()))
    }

    /// Origin of an option's value.
    pub fn of_option(&self, section: &Section, option: &str) -> Option<&Origin> {
        self.found.get(&(path(section), option.to_owned()))
    }

    fn section(&mut self, file: &str, path: &str, entries: &[Entry], expanded: &[Entry]) {
        for (entry, expanded) in entries.iter().zip(expanded) {
            let (inner, option) = match (&entry.value.value, path) {
                (Value::Table(_), "") => (Some(entry.key.clone()), ""),
                (Value::Table(_), "pool" | "user") => (Some(format!("{path}.{}", entry.key)), ""),
                _ => (None, entry.key.as_str()),
            };
            let origin = origin(file, entry.at, &entry.value, &expanded.value);
            match (inner, &entry.value.value, &expanded.value.value) {
                (Some(inner), Value::Table(entries), Value::Table(expanded)) => {
                    self.section(file, &inner, entries, expanded);
                    self.found.insert((inner, String::new()), origin);
                }
                _ => {
                    self.found.insert((path.to_owned(), option.to_owned()), origin);
                }
            }
        }
    }
}

/// Path of a section in the file.
fn path(section: &Section) -> String {
    match section.scope {
        Scope::Process => String::new(),
        Scope::Pool => format!("pool.{}", section.name),
        Scope::User => format!("user.{}", section.name),
        scope => scope.heading().trim_matches(['[', ']']).to_owned(),
    }
}

fn origin(file: &str, at: Position, written: &Written, expanded: &Written) -> Origin {
    let (mut variables, mut texts) = (Vec::new(), Vec::new());
    // A section's variables belong to its options.
    if !matches!(written.value, Value::Table(_)) {
        add_variables(&written.value, &mut variables);
    }
    match &written.value {
        Value::Text(text) => texts.push(text.clone()),
        Value::List(items) => texts.extend(items.iter().map(|item| match &item.value {
            Value::Text(text) => text.clone(),
            _ => String::new(),
        })),
        _ => {}
    }
    Origin {
        file: file.to_owned(),
        at,
        variables,
        texts,
        passwords: passwords(&written.value, &expanded.value),
    }
}

fn add_variables(value: &Value, variables: &mut Vec<String>) {
    match value {
        Value::Text(text) => {
            for name in variables::names(text) {
                if !variables.iter().any(|known| known == name) {
                    variables.push(name.to_owned());
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| add_variables(&item.value, variables)),
        Value::Table(entries) => {
            for entry in entries {
                add_variables(&entry.value.value, variables);
            }
        }
        _ => {}
    }
}

/// Passwords as written of servers in table form, by the server's name after expansion.
fn passwords(written: &Value, expanded: &Value) -> BTreeMap<String, String> {
    let (Value::List(written), Value::List(expanded)) = (written, expanded) else { return BTreeMap::new() };
    let text = |value: &'_ Value, key: &str| match value {
        Value::Table(entries) => {
            entries.iter().find(|entry| entry.key == key).and_then(|entry| match &entry.value.value {
                Value::Text(text) => Some(text.clone()),
                _ => None,
            })
        }
        _ => None,
    };
    let of_server = |(written, expanded): (&Written, &Written)| {
        let address = text(&expanded.value, "address")?;
        let name = text(&expanded.value, "name");
        let identity =
            name.or_else(|| endpoint::target(&address).ok().map(|target| endpoint::identity(&target)))?;
        Some((identity, text(&written.value, "password")?))
    };
    written.iter().zip(expanded).filter_map(of_server).collect()
}
