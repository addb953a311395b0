//! Failures on the way to an answer that could be given all the same.

use telemetry::{error, warn};

use crate::fleet::{Outcome, Unavailable};

/// Warnings collected over all steps of an answer.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    /// Takes the result of a step and keeps its warnings.
    pub(crate) fn take<T>(&mut self, outcome: Outcome<T>) -> Result<T, Unavailable> {
        let gathered =
            outcome.inspect_err(|Unavailable(reason)| error!(reason, "the fleet did not answer"))?;
        if !gathered.warnings.is_empty() {
            let text = gathered.warnings.join("\n");
            warn!("{text}");
            self.0.push(text);
        }
        Ok(gathered.value)
    }

    /// Adds those of an answer that is given again; they are in the log already.
    pub(crate) fn again(&mut self, others: &Warnings) {
        self.0.extend_from_slice(&others.0);
    }

    /// Text of the field `message`.
    pub(crate) fn message(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("WARNING: {}", self.0.join("; ")) }
    }
}
