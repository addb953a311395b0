//! The hops in `docs/paths.md`: every function named there exists in the file given with it, and is called by
//! a file of the same path.

use std::path::Path;

use super::findings::Findings;

const PAGE: &str = "docs/paths.md";

/// Functions called by the event loop, where a path or a part of it may begin.
const BEGINNINGS: [&str; 4] = ["event", "received", "turn_end", "write_all"];

/// Checks the page against the sources.
pub fn check(root: &Path, findings: &mut Findings) {
    let Ok(page) = std::fs::read_to_string(root.join(PAGE)) else {
        findings.faults.push(format!("{PAGE}: not readable"));
        return;
    };
    for section in page.split("\n## ") {
        let mut hops = Vec::new();
        for (file, functions) in section.lines().filter_map(hop) {
            match std::fs::read_to_string(root.join(file)) {
                Ok(source) => hops.push((file, functions, source)),
                Err(_) => findings.faults.push(format!("{PAGE}: there is no {file}")),
            }
        }
        for (file, functions, source) in &hops {
            for function in functions {
                if !has_function(source, function) {
                    findings.faults.push(format!("{PAGE}: {file} has no function {function}"));
                } else if !BEGINNINGS.contains(function)
                    && !hops.iter().any(|(.., text)| calls(text, function))
                {
                    findings.faults.push(format!("{PAGE}: no file of this path calls {function} of {file}"));
                }
            }
        }
    }
}

/// File and functions of a row; `None` if the line is not a row.
fn hop(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut cells = line.strip_prefix("| crates/").map(|_| line.split('|').map(str::trim))?;
    let (file, functions) = (cells.nth(1)?, cells.next()?);
    Some((file, functions.split('`').skip(1).step_by(2).collect()))
}

fn has_function(source: &str, name: &str) -> bool {
    let found = |end: &str| source.contains(&format!("fn {name}{end}"));
    found("(") || found("<")
}

/// True if `name` is called outside the tests.
fn calls(source: &str, name: &str) -> bool {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.match_indices(name).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + name.len()..]);
        let whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with("fn ");
        whole && (behind.starts_with('(') || behind.starts_with("::<"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        assert_eq!(hop("| crates/a.rs | `f`, `g` | text |"), Some(("crates/a.rs", vec!["f", "g"])));
        assert_eq!(hop("| file | functions | what |"), None);
        assert_eq!(hop("text"), None);
    }

    #[test]
    fn functions_are_found_by_their_whole_names() {
        let source = "fn read<I: Io>(&self) {}\nfn read_all() {}\n";
        assert!(has_function(source, "read") && has_function(source, "read_all"));
        assert!(!has_function(source, "rea") && !has_function(source, "all"));
    }

    #[test]
    fn calls_are_told_from_definitions() {
        let source = "fn read() {}\nfn f() { self.write(); read::<u8>(); spread(); }\n#[cfg(test)]\nmod tests { fn t() { g(); } }";
        assert!(calls(source, "read") && calls(source, "write"));
        assert!(!calls(source, "f") && !calls(source, "g") && !calls("fn read() { spread(); }", "read"));
    }

    #[test]
    fn a_name_that_is_gone_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("docs")).unwrap();
        std::fs::create_dir_all(directory.path().join("crates")).unwrap();
        std::fs::write(directory.path().join("crates/a.rs"), "fn f() { f(); }\nfn h() {}\n").unwrap();
        let page = "| crates/a.rs | `f`, `g`, `h` | |\n| crates/b.rs | `f` | |\n";
        std::fs::write(directory.path().join(PAGE), page).unwrap();
        let mut findings = Findings::default();
        check(directory.path(), &mut findings);
        let expected = [
            "docs/paths.md: there is no crates/b.rs",
            "docs/paths.md: crates/a.rs has no function g",
            "docs/paths.md: no file of this path calls h of crates/a.rs",
        ];
        assert_eq!(findings.faults, expected);
    }
}
