//! Paths in the text of a Rust file, in the detail that arrows between modules need.
//!
//! The text is split into words and punctuation, not parsed: `use a::{b, c::D}` gives `a::b` and `a::c::D`,
//! and so does the same path in a signature or an expression. Re-exported names are marked, and whether the
//! file uses them itself.

use std::collections::BTreeSet;

/// A path in the code.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Names of the path; the first one as written: `crate`, `self`, `super` or a name in scope.
    pub segments: Vec<String>,
    /// Name under which the file knows it: the last one, or that after `as`.
    pub alias: String,
    /// True if it is in a `pub use`.
    pub reexported: bool,
    /// True if the file uses it; always true unless it is re-exported.
    pub used: bool,
}

/// The code without comments and without the unit tests at its end.
pub fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// Line without its comment; slashes inside quotes do not start one.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line[..*at].matches('"').count().is_multiple_of(2);
    line.match_indices("//").find(begins).map_or(line, |(at, _)| &line[..at])
}

/// All paths of more than one segment in a text, with groups expanded.
pub fn named(text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut own = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = |n: usize| at.checked_sub(n).and_then(|at| tokens.get(at)).copied();
        let reexported = before(1) == Some("use") && matches!(before(2), Some("pub" | ")"));
        if !reexported && is_used(before(1), tokens[at], tokens.get(at + 1).copied()) {
            own.insert(tokens[at]);
        }
        if !is_word(tokens[at]) || tokens.get(at + 1) != Some(&"::") {
            at += 1;
            continue;
        }
        let of_visibility = [before(3), before(2), before(1)] == [Some("pub"), Some("("), Some("in")];
        let mut paths = Vec::new();
        at = tree(&tokens, at, &[], &mut paths);
        if of_visibility {
            continue;
        }
        found.extend(paths.into_iter().map(|(segments, alias)| Named {
            segments,
            alias,
            reexported,
            used: true,
        }));
    }
    for path in found.iter_mut().filter(|path| path.reexported) {
        path.used = own.contains(&*path.alias);
    }
    found
}

/// True if the word names an item in scope: a type or a constant, or a function or macro that is called.
/// Fields, methods and variables may share the name of a function.
fn is_used(before: Option<&str>, word: &str, after: Option<&str>) -> bool {
    let called = matches!(after, Some("(" | "!" | "::"));
    is_word(word)
        && !matches!(before, Some("." | "::" | "fn" | "mod"))
        && (called || word.starts_with(char::is_uppercase))
}

/// Reads the path at `at` and its braces; returns its end.
fn tree(tokens: &[&str], mut at: usize, prefix: &[String], out: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while !matches!(tokens.get(at), None | Some(&"}")) {
                    let next = tree(tokens, at, &path, out);
                    at = if next == at { at + 1 } else { next };
                }
                return at + 1;
            }
            Some(word) if is_word(word) => {
                if *word != "self" || path.is_empty() {
                    path.push((*word).to_owned());
                }
                at += 1;
            }
            _ => return at,
        }
        if tokens.get(at) != Some(&"::") || !tokens.get(at + 1).is_some_and(|t| is_word(t) || *t == "{") {
            if tokens.get(at) == Some(&"::") {
                at += 1;
            }
            let mut alias = path.last().cloned().unwrap_or_default();
            if tokens.get(at) == Some(&"as") && tokens.get(at + 1).is_some_and(|token| is_word(token)) {
                tokens[at + 1].clone_into(&mut alias);
                at += 2;
            }
            out.push((path, alias));
            return at;
        }
        at += 1;
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, `::` and single punctuation marks.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let len = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    tokens
}
