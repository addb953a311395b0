//! A configuration in force as rows for pages: each option with its value and its origin.
//!
//! ```text
//! timeout    250ms    nuthatch.toml:5
//! backlog    512      default
//! threads    2        an earlier configuration; 4 (nuthatch.toml:1) waits for a restart
//! ```
//! Values are shown without secrets.

use crate::checked::Config;
use crate::effective::{self, Section};
use crate::native;
use crate::nsqd;
use crate::options::{Absent, OptionSpec, Scope};
use crate::setting::{Setting, key};
use crate::variables;
use crate::written;

use super::origins::Origins;

/// A section of the configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSection {
    /// Its kind.
    pub scope: Scope,
    /// Name of the pool or user; empty for other sections.
    pub name: String,
    /// Its heading in the file; empty for options at the top.
    pub heading: String,
    /// Its options, in the order of the documentation.
    pub rows: Vec<ShownSetting>,
}

/// An option in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSetting {
    /// Its name.
    pub name: &'static str,
    /// Its value; if it is not set, what that means.
    pub value: String,
    /// Origin of the value: a file and line, a flag, `default`.
    pub origin: String,
    /// True if somebody has set it: it is not the default.
    pub is_set: bool,
    /// Its meaning.
    pub doc: &'static str,
}

/// Source of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Basis {
    /// A native file: its name and its text.
    Native(String, String),
    /// A nutcracker.yml: its name and its text. Process-wide options come from nutcracker's flags.
    Nutcracker(String, String),
    /// nsqd's arguments, and the name and text of its file.
    Nsqd(Vec<String>, Option<(String, String)>),
    /// Nothing that is known.
    #[default]
    Unknown,
}

/// The sections of the configuration in force. `wanted` was read from `basis`; what of it waits for a restart
/// is said at the option.
pub fn rows(in_force: &Config, wanted: &Config, basis: &Basis) -> Vec<ShownSection> {
    let origins = match basis {
        Basis::Native(name, text) => Some(Origins::read(name, text, &variables::of_process)),
        _ => None,
    };
    let all_default = *basis == Basis::Unknown && *in_force == native::default(in_force.threads);
    let wanted = effective::sections(wanted);
    let shown = |section: Section| {
        let same = |other: &&Section| other.scope == section.scope && other.name == section.name;
        let told = Told { basis, origins: origins.as_ref(), wanted: wanted.iter().find(same), all_default };
        let rows = section.settings().filter_map(|(option, value)| told.row(&section, option, value));
        ShownSection {
            scope: section.scope,
            heading: heading(&section),
            rows: rows.collect(),
            name: section.name.clone(),
        }
    };
    effective::sections(in_force).into_iter().map(shown).collect()
}

fn heading(section: &Section) -> String {
    match section.scope {
        Scope::Process => String::new(),
        Scope::Pool => format!("[pool.{}]", key(&section.name)),
        Scope::User => format!("[user.{}]", key(&section.name)),
        scope => scope.heading().to_owned(),
    }
}

/// Knowledge about a section's origin.
struct Told<'a> {
    basis: &'a Basis,
    origins: Option<&'a Origins>,
    /// The section as read.
    wanted: Option<&'a Section>,
    /// True if no option of the process differs from its default.
    all_default: bool,
}

impl Told<'_> {
    /// The row of an option; None if it has no value and that means nothing.
    fn row(&self, section: &Section, option: &OptionSpec, value: Option<&Setting>) -> Option<ShownSetting> {
        let unset = match option.absent {
            Absent::Unset(text) | Absent::Computed(text) => text,
            Absent::Is(_) | Absent::Required => "",
        };
        let shown = match value {
            Some(value) => value.to_string(),
            None if unset.is_empty() => return None,
            None => unset.to_owned(),
        };
        let source = self.source(section, option);
        let is_set = source.is_some() && value.is_some();
        let origin = source.unwrap_or_else(|| if self.is_known() { "default" } else { "" }.to_owned());
        let wanted = self.wanted.map(|wanted| wanted.get(option.name));
        let origin = match wanted {
            Some(wanted) if wanted != value => {
                let next = wanted.map_or_else(|| unset.to_owned(), Setting::to_string);
                let place = if origin.is_empty() { String::new() } else { format!(" ({origin})") };
                format!("an earlier configuration; {next}{place} waits for a restart")
            }
            Some(_) => origin,
            None => "an earlier configuration; the section's removal waits for a restart".to_owned(),
        };
        Some(ShownSetting { name: option.name, value: shown, origin, is_set, doc: option.doc })
    }

    /// True if what has no source is a default.
    fn is_known(&self) -> bool {
        self.all_default || *self.basis != Basis::Unknown
    }

    /// Place where an option is set; None if it is not.
    fn source(&self, section: &Section, option: &OptionSpec) -> Option<String> {
        match self.basis {
            Basis::Native(..) => self.origins?.of_option(section, option.name).map(ToString::to_string),
            Basis::Nutcracker(name, text) => of_nutcracker(name, text, section, option),
            Basis::Nsqd(arguments, file) => of_nsqd(arguments, file.as_ref(), option),
            Basis::Unknown => None,
        }
    }
}

