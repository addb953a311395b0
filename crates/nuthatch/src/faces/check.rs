//! `nuthatch check`: reports every fault of a nuthatch.toml, a nutcracker.yml or an nsqd.cfg at once.
//!
//! Exit status 0: the file is usable (there may be warnings). 1: it is not, or it cannot be compared with the
//! running process. 2: it cannot be read.

use std::path::Path;
use std::process::ExitCode;

use admin::Certificate;
use config::checked::Config;
use config::{Fault, FileKind, Severity, native, nsqd, nutcracker, variables, warnings};

use super::run::cores;
use super::source::Source;
use crate::admin_client::AdminAddress;
use crate::queue_service::verify_tls;
use crate::reload;
use crate::stdout::show;
use crate::system::{self, Words};
use crate::tls_files::{self, TlsFault};

/// Checks beyond the faults of the file.
#[derive(Debug)]
pub struct Looks {
    /// Check the conditions of a start on this machine.
    pub system: bool,
    /// Print the configuration in force, with warnings on standard error.
    pub show: bool,
    /// List the changes that a reload of the process behind this admin port would make.
    pub running: Option<AdminAddress>,
}

/// Checks the file at `path`, or standard input for `-`.
pub fn main(path: &Path, looks: &Looks) -> ExitCode {
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{}: error: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    let (mut faults, config) = checked(&source);
    if let Some(config) = config.as_ref().filter(|_| looks.system) {
        let words = if source.kind == FileKind::Native { Words::Native } else { Words::Plain };
        faults.extend(system::check(config, words));
    }
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    if let Some(config) = config.as_ref().filter(|_| looks.show && errors == 0) {
        for fault in &faults {
            eprint!("{}", source.show(fault));
        }
        show(in_force(&source, config));
        return ExitCode::SUCCESS;
    }
    for fault in &faults {
        show(source.show(fault));
    }
    let warnings = faults.len() - errors;
    let (s, ws) = (plural(errors), plural(warnings));
    show(format_args!("{}: {errors} error{s}, {warnings} warning{ws}\n", source.name));
    if errors > 0 {
        return ExitCode::FAILURE;
    }
    let admin = config.as_ref().and_then(|config| config.admin.as_ref());
    let running = looks.running.clone().map(|running| running.or_of(admin));
    match running.map(|address| reload::command::changes(&address, path)) {
        None => ExitCode::SUCCESS,
        Some(Ok(changes)) => {
            show(format_args!("{changes}\n"));
            ExitCode::SUCCESS
        }
        Some(Err(reason)) => {
            eprintln!("nuthatch: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The configuration as a nuthatch.toml; for a native file with the origin of each value.
fn in_force(source: &Source, config: &Config) -> String {
    let text = String::from_utf8_lossy(&source.bytes);
    let native = (source.kind == FileKind::Native).then_some(config::show::Source {
        name: &source.name,
        text: &text,
        lookup: &variables::of_process,
    });
    config::show::toml(config, native)
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// The faults of a file, and its configuration if usable.
type Checked = (Vec<Fault>, Option<Config>);

/// Checks a file of any kind.
pub fn checked(source: &Source) -> Checked {
    match source.kind {
        FileKind::Native => of_native(&source.bytes),
        FileKind::Nutcracker => of_nutcracker(source),
        FileKind::Nsqd => of_nsqd(&source.bytes),
    }
}

fn of_native(bytes: &[u8]) -> Checked {
    let report = native::check_bytes(bytes, cores());
    let queue = report.config.as_ref().and_then(|config| config.queue.as_ref());
    let tls = queue.and_then(|queue| verify_tls(queue).err());
    let tls = tls.map(|reason| Fault::error(None, format!("[queue]: {reason}"), ""));
    let files: Vec<Fault> = match report.config.as_ref().map(tls_files::load) {
        None => Vec::new(),
        Some(Ok(loaded)) => loaded.certificates.iter().filter_map(expiring).collect(),
        Some(Err(faults)) => {
            let place = |fault: &TlsFault| report.place(&fault.section, fault.option);
            faults.iter().map(|fault| Fault::error(place(fault), fault.to_string(), "")).collect()
        }
    };
    (report.faults.into_iter().chain(tls).chain(files).collect(), report.config)
}

/// A fault for a certificate that is refused, or soon will be.
fn expiring(certificate: &Certificate) -> Option<Fault> {
    let text = format!("{}: {}", certificate.subject(), certificate.fault_now()?.text);
    Some(Fault::warning(None, text, ""))
}

/// Checks an nsqd.cfg; nsqd stops at the first fault.
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
