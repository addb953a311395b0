//! The program that a configuration file belongs to, detected by its content, so that the
//! wrong command can name the right one.
//!
//! nutcracker.yml is YAML and not valid TOML: its first line of content is a pool's name and a colon.
//! nsqd.cfg is TOML with keys at the top, where a nuthatch.toml has few options and mostly sections. Anything
//! undecided counts as the native file.

use std::path::Path;

use crate::nsqd::flags::FLAGS;
use crate::options::Scope;
use crate::written::{self, Entry, Value};

/// A kind of configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// nuthatch.toml.
    Native,
    /// nutcracker.yml.
    Nutcracker,
    /// nsqd.cfg.
    Nsqd,
}

impl FileKind {
    /// The kind of a file with this name and content.
    pub fn of(name: &Path, content: &[u8]) -> FileKind {
        let is_yaml = name.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
        let text = String::from_utf8_lossy(content);
        if is_yaml || begins_as_yaml(&text) {
            return FileKind::Nutcracker;
        }
        let (entries, _) = written::parse(&text);
        if entries.iter().any(is_nsqds) && !entries.iter().any(|entry| is_section(&entry.value.value)) {
            return FileKind::Nsqd;
        }
        FileKind::Native
    }

    /// The file's usual name.
    pub fn name(self) -> &'static str {
        match self {
            FileKind::Native => "nuthatch.toml",
            FileKind::Nutcracker => "nutcracker.yml",
            FileKind::Nsqd => "nsqd.cfg",
        }
    }

    /// The command line that runs `file`.
    pub fn command(self, file: &str) -> String {
        match self {
            FileKind::Native => format!("nuthatch run -c {file}"),
            FileKind::Nutcracker => format!("nuthatch nutcracker -c {file}"),
            FileKind::Nsqd => format!("nuthatch nsqd --config={file}"),
        }
    }
}

/// True if the first line that is neither empty nor a comment is `name:`, optionally followed by a comment.
fn begins_as_yaml(text: &str) -> bool {
    let content = |line: &&str| !line.is_empty() && !line.starts_with('#') && *line != "---";
    let first = text.trim_start_matches('\u{feff}').lines().map(str::trim).find(content).unwrap_or_default();
    let first = first.split(" #").next().unwrap_or_default().trim_end();
    first.strip_suffix(':').is_some_and(|name| !name.contains(['=', '[', '"']))
}

fn is_section(value: &Value) -> bool {
    matches!(value, Value::Table(_))
}

/// True for a key of nsqd's file that is no option of the process.
fn is_nsqds(entry: &Entry) -> bool {
    Scope::Process.option(&entry.key).is_none()
        && FLAGS.iter().any(|flag| flag.file_key().as_deref() == Some(&entry.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (name, content, kind) in [
            ("a.toml", "", FileKind::Native),
            ("a.toml", crate::native::DEFAULT_FILE, FileKind::Native),
            ("a.toml", "threads = 1\n", FileKind::Native),
            ("a.toml", "tcp_adress = 1\n", FileKind::Native),
            ("a.toml", "data_path = \"/x\"\n[queue]\n", FileKind::Native),
            ("a", "# x\n\nalpha:\n  listen: 127.0.0.1:1\n", FileKind::Nutcracker),
            ("-", "alpha: # the first\n  listen: a\n", FileKind::Nutcracker),
            ("a.yml", "", FileKind::Nutcracker),
            ("a.yaml", "{", FileKind::Nutcracker),
            ("nsqd.cfg", "verbose = false\ntcp_address = \"0.0.0.0:4150\"\n", FileKind::Nsqd),
            ("a.toml", "nsqlookupd_tcp_addresses = []\n", FileKind::Nsqd),
            ("a.toml", "[pool.a]\nlisten = \"a:1\"\n", FileKind::Native),
        ] {
            assert_eq!(FileKind::of(Path::new(name), content.as_bytes()), kind, "{name} {content}");
        }
    }
}
