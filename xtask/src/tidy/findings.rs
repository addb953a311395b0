//! Findings of the checks: each check adds its own, so that all are reported at once.
//!
//! A fault fails the run; a remark is printed and does not.

/// Findings of the checks.
#[derive(Debug, Default)]
pub struct Findings {
    /// Problems that must be fixed.
    pub faults: Vec<String>,
    /// Points worth a look.
    pub remarks: Vec<String>,
}
