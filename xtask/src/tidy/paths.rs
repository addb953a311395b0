//! The hops in `docs/paths.md`: every function that is named there is in the file that is named beside it.

use std::path::Path;

use super::findings::Findings;

const PAGE: &str = "docs/paths.md";

/// Checks the page against the sources.
pub fn check(root: &Path, findings: &mut Findings) {
    let Ok(page) = std::fs::read_to_string(root.join(PAGE)) else {
        findings.faults.push(format!("{PAGE}: not readable"));
        return;
    };
    for (file, functions) in page.lines().filter_map(hop) {
        let Ok(source) = std::fs::read_to_string(root.join(file)) else {
            findings.faults.push(format!("{PAGE}: there is no {file}"));
            continue;
        };
        for function in functions.iter().filter(|function| !has_function(&source, function)) {
            findings.faults.push(format!("{PAGE}: {file} has no function {function}"));
        }
    }
}

/// File and functions of a row; `None` if the line is none.
fn hop(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut cells = line.strip_prefix("| crates/").map(|_| line.split('|').map(str::trim))?;
    let (file, functions) = (cells.nth(1)?, cells.next()?);
    Some((file, functions.split('`').skip(1).step_by(2).collect()))
}

fn has_function(source: &str, name: &str) -> bool {
    let found = |end: &str| source.contains(&format!("fn {name}{end}"));
    found("(") || found("<")
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
    fn a_name_that_is_gone_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("docs")).unwrap();
        std::fs::create_dir_all(directory.path().join("crates")).unwrap();
        std::fs::write(directory.path().join("crates/a.rs"), "fn f() {}\n").unwrap();
        let page = "| crates/a.rs | `f`, `g` | |\n| crates/b.rs | `f` | |\n";
        std::fs::write(directory.path().join(PAGE), page).unwrap();
        let mut findings = Findings::default();
        check(directory.path(), &mut findings);
        let expected =
            ["docs/paths.md: crates/a.rs has no function g", "docs/paths.md: there is no crates/b.rs"];
        assert_eq!(findings.faults, expected);
    }
}
