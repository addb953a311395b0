//! The examined configuration, and the process that already serves it, if any.

use std::fmt::Write;
use std::path::Path;

use config::checked::Config;
use config::{FileKind, Severity, native};

use super::finding::Finding;
use crate::admin_client::{AdminAddress, AdminTrust};
use crate::faces::check::checked;
use crate::faces::run::cores;
use crate::faces::source::Source;
use crate::system::Words;
use crate::version::VERSION;

/// A configuration with its surroundings.
pub(super) struct Patient {
    pub config: Config,
    pub words: Words,
    /// The process whose admin port answers at the address of the configuration.
    pub running: Option<Running>,
    /// Admin ports and files of other proxies.
    pub others: Vec<String>,
    /// TLS with admin ports.
    pub trust: AdminTrust,
}

/// A process that serves the configuration.
pub(super) struct Running {
    pub pid: u64,
    version: String,
}

impl Patient {
    /// Reads the configuration; the error is a text for standard error.
    pub fn admit(file: Option<&Path>, others: &[String], trust: &AdminTrust) -> Result<Patient, String> {
        let (config, words) = match file {
            None => (native::default(cores()), Words::Native),
            Some(path) => read(path)?,
        };
        // Authorities and names are those of other proxies.
        let admin = config.admin.as_ref().map(|admin| AdminAddress::of(admin, &trust.own()));
        let running = admin.as_ref().and_then(Running::at);
        Ok(Patient { config, words, running, others: others.to_vec(), trust: trust.clone() })
    }
}

/// The configuration in a file of any kind.
pub(super) fn read(path: &Path) -> Result<(Config, Words), String> {
    let source = Source::read(path).map_err(|error| format!("nuthatch: {}: {error}\n", path.display()))?;
    let (faults, config) = checked(&source);
    let words = if source.kind == FileKind::Native { Words::Native } else { Words::Plain };
    let config = config.map(|mut config| {
        if source.kind == FileKind::Nutcracker {
            // The file does not set the statistics port: the flag -s does.
            config.stats = None;
        }
        config
    });
    config.map(|config| (config, words)).ok_or_else(|| {
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
        let mut text: String = errors.map(|fault| source.show(fault)).collect();
        let _ = writeln!(text, "nuthatch: {} cannot be used: mend it first", source.name);
        text
    })
}

impl Running {
    fn at(admin: &AdminAddress) -> Option<Running> {
        let answer = admin.get("/api/status").ok()?;
        let status: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
        let pid = status["process"]["pid"].as_u64()?;
        Some(Running { pid, version: status["version"].as_str()?.to_owned() })
    }
}

/// The check of the process itself.
pub(super) fn process(patient: &Patient) -> Vec<Finding> {
    vec![match &patient.running {
        None => Finding::skipped("no process answers at the admin port of this configuration"),
        Some(Running { pid, version }) if version == VERSION => {
            Finding::fine(format!("process {pid} serves it, version {version}"))
        }
        Some(Running { pid, version }) => Finding::warning(
            format!("process {pid} serves it with version {version}, this program is {VERSION}"),
            format!("nuthatch upgrade --pid {pid}"),
        ),
    }]
}
