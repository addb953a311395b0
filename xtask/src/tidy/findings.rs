//! Findings of the checks: each check adds its own, so that all of them show at once.
//!
//! A fault fails the run; a remark is printed and does not.

/// Findings of the checks.
#[derive(Debug, Default)]
pub struct Findings {
    /// Things that must be mended.
    pub faults: Vec<String>,
    /// Things worth a look.
    pub remarks: Vec<String>,
}
