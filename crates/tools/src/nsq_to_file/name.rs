//! File names: the part fixed for a topic, and the parts that change with time and revision.

use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;

/// Placeholder of a file's revision number.
const REVISION: &str = "<REV>";

/// Name of a topic's files, with `<DATETIME>` and `<REV>` still unresolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pattern: String,
    datetime: String,
}

/// Host and process in a name.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub hostname: String,
    pub pid: u32,
}

/// Parts of the command line that form file names.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub filename: String,
    pub datetime: String,
    /// Empty: use the short host name.
    pub host_identifier: String,
    /// Suffix for the compression: `.gz`.
    pub suffix: &'static str,
    /// True if names need `<REV>`; otherwise it is left out.
    pub revisions: bool,
}

impl Format {
    /// Checks the format before any topic exists.
    ///
    /// # Errors
    ///
    /// `<REV>` is needed but missing.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.revisions && !self.filename.contains(REVISION) {
            return Err("missing <REV> in --filename-format when gzip, rotation, or work dir enabled");
        }
        Ok(())
    }

    /// The names of `topic`'s files.
    pub(super) fn name(&self, topic: &str, machine: &Machine) -> Name {
        let short = machine.hostname.split('.').next().unwrap_or_default();
        let host = match self.host_identifier.as_str() {
            "" => short.to_owned(),
            identifier => identifier.replace("<SHORT_HOST>", short).replace("<HOSTNAME>", &machine.hostname),
        };
        let filename =
            if self.revisions { self.filename.clone() } else { self.filename.replace(REVISION, "") };
        let mut pattern = filename
            .replace("<TOPIC>", topic)
            .replace("<HOST>", &host)
            .replace("<PID>", &machine.pid.to_string());
        if !pattern.ends_with(self.suffix) {
            pattern += self.suffix;
        }
        Name { pattern, datetime: self.datetime.clone() }
    }
}

impl Name {
    /// Name at a time, with `<REV>` still unresolved.
    pub(super) fn at(&self, wall: &ZonedDateTime) -> String {
        self.pattern.replace("<DATETIME>", &datetime(&self.datetime, wall))
    }
}

/// Path of a revision of the file `name` in `directory`.
pub(super) fn path(directory: &Path, name: &str, revision: u64) -> PathBuf {
    // A name that begins with / still goes below the directory.
    directory.join(name.replace(REVISION, &format!("-{revision:06}")).trim_start_matches('/'))
}

/// Supported conversions; every other character stands for itself.
const CONVERSIONS: &[u8] = b"BbmAadHIMSYypZz%";

fn datetime(format: &str, wall: &ZonedDateTime) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        rest = &rest[percent..];
        match rest.as_bytes().get(1) {
            Some(conversion) if CONVERSIONS.contains(conversion) => {
                out += &wall.strftime(&rest[..2]).to_string();
                rest = &rest[2..];
            }
            _ => {
                out.push('%');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(filename: &str) -> Format {
        Format {
            filename: filename.into(),
            datetime: "%Y-%m-%d_%H".into(),
            host_identifier: String::new(),
            suffix: "",
            revisions: false,
        }
    }

    fn machine() -> Machine {
        Machine { hostname: "web1.example.org".into(), pid: 77 }
    }

    fn wall() -> ZonedDateTime {
        "2026-11-09T15:04:05+01:00[Europe/Paris]".parse().unwrap()
    }

    #[test]
    fn names() {
        let plain = format("<TOPIC>.<HOST><REV>.<DATETIME>.log");
        assert_eq!(plain.name("t", &machine()).at(&wall()), "t.web1.2026-11-09_15.log");
        let gzip = Format { suffix: ".gz", revisions: true, ..plain.clone() };
        let name = gzip.name("t", &machine()).at(&wall());
        assert_eq!(name, "t.web1<REV>.2026-11-09_15.log.gz");
        assert_eq!(path(Path::new("/d"), &name, 12), Path::new("/d/t.web1-000012.2026-11-09_15.log.gz"));
        let named = Format { host_identifier: "<SHORT_HOST>+<HOSTNAME>".into(), ..format("<HOST>/<PID>.gz") };
        assert_eq!(
            Format { suffix: ".gz", ..named }.name("t", &machine()).at(&wall()),
            "web1+web1.example.org/77.gz"
        );
        assert_eq!(path(Path::new("d"), "/etc/x", 0), Path::new("d/etc/x"));
    }

    #[test]
    fn revisions_need_their_place() {
        assert!(format("x").check().is_ok());
        assert!(Format { revisions: true, ..format("x<REV>") }.check().is_ok());
        assert!(Format { revisions: true, ..format("x") }.check().unwrap_err().starts_with("missing <REV>"));
    }

    #[test]
    fn every_conversion_and_what_is_none() {
        for (format, expected) in [
            ("%B %b %m", "November Nov 11"),
            ("%A %a %d", "Monday Mon 09"),
            ("%H %I %M %S", "15 03 04 05"),
            ("%Y %y %p", "2026 26 PM"),
            ("%Z %z %%", "CET +0100 %"),
            // Go's layout would read these numbers as month, day and year.
            ("1-2-2006 Jan", "1-2-2006 Jan"),
            ("%Q %", "%Q %"),
            ("%é%Y", "%é2026"),
            ("", ""),
        ] {
            assert_eq!(datetime(format, &wall()), expected, "{format}");
        }
    }
}
