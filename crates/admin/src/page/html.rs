//! HTML that is written piece by piece, and texts in it that may hold anything.

use std::fmt::{self, Write};

/// HTML in the making. Writing to a string does not fail.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds what `format_args!` makes; values that are texts must be [`Escaped`].
    pub(super) fn add(&mut self, arguments: fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(arguments);
    }

    /// All of it.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A text that may hold anything, as text and in attributes between double quotes.
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
