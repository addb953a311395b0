//! Every dependency has a row with its reason in `docs/dependencies.md`, and every row has its dependency.
//!
//! The dependencies of members come from cargo, those declared for the workspace from the root manifest. A
//! declared dependency that no member uses is a fault, since its row would claim a use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::findings::Findings;
use crate::workspace::Metadata;

/// Compares manifests with the page.
pub fn check(metadata: &Metadata, root: &Path, findings: &mut Findings) {
    let page = std::fs::read_to_string(root.join("docs/dependencies.md")).unwrap_or_default();
    let rows = rows(&page);
    for (name, reason) in &rows {
        if reason.is_empty() {
            findings.faults.push(format!("docs/dependencies.md: {name} has no reason"));
        }
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let declared = declared(&manifest);
    let mut used = BTreeSet::new();
    for package in metadata.members().values() {
        used.extend(package.dependencies.iter().filter(|d| d.path.is_none()).map(|d| d.name.clone()));
    }
    for name in used.iter().filter(|name| !rows.contains_key(*name)) {
        findings.faults.push(format!("docs/dependencies.md: no row for {name}"));
    }
    for name in rows.keys().filter(|name| !used.contains(*name) && !declared.contains(*name)) {
        findings.faults.push(format!("docs/dependencies.md: {name} is no dependency any more"));
    }
    for name in declared.iter().filter(|name| !used.contains(*name)) {
        findings
            .faults
            .push(format!("Cargo.toml: no crate uses {name}; remove it and its row in docs/dependencies.md"));
    }
}

/// Rows `| name | why |` of every table of the page.
fn rows(page: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in page.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", name, reason, ""] = cells.as_slice()
            && *name != "name"
            && !name.starts_with('-')
        {
            rows.insert(name.trim_matches('`').to_owned(), (*reason).to_owned());
        }
    }
    rows
}

/// Names in `[workspace.dependencies]` that are not our own crates.
fn declared(manifest: &str) -> BTreeSet<String> {
    let Ok(manifest) = manifest.parse::<toml::Table>() else { return BTreeSet::new() };
    let table = manifest.get("workspace").and_then(|w| w.get("dependencies")).and_then(|d| d.as_table());
    let theirs = |value: &toml::Value| value.get("path").is_none();
    let name = |key: &String, value: &toml::Value| {
        value.get("package").and_then(|p| p.as_str()).map_or(key.clone(), str::to_owned)
    };
    table.into_iter().flatten().filter(|(_, v)| theirs(v)).map(|(k, v)| name(k, v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_tables() {
        let page = "# Title\n\n| name | why |\n|---|---|\n| mio | epoll |\n| `snap` | |\ntext | not a row\n";
        let rows = rows(page);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows["mio"], "epoll");
        assert_eq!(rows["snap"], "");
    }

    #[test]
    fn declared_names_are_those_of_packages() {
        let manifest = "[workspace.dependencies]\nwire = { path = \"w\" }\nmio = \"1\"\nx = { package = \"y\", version = \"1\" }\n";
        assert_eq!(declared(manifest), BTreeSet::from(["mio".to_owned(), "y".to_owned()]));
    }
}
