//! Machine checks, so that no reviewer has to nag.
//!
//! Each check returns all its findings at once. Exceptions are in `tidy.toml`, each with its reason; an
//! exception that is no longer needed is a fault too.

mod circles;
mod dependencies;
mod exceptions;
mod findings;
mod layers;
mod licences;
mod pages;
mod paths;
mod sources;
mod width;

use findings::Findings;

use crate::run::Fault;
use crate::workspace::{Metadata, root};

/// Runs every check and reports the findings.
pub fn run() -> Result<(), Fault> {
    let metadata = Metadata::load()?;
    let root = root();
    let exceptions = exceptions::Exceptions::load(&root.join("xtask/tidy.toml"))?;
    let mut findings = Findings::default();
    layers::check(&metadata, &mut findings);
    sources::check(&metadata, &root, &exceptions, &mut findings);
    circles::check(&metadata, &exceptions, &mut findings);
    dependencies::check(&metadata, &root, &mut findings);
    licences::check(&metadata, &exceptions, &mut findings);
    paths::check(&root, &mut findings);
    pages::check(&root, &mut findings);
    width::check(&root, &mut findings);

    for remark in &findings.remarks {
        println!("tidy: remark: {remark}");
    }
    for fault in &findings.faults {
        println!("tidy: {fault}");
    }
    println!("tidy: {} wrong, {} remarks", findings.faults.len(), findings.remarks.len());
    if findings.faults.is_empty() { Ok(()) } else { Err("tidy: see above".into()) }
}
