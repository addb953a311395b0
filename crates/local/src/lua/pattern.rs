//! Lua's patterns (`string.find` and its kin), with every step counted.
//!
//! Lua's own matcher is written in C, runs without a look at the counting of instructions, and some patterns
//! keep it busy for ever (`string.rep("a", 100) .. "b"` against `("a-"):rep(50) .. "c"`). This one answers as
//! that of Lua 5.1 does, in the locale `C`.

use super::budget::{Budget, Over};

/// Most captures of a pattern.
const CAPTURES_MAX: usize = 32;
/// Deepest nesting of the matcher.
const DEPTH_MAX: usize = 200;
const ESCAPE: u8 = b'%';

/// Failure of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The pattern is wrong: Lua's text for it.
    Pattern(&'static str),
    /// A limit was reached.
    Over,
}

impl From<Over> for Fault {
    fn from(_: Over) -> Fault {
        Fault::Over
    }
}

impl From<Fault> for super::value::Fault {
    fn from(fault: Fault) -> super::value::Fault {
        match fault {
            Fault::Pattern(text) => text.into(),
            Fault::Over => Over.into(),
        }
    }
}

/// A captured part of the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    /// From its first byte to behind its last one.
    Span(usize, usize),
    /// An empty pair of brackets: a position.
    Position(usize),
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Its first byte.
    pub(super) start: usize,
    /// Behind its last byte.
    pub(super) end: usize,
    /// Its captures, in the order of the opening brackets.
    pub(super) captures: Vec<Capture>,
}

