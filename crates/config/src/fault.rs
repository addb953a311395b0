//! Faults of a file: the problem, its place, and the remedy.
//!
//! A fault never stops the check: a [`Report`](crate::Report) holds all of them. Columns count characters, so
//! that an editor jumps to the right one.

use std::fmt;

use crate::options;

/// Place in a text: line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The position of the byte at `offset`.
    pub fn of(text: &str, offset: usize) -> Position {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1 }
    }
}

/// Severity: an error makes the configuration unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not do what was intended.
    Warning,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Error or warning.
    pub severity: Severity,
    /// Its position, if it has one.
    pub position: Option<Position>,
    /// The fault, lower case, without a full stop.
    pub text: String,
    /// Its remedy; may be empty.
    pub help: String,
}

impl Fault {
    /// An error at `position`.
    pub fn error(position: Option<Position>, text: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { severity: Severity::Error, position, text: text.into(), help: help.into() }
    }

    /// A warning at `position`.
    pub fn warning(position: Option<Position>, text: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { severity: Severity::Warning, position, text: text.into(), help: help.into() }
    }

    /// `FILE:LINE:COLUMN: error: TEXT; HELP`, the form that editors and terminals make clickable.
    pub fn show<'a>(&'a self, file: &'a str) -> impl fmt::Display + 'a {
        Shown { fault: self, file }
    }
}

/// Number of faults that are errors.
pub(crate) fn errors(faults: &[Fault]) -> usize {
    faults.iter().filter(|fault| fault.severity == Severity::Error).count()
}

/// Longest line shown under a fault, in characters.
const EXCERPT_CHARS_MAX: usize = 160;

impl Position {
    /// The line of `text` at the position and a caret under the place, each indented by two spaces and ended
    /// by a line feed; empty if there is no such line, if it is too long to read, or if it holds a secret.
    pub fn excerpt(self, text: &str) -> String {
        let Some(line) = text.lines().nth(self.line - 1) else { return String::new() };
        if line.trim().is_empty() || line.chars().count() > EXCERPT_CHARS_MAX || options::sets_secret(line) {
            return String::new();
        }
        // Tabs stay tabs, so that the caret is in place whatever their width.
        let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
        let shown: String = line.chars().map(|c| if c.is_control() { blank(c) } else { c }).collect();
        let indent: String = line.chars().take(self.column - 1).map(blank).collect();
        format!("  {shown}\n  {indent}^\n")
    }
}

struct Shown<'a> {
    fault: &'a Fault,
    file: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        if let Some(Position { line, column }) = self.fault.position {
            write!(f, ":{line}:{column}")?;
        }
        let severity = match self.fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {severity}: {}", self.fault.text)?;
        if !self.fault.help.is_empty() {
            write!(f, "; {}", self.fault.help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions() {
        let text = "ab\néd\n";
        for (offset, line, column) in
            [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 2, 1), (5, 2, 2), (7, 3, 1), (99, 3, 1)]
        {
            assert_eq!(Position::of(text, offset), Position { line, column }, "{offset}");
        }
    }

    #[test]
    fn excerpts() {
        let text = "a = 1\n\tb = x\u{1b}\n\n";
        let at = |line, column| Position { line, column }.excerpt(text);
        assert_eq!(at(1, 5), "  a = 1\n      ^\n");
        assert_eq!(at(2, 6), "  \tb = x \n  \t    ^\n");
        for line in
            ["auth = \"s3cret\"", "servers = [{ address = 5, password=\"s3cret\" }]", "  redis_auth: s3cret"]
        {
            assert_eq!(Position { line: 1, column: 1 }.excerpt(line), "", "{line}");
        }
        assert_ne!(Position { line: 1, column: 1 }.excerpt("author = 1"), "");
        assert_eq!((at(3, 1), at(9, 1)), (String::new(), String::new()));
        assert_eq!(Position { line: 1, column: 1 }.excerpt(&"x".repeat(EXCERPT_CHARS_MAX + 1)), "");
    }

    #[test]
    fn shown() {
        let fault = Fault::error(Some(Position { line: 3, column: 7 }), "is bad", "do good");
        assert_eq!(fault.show("a.toml").to_string(), "a.toml:3:7: error: is bad; do good");
        let fault = Fault::warning(None, "is odd", "");
        assert_eq!(fault.show("a.toml").to_string(), "a.toml: warning: is odd");
    }
}
