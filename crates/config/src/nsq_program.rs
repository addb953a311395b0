//! Command line and file of an NSQ program: flags win over the file, the file over defaults.

use crate::go_flags::{self, Exit, FlagSpec, GoKind, GoValue, GoValues};
use crate::nsqd::file;

/// NSQ version shown to clients and scripts.
pub const VERSION: &str = "1.3.0";

/// A program and its flags.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name, as in its texts.
    pub name: &'static str,
    /// Every flag.
    pub flags: &'static [FlagSpec],
    /// Default of a flag as `-h` shows it, including defaults that depend on the machine.
    pub show_default: fn(&FlagSpec) -> String,
}

impl Program {
    /// Reads a command line (without the program's name) and the file that it
    /// names. Every flag then has a value.
    ///
    /// # Errors
    ///
    /// Text to print and exit status, for `-h`, `-version`, and any fault.
    pub fn from_arguments(&self, arguments: &[String]) -> Result<GoValues, Exit> {
        let parsed = go_flags::parse(self.name, self.flags, arguments, &self.show_default)?;
        if parsed.given.get("version") == Some(&GoValue::Bool(true)) {
            return Err(Exit::Answer(format!("{}\n", version_line(self.name))));
        }
        let file = match parsed.given.get("config") {
            Some(GoValue::Text(path)) if !path.is_empty() => file::load(path, self.flags)?,
            _ => GoValues::new(),
        };
        Ok(self.resolve(parsed.given, file))
    }

    /// Merges the values: flags win over the file, the file over defaults.
    pub fn resolve(&self, mut given: GoValues, mut file: GoValues) -> GoValues {
        for flag in self.flags {
            if given.contains_key(flag.name) {
                continue;
            }
            let value = file.remove(flag.name).unwrap_or_else(|| self.default(flag));
            given.insert(flag.name, value);
        }
        given
    }

    fn default(&self, flag: &FlagSpec) -> GoValue {
        match flag.kind {
            GoKind::Texts => GoValue::Texts(Vec::new()),
            GoKind::Floats => GoValue::Floats(Vec::new()),
            kind => go_flags::read(kind, &(self.show_default)(flag))
                .expect("defaults are valid: a test of the table"),
        }
    }
}

/// `nsqd v1.3.0 (built w/...)`: the output of `-version` and the first line of the log.
pub fn version_line(program: &str) -> String {
    format!("{program} v{VERSION} (built w/nuthatch{})", env!("CARGO_PKG_VERSION"))
}
