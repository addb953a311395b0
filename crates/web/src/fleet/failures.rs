//! Failures of a change, as warnings beside the answers of those that took it.

use super::Gathered;
use super::ask::Told;

/// The failures among answers.
pub(super) fn failures(told: &[Told]) -> Vec<String> {
    told.iter().filter_map(|told| told.result.as_ref().err().cloned()).collect()
}

/// Answers with their failures, after those on the way.
pub(super) fn with_failures(mut warnings: Vec<String>, told: Vec<Told>) -> Gathered<Vec<Told>> {
    warnings.extend(failures(&told));
    Gathered { value: told, warnings }
}
