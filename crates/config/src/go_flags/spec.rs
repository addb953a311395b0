//! A row of a flag table: name, type, default, usage text.
//!
//! Some flags are not the original's (`beyond`): they are accepted, but its usage text does not change.

/// One flag of a program.
#[derive(Debug, Clone, Copy)]
pub struct FlagSpec {
    /// Name without dashes.
    pub name: &'static str,
    /// Type.
    pub kind: GoKind,
    /// The default, as the usage text shows it.
    pub default: &'static str,
    /// Usage text. A flag that the original does not have may have none, since scripts
    /// may know the program's usage text.
    pub usage: &'static str,
    /// Name of the field in the original, as its messages show it.
    pub field: &'static str,
    key: Key,
    pub(super) check: Option<Check>,
    /// True for a flag that the original does not have: accepted, but not in the
    /// usage text, which is byte-exact.
    pub beyond: bool,
}

/// A check of a flag's text; the error is the reason for a refusal.
type Check = fn(&str) -> Result<(), String>;

#[derive(Debug, Clone, Copy)]
enum Key {
    Derived,
    Named(&'static str),
    None,
}

/// A row of a flag table; its key in the configuration file is its name with underscores.
pub const fn flag(
    name: &'static str,
    kind: GoKind,
    default: &'static str,
    usage: &'static str,
    field: &'static str,
) -> FlagSpec {
    FlagSpec { name, kind, default, usage, field, key: Key::Derived, check: None, beyond: false }
}

impl FlagSpec {
    /// This row with another key.
    #[must_use]
    pub const fn key(self, key: &'static str) -> FlagSpec {
        FlagSpec { key: Key::Named(key), ..self }
    }

    /// This row for a flag that the configuration file cannot set.
    #[must_use]
    pub const fn no_key(self) -> FlagSpec {
        FlagSpec { key: Key::None, ..self }
    }

    /// This row for a flag that the original does not have.
    #[must_use]
    pub const fn beyond(self) -> FlagSpec {
        FlagSpec { beyond: true, ..self }
    }

    /// This row for a flag that only accepts texts that pass `check`.
    #[must_use]
    pub const fn checked(self, check: Check) -> FlagSpec {
        FlagSpec { check: Some(check), ..self }
    }

    /// The key in the configuration file, if the file can set it.
    pub fn file_key(&self) -> Option<String> {
        match self.key {
            Key::Derived => Some(self.name.replace('-', "_")),
            Key::Named(key) => Some(key.into()),
            Key::None => None,
        }
    }
}

/// Type of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoKind {
    /// A boolean.
    Bool,
    /// A 64-bit signed integer.
    Int,
    /// A number.
    Float,
    /// A duration.
    Duration,
    /// A text.
    Text,
    /// A text; may be given several times.
    Texts,
    /// Comma-separated numbers; may be given several times.
    Floats,
    /// debug, info, warn, error, fatal.
    LogLevel,
    /// A boolean or `tcp-https`.
    TlsRequired,
    /// ssl3.0, tls1.0, tls1.1, tls1.2, tls1.3.
    TlsVersion,
}
