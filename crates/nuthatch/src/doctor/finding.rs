//! A finding of the doctor, and the report.

use std::fmt::Write;

use config::{Fault, Severity};
use serde_json::json;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Fine,
    /// Not checked, or nothing to check.
    Skipped,
    /// Works badly, or will soon.
    Warning,
    /// Does not work.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Fine => "ok",
            Level::Skipped => "-",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// One result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub level: Level,
    /// State found.
    pub text: String,
    /// Action that fixes it; empty if none is needed.
    pub remedy: String,
}

impl Finding {
    pub fn fine(text: impl Into<String>) -> Finding {
        Finding { level: Level::Fine, text: text.into(), remedy: String::new() }
    }

    pub fn skipped(text: impl Into<String>) -> Finding {
        Finding { level: Level::Skipped, text: text.into(), remedy: String::new() }
    }

    pub fn warning(text: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, text: text.into(), remedy: remedy.into() }
    }

    pub fn error(text: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Error, text: text.into(), remedy: remedy.into() }
    }
}

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Finding {
        let level = if fault.severity == Severity::Error { Level::Error } else { Level::Warning };
        Finding { level, text: fault.text, remedy: fault.help }
    }
}

/// The report for people: a line per finding, the remedy below it, and a summary.
pub(super) fn table(report: &[(&str, Finding)]) -> String {
    let width = report.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut before = "";
    for (name, finding) in report {
        let shown = if *name == before { "" } else { name };
        before = name;
        let _ = writeln!(text, "{:<7}  {shown:<width$}  {}", finding.level.word(), finding.text);
        if !finding.remedy.is_empty() {
            let _ = writeln!(text, "{:<7}  {:<width$}  → {}", "", "", finding.remedy);
        }
    }
    let count = |level| report.iter().filter(|(_, finding)| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let _ = writeln!(text, "{errors} error{}, {warnings} warning{}", plural(errors), plural(warnings));
    text
}

/// The report for scripts: a list of `check`, `level`, `text`, `remedy`.
pub(super) fn json(report: &[(&str, Finding)]) -> String {
    let rows = report.iter().map(|(name, finding)| {
        let level = if finding.level == Level::Skipped { "skipped" } else { finding.level.word() };
        json!({ "check": name, "level": level, "text": finding.text, "remedy": finding.remedy })
    });
    format!("{:#}\n", rows.collect::<serde_json::Value>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report() {
        let report = [
            ("disk", Finding::fine("plenty")),
            ("servers", Finding::error("s1 is down", "start it")),
            ("servers", Finding::warning("s2 is old", "update it")),
        ];
        let expected = "ok       disk     plenty\nerror    servers  s1 is down\n                  → start it\n\
                        warning           s2 is old\n                  → update it\n1 error, 1 warning\n";
        assert_eq!(table(&report), expected);
        assert!(json(&report).contains("\"level\": \"error\""));
    }
}