/// Line of a pool's key in block style. Keys in another style, and options that nutcracker's flags set, are
/// not told from defaults.
fn of_nutcracker(name: &str, text: &str, section: &Section, option: &OptionSpec) -> Option<String> {
    if section.scope != Scope::Pool {
        return Some("nutcracker's flags and defaults".into());
    }
    let key = option.nutcracker?;
    let bare = |line: &'_ str| line.split('#').next().unwrap_or_default().trim_end().to_owned();
    let is_key = |line: &str, key: &str| {
        let line = line.trim_start().trim_start_matches(['"', '\'']);
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    let mut lines = text.lines().map(bare).enumerate();
    lines.find(|(_, line)| !line.starts_with(' ') && is_key(line, &section.name))?;
    let inside = lines.take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '-']));
    let found = inside.into_iter().find(|(_, line)| is_key(line, key));
    Some(found.map_or_else(|| format!("{name}, or its default"), |(at, _)| format!("{name}:{}", at + 1)))
}

/// The flag of an option among the arguments, or its line in nsqd's file.
fn of_nsqd(arguments: &[String], file: Option<&(String, String)>, option: &OptionSpec) -> Option<String> {
    let flag = option.nsqd?;
    let is_it = |argument: &String| {
        let bare = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
        bare.is_some_and(|bare| bare.split('=').next() == Some(flag))
    };
    if arguments.iter().any(is_it) {
        return Some(format!("flag -{flag}"));
    }
    let (name, text) = file?;
    let key = nsqd::PROGRAM.flags.iter().find(|spec| spec.name == flag)?.file_key()?;
    let (entries, _) = written::parse(text);
    let entry = entries.iter().find(|entry| entry.key == key)?;
    Some(format!("{name}:{}", entry.at.line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        native::check(text, 2).config.unwrap_or_else(|| panic!("{text}"))
    }

    fn native_basis(text: &str) -> Basis {
        Basis::Native("n.toml".into(), text.into())
    }

    /// Value and origin of an option.
    fn of(sections: &[ShownSection], heading: &str, option: &str) -> (String, String) {
        let section = sections.iter().find(|section| section.heading == heading).expect("the section");
        let row = section.rows.iter().find(|row| row.name == option).expect("the option");
        (row.value.clone(), row.origin.clone())
    }

    const FILE: &str = "threads = 3\n[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [\"local\"]\ntimeout = \"250ms\"\nauth = \"s3cret\"\n";

    #[test]
    fn each_value_has_its_origin_and_no_secret() {
        let config = config(FILE);
        let sections = rows(&config, &config, &native_basis(FILE));
        assert_eq!(of(&sections, "", "threads"), ("3".into(), "n.toml:1".into()));
        assert_eq!(of(&sections, "[pool.a]", "timeout"), ("250ms".into(), "n.toml:5".into()));
        assert_eq!(of(&sections, "[pool.a]", "backlog").1, "default");
        assert!(!format!("{sections:?}").contains("s3cret"), "{sections:?}");
        assert_eq!(of(&sections, "[pool.a]", "auth").1, "n.toml:6");
    }

    #[test]
    fn what_waits_for_a_restart_is_said() {
        let (in_force, later) = (config(FILE), FILE.replace("threads = 3", "threads = 4"));
        let sections = rows(&in_force, &config(&later), &native_basis(&later));
        let told = "an earlier configuration; 4 (n.toml:1) waits for a restart";
        assert_eq!(of(&sections, "", "threads"), ("3".into(), told.into()));
    }

    #[test]
    fn without_a_file_everything_is_a_default() {
        let config = native::default(2);
        let sections = rows(&config, &config, &Basis::Unknown);
        assert_eq!(of(&sections, "[pool.redis]", "timeout").1, "default");
        assert!(sections.iter().all(|section| section.rows.iter().all(|row| !row.is_set)));
    }

    #[test]
    fn flags_of_nsqd_and_lines_of_its_file() {
        let named = |name: &str| {
            let mut options = Scope::Queue.options();
            options.find(|option| option.nsqd == Some(name)).expect("an option")
        };
        let arguments = ["--mem-queue-size=5".to_owned(), "-max-rdy-count".to_owned(), "9".to_owned()];
        let file = ("nsqd.cfg".to_owned(), "# a\nmsg_timeout = \"5s\"\n".to_owned());
        for (flag, expected) in [
            ("mem-queue-size", Some("flag -mem-queue-size")),
            ("max-rdy-count", Some("flag -max-rdy-count")),
            ("msg-timeout", Some("nsqd.cfg:2")),
            ("sync-every", None),
        ] {
            let found = of_nsqd(&arguments, Some(&file), named(flag));
            assert_eq!(found.as_deref(), expected, "{flag}");
        }
    }

    #[test]
    fn lines_of_a_nutcracker_yml() {
        let text = "alpha:\n  listen: 127.0.0.1:1\n  hash: fnv1a_64 # a\n  servers:\n   - 127.0.0.1:2:1\nbeta:\n  listen: 127.0.0.1:3\n  timeout: 400\n";
        let mut pool = config(FILE).pools.remove(0);
        let option =
            |name: &str| Scope::Pool.options().find(|option| option.name == name).expect("an option");
        for (name, key, expected) in [
            ("alpha", "hash", Some("c.yml:3")),
            ("alpha", "timeout", Some("c.yml, or its default")),
            ("beta", "timeout", Some("c.yml:8")),
            ("beta", "hot_keys", None),
        ] {
            pool.name = name.into();
            let found = of_nutcracker("c.yml", text, &effective::pool(&pool), option(key));
            assert_eq!(found.as_deref(), expected, "{name} {key}");
        }
    }
}
