//! `nuthatch check`: every fault of a file at once, be it a nuthatch.toml, a nutcracker.yml or an nsqd.cfg.
//!
//! Exit status 0: the file can be used (there may be warnings). 1: it cannot. 2: it cannot be read.

use std::path::Path;
use std::process::ExitCode;

use config::checked::Config;
use config::{Fault, FileKind, Severity, native, nsqd, nutcracker, warnings};

use super::run::cores;
use super::source::Source;
use crate::queue_service::verify_tls;
use crate::stdout::show;
use crate::system::{self, Words};

/// Checks the file at `path`, or standard input for `-`; with `on_system` also what a start would meet on this machine.
pub fn main(path: &Path, on_system: bool) -> ExitCode {
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{}: error: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let (mut faults, config) = match source.kind {
        FileKind::Native => of_native(&source.bytes),
        FileKind::Nutcracker => of_nutcracker(&source),
        FileKind::Nsqd => of_nsqd(&source.bytes),
    };
    if let Some(config) = config.filter(|_| on_system) {
        let words = if source.kind == FileKind::Native { Words::Native } else { Words::Plain };
        faults.extend(system::check(&config, words));
    }
    for fault in &faults {
        show(source.show(fault));
    }
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = faults.len() - errors;
    let (s, ws) = (plural(errors), plural(warnings));
    show(format_args!("{}: {errors} error{s}, {warnings} warning{ws}\n", source.name));
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The faults of a file, and its configuration if it can be used.
type Checked = (Vec<Fault>, Option<Config>);

fn of_native(bytes: &[u8]) -> Checked {
    let report = native::check_bytes(bytes, cores());
    let queue = report.config.as_ref().and_then(|config| config.queue.as_ref());
    let tls = queue.and_then(|queue| verify_tls(queue).err());
    let tls = tls.map(|reason| Fault::error(None, format!("[queue]: {reason}"), ""));
    (report.faults.into_iter().chain(tls).collect(), report.config)
}

/// nsqd stops at its first complaint.
fn of_nsqd(bytes: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(bytes);
    let checked = nsqd::check_text(&text).and_then(|queue| verify_tls(&queue).map(|()| queue));
    match checked {
        Ok(queue) => (Vec::new(), Some(super::nsqd::alone(queue, None))),
        Err(reason) => (vec![Fault::error(None, reason, "")], None),
    }
}

fn of_nutcracker(source: &Source) -> Checked {
    match nutcracker::parse_bytes(&source.bytes, &source.name) {
        Err(refusal) => {
            let error = |reason: nutcracker::Reason| Fault::error(reason.position, reason.to_string(), "");
            (refusal.reasons.into_iter().map(error).collect(), None)
        }
        Ok(accepted) => {
            let ignored = accepted.ignored.iter().map(|ignored| {
                let text =
                    format!("pool {}: {} has no effect, as in nutcracker", ignored.pool, ignored.directive);
                Fault::warning(Some(ignored.position), text, "")
            });
            let doubtful = accepted.pools.iter().flat_map(|pool| {
                let name = &pool.name;
                warnings::of_pool(pool, false).into_iter().map(move |warning| {
                    Fault::warning(None, format!("pool {name}: {}", warning.text), warning.help)
                })
            });
            let faults = ignored.chain(doubtful).collect();
            (faults, Some(super::nutcracker::usual(accepted)))
        }
    }
}
