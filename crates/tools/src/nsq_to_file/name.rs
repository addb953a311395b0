//! Names of files: what stands in them for a topic, and what changes with the time and with each revision.

use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;

/// `<REV>` of a name, at the number of a file's revision.
const REVISION: &str = "<REV>";

/// The name of a topic's files, in which `<DATETIME>` and `<REV>` are still open.
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

/// The parts of the command line that make names.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub filename: String,
    pub datetime: String,
    /// Empty for the short host name.
    pub host_identifier: String,
    /// Ending that tells the compression: `.gz`.
    pub suffix: &'static str,
    /// Names need `<REV>`; otherwise it is left out.
    pub revisions: bool,
}

impl Format {
    /// Checks the format, before there is any topic.
    ///
    /// # Errors
    ///
    /// `<REV>` is needed and not there.
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
    /// The name at a time, with `<REV>` still open.
    pub(super) fn at(&self, wall: &ZonedDateTime) -> String {
        self.pattern.replace("<DATETIME>", &datetime(&self.datetime, wall))
    }
}

/// The file `name` of a revision, in `directory`.
pub(super) fn path(directory: &Path, name: &str, revision: u64) -> PathBuf {
    // A name that begins with / is below the directory as well.
    directory.join(name.replace(REVISION, &format!("-{revision:06}")).trim_start_matches('/'))
}

/// The conversions that there are; everything else stands for itself.
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
