//! The shape of source files: no `mod.rs`, a page at the top, a bounded length, unsafe code only where
//! allowed. Unit tests in files of their own (`tests.rs`) are not checked.

use std::path::Path;

use super::exceptions::Exceptions;
use super::findings::Findings;
use crate::workspace::{Metadata, Package, rust_files};

/// Crates that may contain unsafe blocks; all others forbid them in their root file.
const UNSAFE_ALLOWED: [&str; 2] = ["net", "nuthatch"];
/// Most lines of a file, without its tests.
const CODE_LINES_MAX: usize = 500;
/// Words that may not begin a documentation comment: it names the thing with a noun or a verb, and can be
/// read by itself.
const RIDDLES: [&str; 16] = [
    "What", "Whether", "How", "Who", "Whom", "Whose", "Where", "When", "Why", "Which", "And", "Or", "But",
    "Then", "The same", "As above",
];
/// Length of the page at the top, in lines, outside of which there is a remark.
const PAGE_LINES: std::ops::RangeInclusive<usize> = 3..=30;

/// Checks every file of every member.
pub fn check(metadata: &Metadata, root: &Path, exceptions: &Exceptions, findings: &mut Findings) {
    let mut long = Vec::new();
    for (name, package) in metadata.members() {
        let mut unusual_pages = Vec::new();
        forbids_unsafe(name, package, findings);
        for path in rust_files(&package.directory().join("src")) {
            let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            let Ok(text) = std::fs::read_to_string(&path) else {
                findings.faults.push(format!("{shown}: not readable as text"));
                continue;
            };
            riddles(&shown, &text, findings);
            if path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            file(&shown, &text, findings);
            if has_unusual_page(&text) {
                unusual_pages.push(shown.rsplit("src/").next().unwrap_or_default().to_owned());
            }
            if code_lines(&text) > CODE_LINES_MAX {
                long.push((shown, code_lines(&text)));
            }
        }
        for path in ["tests", "benches", "examples"].map(|kind| package.directory().join(kind)) {
            for path in rust_files(&path) {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                riddles(&path.strip_prefix(root).unwrap_or(&path).display().to_string(), &text, findings);
            }
        }
        if !unusual_pages.is_empty() {
            let names = unusual_pages.join(" ");
            findings
                .remarks
                .push(format!("crate {name}: not {PAGE_LINES:?} lines of //! at the top: {names}"));
        }
    }
    for (path, lines) in &long {
        if !exceptions.long_files.contains_key(path) {
            findings.faults.push(format!(
                "{path}: {lines} lines without tests, {CODE_LINES_MAX} is the most; split it, or give a reason in xtask/tidy.toml"
            ));
        }
    }
    for path in exceptions.long_files.keys().filter(|path| !long.iter().any(|(p, _)| p == *path)) {
        findings.faults.push(format!("xtask/tidy.toml: {path} is not too long any more"));
    }
}

fn forbids_unsafe(name: &str, package: &Package, findings: &mut Findings) {
    if UNSAFE_ALLOWED.contains(&name) {
        return;
    }
    let source = package.directory().join("src");
    let roots = ["lib.rs", "main.rs"].map(|file| source.join(file));
    let forbids = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("#![forbid(unsafe_code)]"))
    };
    if !roots.iter().filter(|path| path.exists()).all(forbids) {
        findings.faults.push(format!("crate {name} does not say #![forbid(unsafe_code)]"));
    }
}

fn file(shown: &str, text: &str, findings: &mut Findings) {
    if shown.ends_with("/mod.rs") {
        findings.faults.push(format!("{shown}: use NAME.rs beside NAME/, not mod.rs"));
    }
    if page_lines(text) == 0 {
        findings.faults.push(format!("{shown}: does not open with a //! page"));
    }
}

/// Finds documentation comments that begin as a question.
fn riddles(shown: &str, text: &str, findings: &mut Findings) {
    let of = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(|text| text.trim_start().to_owned())
    };
    let mut before = None;
    for (number, line) in (1..).zip(text.lines()) {
        let comment = of(line);
        if let (None, Some(comment)) = (before, &comment)
            && RIDDLES.iter().any(|riddle| opens_with(comment, riddle))
        {
            findings.faults.push(format!("{shown}:{number}: say what it is, with a noun: {comment}"));
        }
        before = comment;
    }
}

fn opens_with(comment: &str, words: &str) -> bool {
    comment.strip_prefix(words).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn page_lines(text: &str) -> usize {
    text.lines().take_while(|line| line.starts_with("//!")).count()
}

fn has_unusual_page(text: &str) -> bool {
    page_lines(text) > 0 && !PAGE_LINES.contains(&page_lines(text))
}

/// Lines before the unit tests.
fn code_lines(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count() {
        assert_eq!(code_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(code_lines("a\n    #[cfg(test)]\nb\n"), 3);
    }

    #[test]
    fn a_comment_says_what_a_thing_is() {
        for (text, expected) in [
            ("/// Time of its arrival.\nx\n", 0),
            ("    /// When it came.\n", 1),
            ("    /// Who.\n", 1),
            ("/// The same of a server.\n", 1),
            ("/// Whatever comes.\n", 0),
            ("/// Its state.\n/// When it came does not matter.\n", 0),
            ("//! What it is.\n", 1),
            ("// What follows is code.\n", 0),
        ] {
            let mut findings = Findings::default();
            riddles("a.rs", text, &mut findings);
            assert_eq!(findings.faults.len(), expected, "{text:?}");
        }
    }

    #[test]
    fn pages_and_names() {
        let page = "//! a\n//! b\n//! c\n\nfn f() {}\n";
        for (path, text, faults, unusual) in [
            ("a/src/x.rs", page, 0, false),
            ("a/src/mod.rs", page, 1, false),
            ("a/src/x.rs", "//! short\n", 0, true),
            ("a/src/x.rs", "fn f() {}\n", 1, false),
        ] {
            let mut findings = Findings::default();
            file(path, text, &mut findings);
            assert_eq!(
                (findings.faults.len(), has_unusual_page(text)),
                (faults, unusual),
                "{path}: {text:?}"
            );
        }
    }
}
