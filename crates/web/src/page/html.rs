//! HTML built piece by piece. Only literals of this program are markup; text from outside is always escaped.

use std::fmt::Write;

use wire::percent;

/// HTML so far.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup, which is a literal of this program.
    pub fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.0.push_str(markup);
        self
    }

    /// Text, between tags or in a quoted attribute.
    pub fn text(&mut self, text: &str) -> &mut Html {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&#34;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(c),
                // Control characters, including those that change text direction.
                c if c.is_control()
                    || ('\u{202a}'..='\u{202e}').contains(&c)
                    || ('\u{2066}'..='\u{2069}').contains(&c) =>
                {
                    self.0.push('\u{fffd}');
                }
                c => self.0.push(c),
            }
        }
        self
    }

    /// Link to a path of this site.
    pub fn link(&mut self, path: &str, words: &str) -> &mut Html {
        self.raw("<a href=\"").text(path).raw("\">").text(words).raw("</a>")
    }

    /// Appends other HTML.
    pub fn append(&mut self, other: Html) -> &mut Html {
        self.0.push_str(&other.0);
        self
    }

    /// A number.
    pub fn number(&mut self, number: i64) -> &mut Html {
        let _ = write!(self.0, "{number}");
        self
    }

    /// Begins a table; columns whose name starts with `#` hold numbers.
    pub fn table(&mut self, columns: &[&'static str]) -> &mut Html {
        self.raw("<table><tr>");
        for column in columns {
            match column.strip_prefix('#') {
                Some(name) => self.raw("<th class=\"n\">").raw(name),
                None => self.raw("<th>").raw(column),
            };
            self.raw("</th>");
        }
        self.raw("</tr>\n")
    }

    /// A cell with a number.
    pub fn count(&mut self, count: i64) -> &mut Html {
        self.raw("<td class=\"n\">").number(count).raw("</td>")
    }

    /// A cell with text.
    pub fn cell(&mut self, text: &str) -> &mut Html {
        self.raw("<td>").text(text).raw("</td>")
    }

    /// The whole HTML.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Path segment, escaped.
pub(super) fn escape_word(word: &str) -> String {
    percent::encode(word.as_bytes(), b"-_.~:[]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let mut html = Html::default();
        html.raw("<b>").text("<script>\"&'\u{202e}\0</b>").raw("</b>");
        assert_eq!(html.into_string(), "<b>&lt;script&gt;&#34;&amp;&#39;\u{fffd}\u{fffd}&lt;/b&gt;</b>");
        let mut html = Html::default();
        html.link(&format!("/topics/{}", escape_word("a#b?c/d\"é")), "a#b");
        assert_eq!(html.into_string(), "<a href=\"/topics/a%23b%3Fc%2Fd%22%C3%A9\">a#b</a>");
    }
}
