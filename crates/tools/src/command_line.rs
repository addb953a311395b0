//! The command line of a tool: Go's syntax, `-version`, and values by name.

use std::time::Duration;

use config::go_flags::{self, Exit, FlagSpec, GoKind, GoValue, GoValues, flag};
use config::nsq_program::Program;
use config::nsqd::VERSION;

/// A tool and its flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// Name printed by `-version`.
    pub name: &'static str,
    /// Name in the usage text: `nsq_to_file` has a different one there.
    pub usage_name: &'static str,
    /// Every flag.
    pub flags: &'static [FlagSpec],
}

/// Flag with a text value.
pub(crate) const fn text(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Text, default, usage, "")
}

/// Flag with text values, which may be repeated.
pub(crate) const fn texts(name: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Texts, "", usage, "")
}

/// Flag with an integer value.
pub(crate) const fn int(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Int, default, usage, "")
}

/// Flag with a duration value.
pub(crate) const fn duration(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Duration, default, usage, "")
}

/// Boolean flag.
pub(crate) const fn switch(name: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Bool, "false", usage, "")
}

impl Tool {
    /// A tool whose usage text shows its own name.
    pub(crate) const fn new(name: &'static str, flags: &'static [FlagSpec]) -> Tool {
        Tool { name, usage_name: name, flags }
    }

    /// Usage lines of the flags that NSQ's tool does not have; empty if there are none.
    pub(crate) fn beyond(&self) -> String {
        go_flags::entries(self.flags.iter().filter(|flag| flag.beyond), &go_flags::shown_default)
    }

    /// Parses a command line.
    ///
    /// # Errors
    ///
    /// Text to print and exit status, for `-h`, `-version`, and any error.
    pub(crate) fn read(&self, arguments: &[String]) -> Result<GoValues, Exit> {
        self.read_all(arguments).map(|(values, _)| values)
    }

    /// Parses a command line, and also returns the arguments after the flags.
    ///
    /// # Errors
    ///
    /// As [`Tool::read`].
    pub(crate) fn read_all(&self, arguments: &[String]) -> Result<(GoValues, Vec<String>), Exit> {
        let program =
            Program { name: self.usage_name, flags: self.flags, show_default: go_flags::shown_default };
        let parsed = go_flags::parse(program.name, program.flags, arguments, &program.show_default)?;
        if parsed.given.get("version") == Some(&GoValue::Bool(true)) {
            return Err(Exit::Answer(format!("{} v{VERSION}\n", self.name)));
        }
        Ok((program.resolve(parsed.given, GoValues::new()), parsed.rest))
    }
}

/// Ends a tool with a line in the format of Go's standard logger, and status 1.
pub(crate) fn refuse<T>(line: impl Into<String>) -> Result<T, Exit> {
    Err(Exit::Plain(line.into()))
}

/// A duration that must be above zero.
///
/// # Errors
///
/// A duration of zero or below.
pub(crate) fn positive(values: &GoValues, flag: &str) -> Result<Duration, Exit> {
    let duration = values.duration(flag);
    if duration.is_zero() { refuse(format!("--{flag} should be positive")) } else { Ok(duration) }
}
