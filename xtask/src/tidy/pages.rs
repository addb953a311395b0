//! Names in pages: every file that a page names or links to exists.
//!
//! A page is a Markdown file of the root, of `docs/`, `examples/`, `tests/` or a crate. The name of a source
//! file may omit its folders: it has to be the end of some file's path.

use std::path::Path;

use super::findings::Findings;
use crate::workspace::files;

/// Checks every page.
pub fn check(root: &Path, findings: &mut Findings) {
    let all: Vec<String> = files(root, &["rs", "md", "toml", "py"])
        .iter()
        .filter_map(|path| path.strip_prefix(root).ok())
        .map(|path| path.display().to_string())
        .collect();
    for page in all.iter().filter(|path| path.ends_with(".md")) {
        let Ok(text) = std::fs::read_to_string(root.join(page)) else {
            findings.faults.push(format!("{page}: not readable as text"));
            continue;
        };
        let directory = Path::new(page).parent().unwrap_or(Path::new(""));
        for (number, line) in (1..).zip(text.lines()) {
            for name in names(line).filter(|name| !is_there(root, &all, name)) {
                findings.faults.push(format!("{page}:{number}: there is no {name}"));
            }
            for link in links(line).filter(|link| !root.join(directory).join(link).exists()) {
                findings.faults.push(format!("{page}:{number}: the link to {link} leads nowhere"));
            }
        }
    }
}

/// Names of sources and of paths below `crates/`, in backticks or in a table of paths.
fn names(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let cell = line.strip_prefix("| crates/").map(|_| line[2..].split(' ').next().unwrap_or_default());
    let is_name = |name: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let path = name.starts_with("crates/") || name.starts_with("xtask/");
        (path || name.ends_with(".rs")) && name.chars().all(plain) && !name.contains("NAME")
    };
    quoted.chain(cell).filter(is_name)
}

fn is_there(root: &Path, all: &[String], name: &str) -> bool {
    let ends =
        |path: &String| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    root.join(name).exists() || all.iter().any(ends)
}

/// Targets of links to files, without anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let file = |target| str::split(target, '#').next().unwrap_or_default();
    targets.filter(|target| !target.contains(':')).map(file).filter(|file| !file.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links_of_a_line() {
        for (line, found, linked) in [
            ("see `book.rs`, `get` and `crates/net/src/`", &["book.rs", "crates/net/src/"][..], &[][..]),
            ("| crates/a.rs | `f` |", &["crates/a.rs"], &[]),
            ("`crates/*` `faces/NAME.rs` `redis/{a, b}.rs` `nuthatch.toml`", &[], &[]),
            ("[a](docs/a.md#b) [b](https://x.y/z) [c](#d) [`Type`]", &[], &["docs/a.md"]),
        ] {
            assert_eq!(names(line).collect::<Vec<_>>(), found, "{line}");
            assert_eq!(links(line).collect::<Vec<_>>(), linked, "{line}");
        }
    }

    #[test]
    fn a_name_that_is_gone_is_a_fault() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("crates/a/src")).unwrap();
        std::fs::write(root.join("crates/a/src/lib.rs"), "").unwrap();
        let page =
            "`lib.rs` `src/lib.rs` `crates/a/src` `ib.rs` `crates/b`\n[x](crates/a) [y](crates/a/c.md)\n";
        std::fs::write(root.join("PAGE.md"), page).unwrap();
        let mut findings = Findings::default();
        check(root, &mut findings);
        let expected = [
            "PAGE.md:1: there is no ib.rs",
            "PAGE.md:1: there is no crates/b",
            "PAGE.md:2: the link to crates/a/c.md leads nowhere",
        ];
        assert_eq!(findings.faults, expected);
    }
}
