//! Arrows between our crates go downwards, never up and never sideways.
//!
//! The table here and the drawing in ARCHITECTURE.md agree. A crate without a row is a fault, so that each
//! new one is placed deliberately. Development crates may use anything; product crates may use them only in
//! tests.

use super::findings::Findings;
use crate::workspace::{Metadata, short_name};

/// Every crate of the workspace and its layer, as drawn in ARCHITECTURE.md.
const LAYERS: [(&str, Layer); 24] = [
    ("nuthatch", Layer::Product(5)),
    ("proxy", Layer::Product(4)),
    ("queue", Layer::Product(4)),
    ("lookup", Layer::Product(4)),
    ("admin", Layer::Product(4)),
    ("web", Layer::Product(4)),
    ("tools", Layer::Product(4)),
    ("client", Layer::Product(3)),
    ("ui", Layer::Product(3)),
    ("net", Layer::Product(2)),
    ("config", Layer::Product(2)),
    ("http", Layer::Product(2)),
    ("local", Layer::Product(2)),
    ("load", Layer::Product(2)),
    ("engine", Layer::Product(2)),
    ("ring", Layer::Product(1)),
    ("journal", Layer::Product(1)),
    ("telemetry", Layer::Product(1)),
    ("access", Layer::Product(1)),
    ("wire", Layer::Product(0)),
    ("sim", Layer::Development),
    ("xtask", Layer::Development),
    ("loadgen", Layer::Development),
    ("fuzz", Layer::Development),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Part of the product, at this height.
    Product(u8),
    /// May use anything; products may use it in tests only.
    Development,
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|row| row.0 == name).map(|row| row.1)
}

/// Adds a fault for each arrow that does not go downwards.
pub fn check(metadata: &Metadata, findings: &mut Findings) {
    for (name, package) in metadata.members() {
        if layer(name).is_none() {
            findings
                .faults
                .push(format!("crate {name} has no layer; give it one in xtask/src/tidy/layers.rs"));
        }
        for dependency in package.dependencies.iter().filter(|d| d.path.is_some()) {
            let is_test = dependency.kind.as_deref() == Some("dev");
            if let Some(fault) = fault(name, short_name(&dependency.name), is_test) {
                findings.faults.push(fault);
            }
        }
    }
}

fn fault(from: &str, to: &str, is_test: bool) -> Option<String> {
    match (layer(from)?, layer(to)?) {
        (Layer::Development, _) => None,
        (Layer::Product(_), Layer::Development) if is_test => None,
        (Layer::Product(_), Layer::Development) => {
            Some(format!("{from} ships {to}, which is for development only"))
        }
        (Layer::Product(above), Layer::Product(below)) if above > below => None,
        (Layer::Product(above), Layer::Product(below)) => {
            let direction = if above == below { "sideways" } else { "upwards" };
            Some(format!("{from} (layer {above}) depends {direction} on {to} (layer {below})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows() {
        for (from, to, is_test, expected) in [
            ("nuthatch", "proxy", false, None),
            ("proxy", "wire", false, None),
            ("proxy", "queue", false, Some("sideways")),
            ("proxy", "queue", true, Some("sideways")),
            ("wire", "net", false, Some("upwards")),
            ("telemetry", "ring", false, Some("sideways")),
            ("access", "wire", false, None),
            ("proxy", "sim", true, None),
            ("proxy", "sim", false, Some("development only")),
            ("sim", "proxy", false, None),
            ("xtask", "nuthatch", false, None),
        ] {
            let fault = fault(from, to, is_test);
            match expected {
                None => assert_eq!(fault, None),
                Some(word) => {
                    assert!(fault.as_ref().is_some_and(|f| f.contains(word)), "{from} to {to}: {fault:?}");
                }
            }
        }
    }
}
