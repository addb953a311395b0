//! The runbook as a page.
//!
//! It uses a small part of Markdown: headings, paragraphs, lists with `-`, `code`, links, and lines with an
//! anchor. Links to sections stay links, links to other pages become text.

use maud::{Markup, html};
use ui::text::clean;

use super::Site;
use crate::runbook::{TEXT, anchor_in};

/// `/runbook`.
pub(crate) fn runbook(site: &Site<'_>) -> Markup {
    site.standing_page("Runbook", html! { div.text.card { (content()) } })
}

/// The runbook without its own title.
fn content() -> Markup {
    let mut anchor = None;
    html! {
        @for block in TEXT.split("\n\n").map(str::trim) {
            @if let Some(name) = anchor_in(block) {
                ({ anchor = Some(name); "" })
            } @else if let Some(heading) = block.strip_prefix("## ") {
                h2 id=[anchor.take()] { (inline(heading)) }
            } @else if block.starts_with("# ") {
            } @else if let Some(list) = block.strip_prefix("- ") {
                ul { @for item in list.split("\n- ") { li { (inline(item)) } } }
            } @else {
                p { (inline(block)) }
            }
        }
    }
}

/// Renders a paragraph: code between backticks and links; the rest is escaped.
fn inline(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (links(part)) }
        }
    }
}

fn links(mut text: &str) -> Markup {
    let mut parts = Vec::new();
    while let Some((before, shown, target, rest)) = next_link(text) {
        parts.push(html! { (clean(before)) @if target.starts_with('#') { a href=(target) { (shown) } } @else { (shown) } });
        text = rest;
    }
    html! { @for part in parts { (part) } (text) }
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
            assert_eq!(inline(text).into_string(), html);
        }
        let page = content().into_string();
        assert!(page.contains("<h2 id=\"pool-down\">Pool: every server is ejected</h2>"), "{page}");
        assert!(page.contains("<ul><li><code>nuthatch doctor -c FILE</code> asks"), "{page}");
    }
}
