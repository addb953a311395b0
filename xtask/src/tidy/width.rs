//! Comment width: at most rustfmt's width for code. Tables, drawings and code between fences may be wider.

use std::path::Path;

use super::findings::Findings;
use crate::workspace::rust_files;

/// Checks every Rust file of the tree.
pub fn check(root: &Path, findings: &mut Findings) {
    let Some(width) = width(&std::fs::read_to_string(root.join("rustfmt.toml")).unwrap_or_default()) else {
        findings.faults.push("rustfmt.toml: no max_width".into());
        return;
    };
    for path in rust_files(root) {
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for number in too_wide(&text, width) {
            findings.faults.push(format!("{shown}:{number}: a comment of more than {width} characters"));
        }
    }
}

fn width(rustfmt: &str) -> Option<usize> {
    rustfmt.lines().find_map(|line| line.strip_prefix("max_width = ")?.trim().parse().ok())
}

/// Numbers of the lines with a comment that is too wide.
fn too_wide(text: &str, width: usize) -> Vec<usize> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            fenced = false;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        if comment.starts_with("```") {
            fenced = !fenced;
        } else if !fenced && !comment.starts_with('|') && line.chars().count() > width {
            found.push(number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_narrow_and_tables_and_drawings_are_as_wide_as_they_have_to_be() {
        let text = "// 345678901\n//! | 345678901 |\n//! ```\n//! 345678901\n//! ```\n//! 345678901\ncode 345678901\n";
        assert_eq!(too_wide(text, 10), [1, 6]);
        assert_eq!(too_wide("    /// äöü\n", 11), [] as [usize; 0]);
    }

    #[test]
    fn the_width_is_that_of_code() {
        assert_eq!(width("a = 1\nmax_width = 110\n"), Some(110));
        assert_eq!(width("max_width_x = 1\n"), None);
    }
}