/// Finds the first match at `init` or behind it. `^` at the beginning binds it to `init` if `anchors`.
pub(super) fn find(
    subject: &[u8],
    pattern: &[u8],
    init: usize,
    anchors: bool,
    budget: &Budget,
) -> Result<Option<Found>, Fault> {
    let (anchored, pattern) = match pattern.strip_prefix(b"^") {
        Some(rest) if anchors => (true, rest),
        _ => (false, pattern),
    };
    let mut matcher = Matcher { subject, pattern, captures: Vec::new(), budget, depth: 0 };
    for start in init..=subject.len() {
        matcher.captures.clear();
        if let Some(end) = matcher.run(start, 0)? {
            let captures = matcher.captures.iter().map(|open| open.closed()).collect::<Result<_, _>>()?;
            return Ok(Some(Found { start, end, captures }));
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

/// Finds a text in another one.
pub(super) fn find_plain(
    subject: &[u8],
    text: &[u8],
    init: usize,
    budget: &Budget,
) -> Result<Option<usize>, Over> {
    let rest = subject.get(init..).unwrap_or_default();
    budget.charge_bytes(rest.len())?;
    Ok(memchr::memmem::find(rest, text).map(|at| at + init))
}

/// A capture that begins somewhere and may have ended.
#[derive(Debug, Clone, Copy)]
enum Open {
    Begun(usize),
    Closed(usize, usize),
    Position(usize),
}

impl Open {
    fn closed(self) -> Result<Capture, Fault> {
        match self {
            Open::Begun(_) => Err(Fault::Pattern("unfinished capture")),
            Open::Closed(start, end) => Ok(Capture::Span(start, end)),
            Open::Position(at) => Ok(Capture::Position(at)),
        }
    }
}

struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Open>,
    budget: &'a Budget,
    depth: usize,
}

type Step = Result<Option<usize>, Fault>;

impl Matcher<'_> {
    /// Matches the pattern from `p` on at the subject's `s`; the end of the match.
    fn run(&mut self, s: usize, p: usize) -> Step {
        if self.depth >= DEPTH_MAX {
            return Err(Fault::Pattern("pattern too complex"));
        }
        self.depth += 1;
        let end = self.run_items(s, p);
        self.depth -= 1;
        end
    }

    fn run_items(&mut self, mut s: usize, mut p: usize) -> Step {
        loop {
            self.budget.charge(1)?;
            match self.pattern.get(p) {
                None => return Ok(Some(s)),
                Some(b'(') if self.pattern.get(p + 1) == Some(&b')') => {
                    return self.captured(Open::Position(s), s, p + 2);
                }
                Some(b'(') => return self.captured(Open::Begun(s), s, p + 1),
                Some(b')') => return self.close(s, p + 1),
                Some(b'$') if p + 1 == self.pattern.len() => {
                    return Ok((s == self.subject.len()).then_some(s));
                }
                Some(&ESCAPE) => match self.pattern.get(p + 1) {
                    Some(b'b') => match self.balanced(s, p + 2)? {
                        Some(end) => (s, p) = (end, p + 4),
                        None => return Ok(None),
                    },
                    Some(b'f') => match self.at_frontier(s, p + 2)? {
                        Some(after) => p = after,
                        None => return Ok(None),
                    },
                    Some(digit) if digit.is_ascii_digit() => match self.again(s, *digit)? {
                        Some(end) => (s, p) = (end, p + 2),
                        None => return Ok(None),
                    },
                    _ => match self.single(&mut s, p)? {
                        Next::Item(after) => p = after,
                        Next::End(end) => return Ok(end),
                    },
                },
                Some(_) => match self.single(&mut s, p)? {
                    Next::Item(after) => p = after,
                    Next::End(end) => return Ok(end),
                },
            }
        }
    }

    /// Matches one character or class with what follows it: `*`, `+`, `-`, `?` or nothing.
    fn single(&mut self, s: &mut usize, p: usize) -> Result<Next, Fault> {
        let after = self.item_end(p)?;
        match self.pattern.get(after) {
            Some(b'?') => {
                if self.fits(*s, p, after)
                    && let Some(end) = self.run(*s + 1, after + 1)?
                {
                    return Ok(Next::End(Some(end)));
                }
                Ok(Next::Item(after + 1))
            }
            Some(b'*') => self.longest(*s, p, after, 0).map(Next::End),
            Some(b'+') => self.longest(*s, p, after, 1).map(Next::End),
            Some(b'-') => self.shortest(*s, p, after).map(Next::End),
            _ if self.fits(*s, p, after) => {
                *s += 1;
                Ok(Next::Item(after))
            }
            _ => Ok(Next::End(None)),
        }
    }

    fn longest(&mut self, s: usize, p: usize, after: usize, least: usize) -> Step {
        let mut count = 0;
        while self.fits(s + count, p, after) {
            self.budget.charge(1)?;
            count += 1;
        }
        while count >= least {
            if let Some(end) = self.run(s + count, after + 1)? {
                return Ok(Some(end));
            }
            let Some(fewer) = count.checked_sub(1) else { break };
            count = fewer;
        }
        Ok(None)
    }

    fn shortest(&mut self, mut s: usize, p: usize, after: usize) -> Step {
        loop {
            if let Some(end) = self.run(s, after + 1)? {
                return Ok(Some(end));
            }
            if !self.fits(s, p, after) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn captured(&mut self, open: Open, s: usize, p: usize) -> Step {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(Fault::Pattern("too many captures"));
        }
        let level = self.captures.len();
        self.captures.push(open);
        let end = self.run(s, p)?;
        if end.is_none() {
            self.captures.truncate(level);
        }
        Ok(end)
    }

    fn close(&mut self, s: usize, p: usize) -> Step {
        let open = self.captures.iter().rposition(|open| matches!(open, Open::Begun(_)));
        let level = open.ok_or(Fault::Pattern("invalid pattern capture"))?;
        let Open::Begun(start) = self.captures[level] else { return Ok(None) };
        self.captures[level] = Open::Closed(start, s);
        let end = self.run(s, p)?;
        if end.is_none() {
            self.captures[level] = Open::Begun(start);
        }
        Ok(end)
    }

    /// `%bxy`: from an x to the y that belongs to it.
    fn balanced(&self, s: usize, p: usize) -> Step {
        let (Some(open), Some(close)) = (self.pattern.get(p), self.pattern.get(p + 1)) else {
            return Err(Fault::Pattern("unbalanced pattern"));
        };
        if self.subject.get(s) != Some(open) {
            return Ok(None);
        }
        let mut depth = 1;
        for (at, byte) in self.subject.iter().enumerate().skip(s + 1) {
            self.budget.charge(1)?;
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: between a character that is not of the set and one that is.
    fn at_frontier(&self, s: usize, p: usize) -> Step {
        if self.pattern.get(p) != Some(&b'[') {
            return Err(Fault::Pattern("missing '[' after '%f' in pattern"));
        }
        let after = self.item_end(p)?;
        let before = s.checked_sub(1).and_then(|s| self.subject.get(s)).copied().unwrap_or(0);
        let here = self.subject.get(s).copied().unwrap_or(0);
        let is_at = !self.in_set(before, p, after - 1) && self.in_set(here, p, after - 1);
        Ok(is_at.then_some(after))
    }

    /// `%1`: what was captured before.
    fn again(&self, s: usize, digit: u8) -> Step {
        const INVALID: Fault = Fault::Pattern("invalid capture index");
        let level = usize::from(digit).checked_sub(usize::from(b'1')).ok_or(INVALID)?;
        let Some(Open::Closed(start, end)) = self.captures.get(level) else { return Err(INVALID) };
        let text = &self.subject[*start..*end];
        self.budget.charge_bytes(text.len())?;
        Ok(self.subject[s..].starts_with(text).then_some(s + text.len()))
    }

    /// End of the character or class at `p`.
    fn item_end(&self, p: usize) -> Result<usize, Fault> {
        match self.pattern.get(p) {
            Some(&ESCAPE) if p + 1 >= self.pattern.len() => {
                Err(Fault::Pattern("malformed pattern (ends with '%')"))
            }
            Some(&ESCAPE) => Ok(p + 2),
            Some(b'[') => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                // A bracket that comes first is an element.
                loop {
                    let byte = self.pattern.get(at).ok_or(UNCLOSED)?;
                    at += 1;
                    if *byte == ESCAPE {
                        self.pattern.get(at).ok_or(UNCLOSED)?;
                        at += 1;
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    fn fits(&self, s: usize, p: usize, after: usize) -> bool {
        let Some(&byte) = self.subject.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            ESCAPE => in_class(byte, self.pattern[p + 1]),
            b'[' => self.in_set(byte, p, after - 1),
            literal => literal == byte,
        }
    }

    /// True if a byte is in the set between the brackets at `p` and `close`.
    fn in_set(&self, byte: u8, p: usize, close: usize) -> bool {
        let (negated, mut at) =
            if self.pattern.get(p + 1) == Some(&b'^') { (true, p + 2) } else { (false, p + 1) };
        while at < close {
            let here = self.pattern[at];
            if here == ESCAPE {
                if in_class(byte, self.pattern[at + 1]) {
                    return !negated;
                }
                at += 2;
            } else if self.pattern.get(at + 1) == Some(&b'-') && at + 2 < close {
                if (here..=self.pattern[at + 2]).contains(&byte) {
                    return !negated;
                }
                at += 3;
            } else {
                if here == byte {
                    return !negated;
                }
                at += 1;
            }
        }
        negated
    }
}

const UNCLOSED: Fault = Fault::Pattern("malformed pattern (missing ']')");

/// Continuation after one item of a pattern.
enum Next {
    /// The item that begins there.
    Item(usize),
    /// The match is decided.
    End(Option<usize>),
}

/// True if a byte is of a class such as `%a`; a capital letter turns it round, anything else is itself.
fn in_class(byte: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &str, pattern: &str, expected: Result<Option<(usize, usize)>, Fault>) {
        let found = find(subject.as_bytes(), pattern.as_bytes(), 0, true, &Budget::new());
        assert_eq!(
            found.map(|found| found.map(|it| (it.start, it.end))),
            expected,
            "{subject:?} {pattern:?}"
        );
    }

    #[test]
    fn patterns_match_as_in_lua() {
        for (subject, pattern, expected) in [
            ("hello world", "wor", Some((6, 9))),
            ("hello", "l+", Some((2, 4))),
            ("hello", "l-o", Some((2, 5))),
            ("hello", "^l", None),
            ("hello", "o$", Some((4, 5))),
            ("a$b", "a$b", Some((0, 3))),
            ("key:12:x", "(%w+):(%d+)", Some((0, 6))),
            ("f(a(b)c)d", "%b()", Some((1, 8))),
            ("THE (quick) fox", "%f[%a]%a+", Some((0, 3))),
            ("x]y", "[]]", Some((1, 2))),
            ("a-b", "[a-]-", Some((0, 0))),
            ("abc123", "[^%d]*", Some((0, 3))),
            ("abab", "(ab)%1", Some((0, 4))),
            ("", "", Some((0, 0))),
            ("abc", "b?c", Some((1, 3))),
            ("\0x", "%z", Some((0, 1))),
            ("a.b", "%.", Some((1, 2))),
        ] {
            check(subject, pattern, Ok(expected));
        }
    }

    #[test]
    fn malformed_patterns_have_luas_errors() {
        for (pattern, error) in [
            ("%", "malformed pattern (ends with '%')"),
            ("[a", "malformed pattern (missing ']')"),
            ("[", "malformed pattern (missing ']')"),
            ("[^", "malformed pattern (missing ']')"),
            ("[]", "malformed pattern (missing ']')"),
            ("[a%", "malformed pattern (missing ']')"),
            ("(a", "unfinished capture"),
            ("a)", "invalid pattern capture"),
            ("%1", "invalid capture index"),
            ("%0", "invalid capture index"),
            ("%b", "unbalanced pattern"),
            ("%fa", "missing '[' after '%f' in pattern"),
        ] {
            check("abc", pattern, Err(Fault::Pattern(error)));
        }
        check(&"a".repeat(40), &"()".repeat(33), Err(Fault::Pattern("too many captures")));
        check(&"a".repeat(400), &"a?".repeat(300), Err(Fault::Pattern("pattern too complex")));
    }

    #[test]
    fn a_pattern_without_end_is_stopped() {
        check(&("a".repeat(100) + "b"), &("a-".repeat(50) + "c"), Err(Fault::Over));
    }

    #[test]
    fn captures_are_in_the_order_of_their_brackets() {
        let found = find(b"  key = value", b"(()%w+)%s*=%s*(%w+)", 0, true, &Budget::new());
        let captures = found.expect("a good pattern").expect("a match").captures;
        assert_eq!(captures, [Capture::Span(2, 5), Capture::Position(2), Capture::Span(8, 13)]);
    }
}
