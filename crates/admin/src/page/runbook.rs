//! The runbook as a page.
//!
//! It uses a small part of Markdown: headings, paragraphs, lists with `-`, `code`, links, and lines with an
//! anchor. Links to sections stay links, links to other pages become text.

use std::fmt::Write;

use super::html::Escaped;
use crate::runbook::{TEXT, anchor_in};

/// The runbook as HTML, without the page around it.
pub(super) fn html() -> String {
    let mut html = String::new();
    for block in TEXT.split("\n\n") {
        let block = block.trim();
        if let Some(name) = anchor_in(block) {
            let _ = writeln!(html, "<a id=\"{}\"></a>", Escaped(name));
        } else if let Some(heading) = block.strip_prefix("## ") {
            let _ = writeln!(html, "<h2>{}</h2>", inline(heading));
        } else if let Some(heading) = block.strip_prefix("# ") {
            let _ = writeln!(html, "<h1>{}</h1>", inline(heading));
        } else if let Some(list) = block.strip_prefix("- ") {
            let items = list.split("\n- ").map(|item| format!("<li>{}</li>", inline(item)));
            let _ = writeln!(html, "<ul>\n{}\n</ul>", items.collect::<Vec<_>>().join("\n"));
        } else {
            let _ = writeln!(html, "<p>{}</p>", inline(block));
        }
    }
    html
}

/// Renders a paragraph: code between backticks and links; the rest is escaped.
fn inline(text: &str) -> String {
    let mut html = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(html, "<code>{}</code>", Escaped(part));
        } else {
            links(&mut html, part);
        }
    }
    html
}

fn links(html: &mut String, mut text: &str) {
    while let Some((before, shown, target, rest)) = next_link(text) {
        let (before, shown) = (Escaped(before), Escaped(shown));
        let _ = if target.starts_with('#') {
            write!(html, "{before}<a href=\"{}\">{shown}</a>", Escaped(target))
        } else {
            write!(html, "{before}{shown}")
        };
        text = rest;
    }
    let _ = write!(html, "{}", Escaped(text));
}

/// The text before the first link, the link's two parts, and the rest.
fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, rest) = text.split_once('[')?;
    let (shown, rest) = rest.split_once("](")?;
    let (target, rest) = rest.split_once(')')?;
    Some((before, shown, target, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        for (text, html) in [
            ("a `b<c` d", "a <code>b&lt;c</code> d"),
            ("see [slow](#server-slow).", "see <a href=\"#server-slow\">slow</a>."),
            ("see [queue](queue.md) & more", "see queue &amp; more"),
            ("no [link", "no [link"),
        ] {
            assert_eq!(inline(text), html);
        }
        let page = html();
        assert!(page.contains("<a id=\"pool-down\"></a>\n<h2>Pool: every server is ejected</h2>"), "{page}");
        assert!(page.contains("<ul>\n<li><code>nuthatch doctor -c FILE</code> asks"), "{page}");
    }
}
