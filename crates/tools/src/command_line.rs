//! The command line of a tool: Go's syntax, `-version`, and values by name.

use std::time::Duration;

use config::go_flags::{self, Exit, FlagSpec, GoKind, GoValue, GoValues, flag};
use config::nsq_program::Program;
use config::nsqd::VERSION;

/// A tool and its flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The name that `-version` prints.
    pub name: &'static str,
    /// The name in the usage text: `nsq_to_file` gives another one there.
    pub usage_name: &'static str,
    /// Every flag.
    pub flags: &'static [FlagSpec],
}

/// A flag with a text.
pub(crate) const fn text(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Text, default, usage, "")
}

/// A flag with texts that may be given several times.
pub(crate) const fn texts(name: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Texts, "", usage, "")
}

/// A flag with an integer.
pub(crate) const fn int(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Int, default, usage, "")
}

/// A flag with a duration.
pub(crate) const fn duration(name: &'static str, default: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Duration, default, usage, "")
}

/// A flag that is on or off.
pub(crate) const fn switch(name: &'static str, usage: &'static str) -> FlagSpec {
    flag(name, GoKind::Bool, "false", usage, "")
}

impl Tool {
    /// A tool whose usage text has its own name.
    pub(crate) const fn new(name: &'static str, flags: &'static [FlagSpec]) -> Tool {
        Tool { name, usage_name: name, flags }
    }

    /// Flags that NSQ's tool does not have, as a usage text has them; empty if there are none.
    pub(crate) fn beyond(&self) -> String {
        go_flags::entries(self.flags.iter().filter(|flag| flag.beyond), &go_flags::shown_default)
    }

    /// Reads a command line.
    ///
    /// # Errors
    ///
    /// Text to print and exit status, for `-h`, `-version`, and any fault.
    pub(crate) fn read(&self, arguments: &[String]) -> Result<GoValues, Exit> {
        self.read_all(arguments).map(|(values, _)| values)
    }

    /// Reads a command line, and gives back what stands behind the flags as well.
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

/// Ends a tool with a line in the form of Go's standard logger, and status 1.
pub(crate) fn refuse<T>(line: impl Into<String>) -> Result<T, Exit> {
    Err(Exit::Plain(line.into()))
}

/// A duration that must be above zero.
///
/// # Errors
///
/// It is not.
pub(crate) fn positive(values: &GoValues, flag: &str) -> Result<Duration, Exit> {
    let duration = values.duration(flag);
    if duration.is_zero() { refuse(format!("--{flag} should be positive")) } else { Ok(duration) }
}
