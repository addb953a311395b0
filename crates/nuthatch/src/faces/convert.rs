//! `nuthatch convert`: prints a nutcracker.yml or nsqd.cfg as a nuthatch.toml.
//!
//! Exit status 0: the printed file is usable. 1: there is none, or it needs the corrections listed on
//! standard error. 2: the file cannot be read.

use std::path::Path;
use std::process::ExitCode;

use config::{FileKind, Severity, convert, native, nsqd, nutcracker};

use super::run::cores;
use super::source::Source;
use crate::stdout::show;

/// Converts the file at `path`, or standard input for `-`.
pub fn main(path: &Path) -> ExitCode {
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("nuthatch: {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let text = match converted(&source) {
        Ok(text) => text,
        Err(reasons) => {
            for reason in &reasons {
                eprintln!("nuthatch: {}: {reason}", source.name);
            }
            return ExitCode::FAILURE;
        }
    };
    show(&text);
    let report = native::check(&text, cores());
    for fault in report.faults.iter().filter(|fault| fault.severity == Severity::Error) {
        eprintln!("{}", fault.show("nuthatch.toml"));
    }
    if report.config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The converted text, or the faults of the file.
fn converted(source: &Source) -> Result<String, Vec<String>> {
    match source.kind {
        FileKind::Native => Err(vec!["it is a nuthatch.toml already".into()]),
        FileKind::Nutcracker => nutcracker::parse_bytes(&source.bytes, &source.name)
            .map(|accepted| convert::nutcracker(&accepted))
            .map_err(|refusal| refusal.reasons.iter().map(ToString::to_string).collect()),
        FileKind::Nsqd => nsqd::read_text(&String::from_utf8_lossy(&source.bytes))
            .and_then(|file| convert::nsqd(file).map_err(|refusal| refusal.text))
            .map_err(|reason| vec![reason]),
    }
}
