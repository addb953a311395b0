//! Text from outside, made safe to show, and paths built of it.

use maud::{Markup, html};
use wire::percent;

/// The text without characters that a page must not have: controls except line ends and tabs, and marks that
/// reorder the text around them. Each becomes U+FFFD.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unwelcome(c) { '\u{fffd}' } else { c }).collect()
}

fn is_unwelcome(c: char) -> bool {
    let reorders = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    reorders || (c.is_control() && c != '\n' && c != '\t')
}

/// Text of a documentation: what stands between backticks is code.
pub fn coded(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (clean(part)) } } @else { (clean(part)) }
        }
    }
}

/// A path below `base` (without a trailing slash) made of these words, each escaped.
pub fn path(base: &str, words: &[&str]) -> String {
    let mut path = base.to_owned();
    for word in words {
        path.push('/');
        path.push_str(&escape_word(word));
    }
    if path.is_empty() { "/".into() } else { path }
}

/// One word of a path, escaped.
pub fn escape_word(word: &str) -> String {
    percent::encode(word.as_bytes(), b"-_.~:[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reorders_a_page() {
        for (text, shown) in [
            ("plain é 中\n\t", "plain é 中\n\t"),
            ("a\u{202e}b", "a\u{fffd}b"),
            ("\u{7f}\0", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(clean(text), shown);
        }
    }

    #[test]
    fn backticks_are_code() {
        let shown = coded("With `ring` or `a<b`: yes").into_string();
        assert_eq!(shown, "With <code>ring</code> or <code>a&lt;b</code>: yes");
    }

    #[test]
    fn words_of_a_path() {
        assert_eq!(path("", &[]), "/");
        assert_eq!(path("/sub", &["pools", "a/b c", "d\"é"]), "/sub/pools/a%2Fb%20c/d%22%C3%A9");
    }
}
