//! `nuthatch doctor`: checks everything outside the configuration file that decides how well it
//! runs, with a remedy for each finding.
//!
//! ```text
//! file ▸ Patient ▸ each row of CHECKS ▸ findings ▸ a table for people, or JSON
//! ```
//! The checks of the machine are those of `nuthatch check --system`; the doctor adds the kernel, the clock,
//! the disk, memory, every server and the rings of other proxies. Nothing is changed: a file is written into
//! the data path for a moment, and a port is bound for one. Exit statuses: 0 no errors (there may be
//! warnings); 1 errors; 2 the file or the command line is unusable.

mod finding;
mod patient;

mod kernel;
mod clock;
mod memory;
mod disk;

mod exchange;
mod sentinels;
mod servers;
mod lookups;
mod placements;
mod rings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::admin_client::AdminTrust;
use crate::stdout::show;
use crate::system;
use finding::{Finding, Level};
use patient::Patient;

/// Options of the command.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Configuration: a nuthatch.toml, a nutcracker.yml or an nsqd.cfg; - is standard input; without one, the
    /// defaults
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Another proxy, whose rings should be the same: its admin port (HOST:PORT, https://HOST:PORT or a
    /// path), or its configuration file
    #[arg(long, value_name = "PROXY")]
    compare: Vec<String>,
    #[command(flatten)]
    trust: AdminTrust,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One check.
struct Check {
    name: &'static str,
    run: fn(&Patient) -> Vec<Finding>,
}

/// All checks, in the order of the report. docs/doctor.md lists the same.
const CHECKS: [Check; 17] = [
    Check { name: "process", run: patient::process },
    Check { name: "paths", run: |patient| of_system(patient, system::paths::check, "can be used") },
    Check { name: "listeners", run: |patient| of_system(patient, system::ports::check, "are free") },
    Check {
        name: "names",
        run: |patient| found(system::names::check(&patient.config, patient.words), "have addresses"),
    },
    Check {
        name: "descriptors",
        run: |patient| found(system::descriptors::check(&patient.config), "are enough"),
    },
    Check { name: "somaxconn", run: kernel::somaxconn },
    Check { name: "ports", run: kernel::ephemeral_ports },
    Check { name: "overcommit", run: kernel::overcommit },
    Check { name: "huge pages", run: kernel::huge_pages },
    Check { name: "memory", run: memory::check },
    Check { name: "clock", run: clock::check },
    Check { name: "disk", run: disk::space },
    Check { name: "fsync", run: disk::fsync },
    Check { name: "servers", run: servers::check },
    Check { name: "sentinels", run: sentinels::check },
    Check { name: "lookups", run: lookups::check },
    Check { name: "rings", run: rings::check },
];

/// Runs the command.
pub fn main(options: &Doctor) -> ExitCode {
    let patient = match Patient::admit(options.config.as_deref(), &options.compare, &options.trust) {
        Ok(patient) => patient,
        Err(text) => {
            eprint!("{text}");
            return ExitCode::from(2);
        }
    };
    let report: Vec<(&str, Finding)> = CHECKS
        .iter()
        .flat_map(|check| (check.run)(&patient).into_iter().map(|finding| (check.name, finding)))
        .collect();
    show(if options.json { finding::json(&report) } else { finding::table(&report) });
    let is_ill = report.iter().any(|(_, finding)| finding.level == Level::Error);
    if is_ill { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Findings of the machine check; a process that serves this configuration rightly holds its paths and ports.
fn of_system(
    patient: &Patient,
    check: fn(&config::checked::Config, system::Words) -> Vec<config::Fault>,
    well: &str,
) -> Vec<Finding> {
    match &patient.running {
        Some(running) => {
            vec![Finding::skipped(format!("in use by process {}, which serves them", running.pid))]
        }
        None => found(check(&patient.config, patient.words), well),
    }
}

fn found(faults: Vec<config::Fault>, well: &str) -> Vec<Finding> {
    if faults.is_empty() {
        return vec![Finding::fine(well)];
    }
    faults.into_iter().map(Finding::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_in_the_page_of_the_doctor() {
        let page = include_str!("../../../docs/doctor.md");
        for check in &CHECKS {
            assert!(
                page.contains(&format!("| {} |", check.name)),
                "docs/doctor.md has no row {}",
                check.name
            );
        }
    }
}
