//! Licences of all dependencies, by their SPDX expressions; and packages present in several versions.
//!
//! `deny.toml` lists the same for cargo-deny, and adds advisories, which need a network.

use std::collections::BTreeMap;

use super::exceptions::Exceptions;
use super::findings::Findings;
use crate::workspace::Metadata;

/// Licences allowed for dependencies.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks every package of the dependency graph.
pub fn check(metadata: &Metadata, exceptions: &Exceptions, findings: &mut Findings) {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().push(&package.version);
        let expression = package.license.as_deref().unwrap_or("");
        if !is_allowed(expression) && !exceptions.licences.contains_key(&package.name) {
            findings.faults.push(format!("licence of {}: {expression:?} is not on the list", package.name));
        }
    }
    for name in exceptions.licences.keys().filter(|name| !versions.contains_key(name.as_str())) {
        findings.faults.push(format!("xtask/tidy.toml: {name} is no dependency any more"));
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        findings.remarks.push(format!(
            "{name} comes in {} versions: {}",
            versions.len(),
            versions.join(", ")
        ));
    }
}

/// True if some alternative of the expression is allowed. `/` is the old form of OR.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    matches!(any(&mut rest), Some(true)) && rest.is_empty()
}

/// any = all { "OR" all }
fn any(words: &mut &[&str]) -> Option<bool> {
    let mut value = all(words)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        value |= all(words)?;
    }
    Some(value)
}

/// all = one { "AND" one }
fn all(words: &mut &[&str]) -> Option<bool> {
    let mut value = one(words)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        value &= one(words)?;
    }
    Some(value)
}

/// one = "(" any ")" | LICENCE [ "WITH" EXCEPTION ]
fn one(words: &mut &[&str]) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let value = any(words)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(value)
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, rest @ ..] => {
            *words = rest;
            Some(ALLOWED.contains(licence))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(GPL-2.0-only OR LGPL-2.1-only) AND MIT", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
            ("GPL-3.0-only WITH LLVM-exception", false),
            ("", false),
            ("(MIT", false),
            ("MIT)", false),
            ("MIT OR", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression}");
        }
    }
}
