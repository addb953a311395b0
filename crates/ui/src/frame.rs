//! The frame of every page: head, sections, title, verdict, foot.

use maud::{DOCTYPE, Markup, html};
use serde::{Deserialize, Serialize};

use crate::assets::address;
use crate::text::{clean, path};

/// Grade of a state, from good to bad; a CSS class each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Well,
    /// Worth knowing.
    Notice,
    /// Works badly, or soon will not.
    Warning,
    /// Does not work.
    Critical,
}

impl Level {
    /// Its CSS class.
    pub fn class(self) -> &'static str {
        match self {
            Level::Well => "well",
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Critical => "critical",
        }
    }
}

/// State of the process in a word or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its grade.
    pub level: Level,
    /// `all well`, `2 warnings`.
    pub words: String,
}

/// A section of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub words: &'static str,
    /// First word of its paths; empty for the start page.
    pub path: &'static str,
}

/// The frame of a page.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// Name of the site.
    pub product: &'a str,
    /// Version of the program.
    pub version: &'a str,
    /// Prefix of all paths, without a trailing slash.
    pub base: &'a str,
    /// Sections, in the order shown.
    pub sections: &'a [Section],
    /// Path of the section that the page belongs to.
    pub section: &'a str,
    /// Links from the section to this page: words and path.
    pub trail: Vec<(String, String)>,
    /// Title of the page.
    pub title: &'a str,
    /// State of the process, shown on every page.
    pub verdict: Option<Verdict>,
    /// Seconds between two refreshes; 0 for a page that stays as it is.
    pub refresh_seconds: u32,
}

impl Frame<'_> {
    /// The page with this content.
    pub fn page(&self, content: Markup) -> Markup {
        let title = clean(self.title);
        let verdict = self.verdict.as_ref().filter(|verdict| verdict.level != Level::Well);
        let prefix = verdict.map(|verdict| format!("{} · ", verdict.words)).unwrap_or_default();
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    title { (prefix) (title) " · " (self.product) }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    link rel="icon" href=(address(self.base, "icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(address(self.base, "style.css"));
                    script src=(address(self.base, "script.js")) defer {}
                    @if self.refresh_seconds > 0 {
                        noscript { meta http-equiv="refresh" content=(self.refresh_seconds.max(5)); }
                    }
                }
                body data-refresh=(self.refresh_seconds) {
                    a.skip href="#main" { "Skip to the content" }
                    (self.header())
                    p #stale.stale role="alert" hidden {}
                    main #main {
                        (self.trail())
                        h1 { (title) }
                        (content)
                    }
                    footer { p { (self.product) " " (self.version) " · times in " span.zone { "UTC" } } }
                }
            }
        }
    }

    fn header(&self) -> Markup {
        html! {
            header {
                a.product href=(path(self.base, &[])) { (self.product) }
                nav aria-label="Sections" {
                    @for section in self.sections {
                        @let href = match section.path { "" => path(self.base, &[]), word => path(self.base, &[word]) };
                        @let current = (section.path == self.section).then_some("page");
                        a href=(href) aria-current=[current] { (section.words) }
                    }
                }
                @if let Some(verdict) = &self.verdict {
                    a #verdict .verdict.(verdict.level.class()) data-live href=(path(self.base, &[])) { (verdict.words) }
                }
            }
        }
    }

    fn trail(&self) -> Markup {
        html! {
            @if !self.trail.is_empty() {
                nav.trail aria-label="Trail" {
                    @for (at, (words, href)) in self.trail.iter().enumerate() {
                        @if at > 0 { " › " }
                        a href=(href) { (clean(words)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTIONS: [Section; 2] =
        [Section { words: "Overview", path: "" }, Section { words: "Pools", path: "pools" }];

    #[test]
    fn a_page() {
        let frame = Frame {
            product: "nuthatch",
            version: "1.2.3",
            base: "/sub",
            sections: &SECTIONS,
            section: "pools",
            trail: vec![("Pools".into(), "/sub/pools".into())],
            title: "Pool <a>\u{202e}",
            verdict: Some(Verdict { level: Level::Warning, words: "1 warning".into() }),
            refresh_seconds: 2,
        };
        let page = frame.page(html! { p { "content" } }).into_string();
        for part in [
            "<!DOCTYPE html>",
            "<title>1 warning · Pool &lt;a&gt;\u{fffd} · nuthatch</title>",
            "<a href=\"/sub/pools\" aria-current=\"page\">Pools</a>",
            "<a href=\"/sub\">Overview</a>",
            "href=\"/sub/static/style.css?v=",
            "<p>content</p>",
        ] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
        for inline in ["<style", " style=", "onclick", "<script>"] {
            assert!(!page.contains(inline), "{inline} in\n{page}");
        }
    }
}
