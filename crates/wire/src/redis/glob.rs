//! Globs, with which clients name several commands or settings and access rules name keys: `*`, `?`, `[abc]`,
//! `[^a-z]`, and `\` before a literal character. As `stringmatchlen` of Redis 7.0, with and without case.

/// True if the glob matches the whole text, case ignored. Only the last star is extended, and only if the
/// rest does not match, so that matching takes at most the product of both lengths.
pub fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    matches::<true>(pattern, text)
}

/// [`glob_matches`] with case, as for keys.
pub fn glob_matches_case(pattern: &[u8], text: &[u8]) -> bool {
    matches::<false>(pattern, text)
}

fn matches<const FOLD: bool>(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(next) = one::<FOLD>(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (p, t) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// Position of the next pattern element, if the one at `p` matches `byte`.
fn one<const FOLD: bool>(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => class::<FOLD>(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => same::<FOLD>(pattern[p + 1], byte).then_some(p + 2),
        literal => same::<FOLD>(literal, byte).then_some(p + 1),
    }
}

/// Matches a class in brackets that begins at `p`; returns its end. An unclosed bracket ends with the
/// pattern.
fn class<const FOLD: bool>(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    while let Some(&first) = pattern.get(p) {
        if first == b']' {
            p += 1;
            break;
        }
        if first == b'\\' && p + 1 < pattern.len() {
            found |= same::<FOLD>(pattern[p + 1], byte);
            p += 2;
        } else if pattern.get(p + 1) == Some(&b'-') && p + 2 < pattern.len() {
            let (a, b) = (first.min(pattern[p + 2]), first.max(pattern[p + 2]));
            found |= if FOLD { spans(a, b, byte) } else { (a..=b).contains(&byte) };
            p += 3;
        } else {
            found |= same::<FOLD>(first, byte);
            p += 1;
        }
    }
    (found != negated).then_some(p)
}

/// True if a range contains `byte`, all in lower case.
fn spans(a: u8, b: u8, byte: u8) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    (a.min(b)..=a.max(b)).contains(&byte.to_ascii_lowercase())
}

fn same<const FOLD: bool>(a: u8, b: u8) -> bool {
    if FOLD { a.eq_ignore_ascii_case(&b) } else { a == b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_as_redis_has_them() {
        let cases: &[(&str, &str, bool)] = &[
            ("save", "save", true),
            ("SAVE", "save", true),
            ("sav", "save", false),
            ("savee", "save", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("*save*", "save", true),
            ("app*", "appendonly", true),
            ("*only", "appendonly", true),
            ("a*e*d*y", "appendonly", true),
            ("a*e*d*x", "appendonly", false),
            ("s?ve", "save", true),
            ("s?e", "save", false),
            ("s[ab]ve", "save", true),
            ("s[^ab]ve", "save", false),
            ("s[A-C]ve", "save", true),
            ("s[c-a]ve", "save", true),
            ("s[x-z]ve", "save", false),
            (r"s[\a]ve", "save", true),
            ("s[a", "sa", true),
            ("s[b", "sa", false),
            (r"sav\e", "save", true),
            (r"\*", "a", false),
            (r"\*", "*", true),
            (r"a\", r"a\", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob_matches(pattern.as_bytes(), text.as_bytes()), *expected, "{pattern} {text}");
        }
    }

    #[test]
    fn keys_are_told_apart_by_case() {
        let cases: &[(&str, &str, bool)] = &[
            ("app:*", "app:1", true),
            ("app:*", "App:1", false),
            ("[a-c]x", "Bx", false),
            ("[a-c]x", "bx", true),
            ("[C-A]x", "Bx", true),
            ("[^a]", "A", true),
            (r"\A", "a", false),
            (r"\A", "A", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(glob_matches_case(pattern.as_bytes(), text.as_bytes()), *expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_nasty_pattern_takes_no_time() {
        let pattern = "a*".repeat(10_000) + "b";
        assert!(!glob_matches(pattern.as_bytes(), "a".repeat(1000).as_bytes()));
    }
}
