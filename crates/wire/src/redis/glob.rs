//! Globs, by which clients name several commands or settings: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a character that is
//! meant literally. As `stringmatchlen` of Redis 7.0, case ignored.

/// Does the glob fit the whole text? A star is tried with more only if the rest does not fit, and only the last one, so
/// that no pattern takes longer than its length times that of the text.
pub fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(next) = one(pattern, p, text[t]) {
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

/// Position at which the pattern continues after its element at `p`, if that fits `byte`.
fn one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => class(pattern, p + 1, byte),
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte).then_some(p + 2),
        literal => same(literal, byte).then_some(p + 1),
    }
}

/// The same for what stands between brackets, which begins at `p`. A bracket that is not closed ends with the pattern.
fn class(pattern: &[u8], mut p: usize, byte: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    while let Some(&first) = pattern.get(p) {
        if first == b']' {
            p += 1;
            break;
        }
        if first == b'\\' && p + 1 < pattern.len() {
            found |= same(pattern[p + 1], byte);
            p += 2;
        } else if pattern.get(p + 1) == Some(&b'-') && p + 2 < pattern.len() {
            let (low, high) = (first.to_ascii_lowercase(), pattern[p + 2].to_ascii_lowercase());
            found |= (low.min(high)..=low.max(high)).contains(&byte.to_ascii_lowercase());
            p += 3;
        } else {
            found |= same(first, byte);
            p += 1;
        }
    }
    (found != negated).then_some(p)
}

fn same(a: u8, b: u8) -> bool {
    a.eq_ignore_ascii_case(&b)
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
    fn a_nasty_pattern_takes_no_time() {
        let pattern = "a*".repeat(10_000) + "b";
        assert!(!glob_matches(pattern.as_bytes(), "a".repeat(1000).as_bytes()));
    }
}
