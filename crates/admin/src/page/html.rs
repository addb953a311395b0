//! HTML built piece by piece, with escaping of arbitrary text.

use std::fmt::{self, Write};

/// An HTML buffer. Writing to a string does not fail.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends formatted text; text values must be [`Escaped`].
    pub(super) fn add(&mut self, arguments: fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(arguments);
    }

    /// The complete HTML.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Arbitrary text, escaped for HTML and for attributes in double quotes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        assert_eq!(Escaped("a<b>&\"'c").to_string(), "a&lt;b&gt;&amp;&quot;&#39;c");
    }
}
