//! A configuration in TOML, each value with its origin.
//!
//! ```toml
//! [pool.cache]                                 # nuthatch.toml:3
//! timeout = "250ms"                            # nuthatch.toml:5, ${WAIT}
//! db = 0                                       # default
//! auth = "${SECRET_1}"                         # nuthatch.toml:4
//! ```
//! It is an equivalent nuthatch.toml without secrets: a secret from a variable becomes that variable again,
//! any other is `${SECRET_1}` and so on, to be set when the text is read; a file with a secret is named.

mod origins;
mod rows;
mod secrets;

use std::fmt::Write;

use self::origins::{Origin, Origins};
pub use self::rows::{Basis, ShownSection, ShownSetting, rows};
use self::secrets::Secrets;
use crate::checked::Config;
use crate::effective::{self, Section};
use crate::options::{Absent, OptionSpec, Scope};
use crate::setting::{Setting, key};
use crate::variables::Lookup;

/// Column of the comments.
const COLUMN: usize = 48;

/// The native file of a configuration.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The environment for its variables.
    pub lookup: Lookup<'a>,
}

/// A configuration in TOML; without a source it has no origins.
pub fn toml(config: &Config, source: Option<Source<'_>>) -> String {
    let origins = source.map(|source| Origins::read(source.name, source.text, source.lookup));
    let mut out = String::new();
    let mut secrets = Secrets::default();
    for section in effective::sections(config) {
        heading(&mut out, &section, origins.as_ref());
        for (option, value) in section.settings() {
            line(&mut out, &section, option, value, origins.as_ref(), &mut secrets);
        }
    }
    let names = secrets.names();
    if names.is_empty() { out } else { format!("# Secrets are not shown: set {names} to read this.\n{out}") }
}

fn heading(out: &mut String, section: &Section, origins: Option<&Origins>) {
    let name = match section.scope {
        Scope::Process => return,
        Scope::Pool => format!("[pool.{}]", key(&section.name)),
        Scope::User => format!("[user.{}]", key(&section.name)),
        scope => scope.heading().to_owned(),
    };
    out.push('\n');
    let origin = origins.map(|origins| shown(origins.of_section(section), || "default".into()));
    commented(out, &name, origin.as_deref());
}

/// The line of an option; an unset one is a comment.
fn line(
    out: &mut String,
    section: &Section,
    option: &OptionSpec,
    value: Option<&Setting>,
    origins: Option<&Origins>,
    secrets: &mut Secrets,
) {
    let name = option.name;
    let origin = origins.and_then(|origins| origins.of_option(section, name));
    let in_file = matches!(value, Some(Setting::Secret(secret)) if secret.file().is_some());
    let value = value.filter(|_| !in_file).map(|value| secrets.toml(value, origin));
    match (value, &option.absent) {
        (Some(value), _) => {
            let comment = origins.map(|_| shown(origin, || default(option)));
            commented(out, &format!("{name} = {value}"), comment.as_deref());
        }
        (None, _) if in_file => {
            let _ = writeln!(out, "# {name}: in {name}_file");
        }
        (None, Absent::Unset(text) | Absent::Computed(text)) => {
            let _ = writeln!(out, "# {name}: {text}");
        }
        (None, Absent::Is(_) | Absent::Required) => {}
    }
}

fn shown(origin: Option<&Origin>, otherwise: impl FnOnce() -> String) -> String {
    origin.map_or_else(otherwise, Origin::to_string)
}

fn default(option: &OptionSpec) -> String {
    match option.absent {
        Absent::Is(_) | Absent::Required => "default".into(),
        Absent::Unset(text) | Absent::Computed(text) => format!("default: {text}"),
    }
}

/// One or more lines, with a comment after the first.
fn commented(out: &mut String, text: &str, comment: Option<&str>) {
    let (first, rest) = text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let _ = match comment {
        Some(comment) => writeln!(out, "{first:<COLUMN$} # {comment}"),
        None => writeln!(out, "{first}"),
    };
    if let Some(rest) = rest {
        let _ = writeln!(out, "{rest}");
    }
}

#[cfg(test)]
mod tests;
