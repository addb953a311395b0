//! Current problems, and their start times.
//!
//! A [`Finding`] is a problem found now. The [`Tracker`] remembers earlier findings, so that each
//! [`Trouble`] keeps its start time.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::runbook;

/// A current problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Severity.
    pub severity: Severity,
    /// Subject: `pool a`, `pool a, server b`, `topic t, channel c`.
    pub subject: String,
    /// The problem.
    pub text: String,
    /// Its section of the runbook: `/runbook#…` of the admin port, docs/runbook.md.
    pub anchor: String,
    /// Start, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// Severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Critical,
    /// Something works badly, or soon will not.
    Warning,
    /// For information.
    Notice,
}

/// A trouble whose start may be unknown.
pub(crate) struct Finding {
    /// Severity.
    pub severity: Severity,
    /// Subject.
    pub subject: String,
    /// Distinguishes problems of one subject.
    pub kind: Cow<'static, str>,
    /// Section of the runbook, if it differs from that of the kind.
    pub section: Option<&'static str>,
    /// The problem.
    pub text: String,
    /// Start, in milliseconds since the Unix epoch, if known.
    pub since_ms: Option<u64>,
}

impl Finding {
    /// A problem with an unknown start.
    pub fn new(
        severity: Severity,
        subject: impl Into<String>,
        kind: impl Into<Cow<'static, str>>,
        text: impl Into<String>,
    ) -> Finding {
        Finding {
            severity,
            subject: subject.into(),
            kind: kind.into(),
            section: None,
            text: text.into(),
            since_ms: None,
        }
    }

    /// Section of the runbook.
    pub fn anchor(&self) -> String {
        self.section.map_or_else(|| runbook::anchor(&self.subject, &self.kind), str::to_owned)
    }
}

/// Start times of the current troubles; holds only current ones.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    known: HashMap<(String, Cow<'static, str>), u64>,
}

impl Tracker {
    /// Converts findings to troubles, worst first; equally severe ones by start, latest first.
    pub fn settle(&mut self, findings: Vec<Finding>, now_ms: u64) -> Vec<Trouble> {
        let mut next = HashMap::new();
        let mut troubles: Vec<Trouble> = findings
            .into_iter()
            .map(|finding| {
                let key = (finding.subject.clone(), finding.kind.clone());
                let known = self.known.get(&key).copied();
                let since_ms = finding.since_ms.or(known).unwrap_or(now_ms);
                next.insert(key, since_ms);
                let anchor = finding.anchor();
                let Finding { severity, subject, text, .. } = finding;
                Trouble { severity, subject, text, anchor, since_ms }
            })
            .collect();
        self.known = next;
        troubles.sort_by_key(|trouble| (trouble.severity, std::cmp::Reverse(trouble.since_ms)));
        troubles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_keeps_its_beginning_until_it_ends() {
        let mut tracker = Tracker::default();
        let finding =
            |since_ms| vec![Finding { since_ms, ..Finding::new(Severity::Warning, "s", "k", "text") }];
        let mut since =
            |findings, now_ms| tracker.settle(findings, now_ms).first().map(|trouble| trouble.since_ms);
        assert_eq!(since(finding(None), 10), Some(10));
        assert_eq!(since(finding(None), 20), Some(10));
        assert_eq!(since(finding(Some(5)), 30), Some(5));
        assert_eq!(since(Vec::new(), 40), None);
        assert_eq!(since(finding(None), 50), Some(50));
    }

    #[test]
    fn the_worst_and_then_the_latest_come_first() {
        let finding = |severity, subject: &str, since_ms| Finding {
            since_ms: Some(since_ms),
            ..Finding::new(severity, subject, "k", "text")
        };
        let findings = vec![
            finding(Severity::Notice, "a", 9),
            finding(Severity::Critical, "b", 1),
            finding(Severity::Warning, "c", 5),
            finding(Severity::Critical, "d", 2),
        ];
        let order: Vec<String> =
            Tracker::default().settle(findings, 10).into_iter().map(|trouble| trouble.subject).collect();
        assert_eq!(order, ["d", "b", "c", "a"]);
    }
}
