//! The state of the process in a word or two, as every page shows it.

use ui::{Level, Verdict};

use crate::trouble::{Severity, Trouble};

/// The verdict on these troubles.
pub(crate) fn of(troubles: &[Trouble]) -> Verdict {
    let number = |severity| troubles.iter().filter(|trouble| trouble.severity == severity).count();
    let (critical, warnings) = (number(Severity::Critical), number(Severity::Warning));
    let (level, words) = match (critical, warnings) {
        (0, 0) => (Level::Well, "all well".into()),
        (0, 1) => (Level::Warning, "1 warning".into()),
        (0, warnings) => (Level::Warning, format!("{warnings} warnings")),
        (critical, _) => (Level::Critical, format!("{critical} failing")),
    };
    Verdict { level, words }
}

/// Severity of a fault that the pages show at this level.
pub(crate) fn severity(level: Level) -> Severity {
    match level {
        Level::Critical => Severity::Critical,
        Level::Warning => Severity::Warning,
        Level::Notice | Level::Well => Severity::Notice,
    }
}

/// Level of a severity.
pub(crate) fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical => Level::Critical,
        Severity::Warning => Level::Warning,
        Severity::Notice => Level::Notice,
    }
}
