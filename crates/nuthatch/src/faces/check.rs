//! `nuthatch check`: every fault of a file at once.
//!
//! Exit status 0: the file can be used (there may be warnings). 1: it cannot. 2: it cannot be read.

use std::path::Path;
use std::process::ExitCode;

use config::{Fault, Severity, native, nutcracker, warnings};

use super::run::cores;
use crate::applet::show;
use crate::messages::verify_tls;

/// Checks `path`; a name that ends in `.yml` or `.yaml` is a nutcracker.yml.
pub fn main(path: &Path) -> ExitCode {
    let shown = path.display().to_string();
    let yaml = path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let faults = if yaml { of_nutcracker(path) } else { of_native(path) };
    let faults = match faults {
        Ok(faults) => faults,
        Err(error) => {
            eprintln!("{shown}: error: {error}");
            return ExitCode::from(2);
        }
    };
    for fault in &faults {
        show(format_args!("{}\n", fault.show(&shown)));
    }
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
    let warnings = faults.len() - errors;
    let (s, ws) = (plural(errors), plural(warnings));
    show(format_args!("{shown}: {errors} error{s}, {warnings} warning{ws}\n"));
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

fn of_native(path: &Path) -> std::io::Result<Vec<Fault>> {
    let report = native::check_file(path, cores())?;
    let queue = report.config.as_ref().and_then(|config| config.queue.as_ref());
    let tls = queue.and_then(|queue| verify_tls(queue).err());
    let tls = tls.map(|reason| Fault::error(None, format!("[queue]: {reason}"), ""));
    Ok(report.faults.into_iter().chain(tls).collect())
}

fn of_nutcracker(path: &Path) -> std::io::Result<Vec<Fault>> {
    Ok(match nutcracker::parse_file(path)? {
        Err(refusal) => {
            let error = |reason: nutcracker::Reason| Fault::error(reason.position, reason.to_string(), "");
            refusal.reasons.into_iter().map(error).collect()
        }
        Ok(accepted) => {
            let ignored = accepted.ignored.iter().map(|ignored| {
                let text =
                    format!("pool {}: {} has no effect, as in nutcracker", ignored.pool, ignored.directive);
                Fault::warning(Some(ignored.position), text, "")
            });
            let doubtful = accepted.pools.iter().flat_map(|pool| {
                let name = &pool.name;
                warnings::of_pool(pool).into_iter().map(move |warning| {
                    Fault::warning(None, format!("pool {name}: {}", warning.text), warning.help)
                })
            });
            ignored.chain(doubtful).collect()
        }
    })
}
