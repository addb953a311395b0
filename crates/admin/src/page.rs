//! The pages of this process, for an operator on call: answers in the order of the questions.
//!
//! | path | what |
//! |---|---|
//! | `/` | what is wrong now, since when and what to do; the last hour; pools, queue, resources, events |
//! | `/pools`, `/pools/POOL`, `/pools/POOL/SERVER` | who is slow, who is ejected and why, how traffic is shared |
//! | `/keys/POOL` | which keys are hot, which replies big |
//! | `/slowlog/POOL` | which requests took long, and where |
//! | `/events` | what happened, and what was changed by hand |
//! | `/configuration` | what runs, what the file says, the difference |
//! | `/runbook` | what to do about each trouble |
//!
//! Pages of one pool are written by [`ui::pools`], for this process and for a fleet alike; topics and
//! channels are pages of `web`, served behind these. Everything is rendered here, complete without
//! a script.

mod configuration;
mod engine;
mod events;
mod overview;
mod pools;
mod runbook;
mod subject;

use maud::{Markup, html};
use ui::{Frame, Section};

use crate::status::Status;
use crate::watch::Watch;

pub(crate) use configuration::configuration;
pub(crate) use events::events;
pub(crate) use overview::overview;
pub(crate) use pools::pools;
pub(crate) use runbook::runbook;
pub(crate) use subject::path_of;

/// Sections of the site.
pub const SECTIONS: [Section; 6] = [
    Section { words: "Overview", path: "" },
    Section { words: "Pools", path: "pools" },
    Section { words: "Topics", path: "topics" },
    Section { words: "Events", path: "events" },
    Section { words: "Configuration", path: "configuration" },
    Section { words: "Runbook", path: "runbook" },
];

/// Seconds between two refreshes of a page.
pub const REFRESH_SECONDS: u32 = 2;

/// Data of a page.
pub(crate) struct Site<'a> {
    pub status: &'a Status,
    pub watch: &'a Watch,
    /// Word of the change just made, for the page after it.
    pub did: Option<&'a str>,
}

impl Site<'_> {
    /// A page of a section. `trail` leads from the section to the page.
    pub fn page(&self, section: &str, title: &str, trail: &[(&str, String)], content: Markup) -> Markup {
        self.framed(section, title, trail, content, REFRESH_SECONDS)
    }

    /// A page outside of the sections that is not refreshed.
    pub fn standing_page(&self, title: &str, content: Markup) -> Markup {
        self.framed("runbook", title, &[], content, 0)
    }

    fn framed(
        &self,
        section: &str,
        title: &str,
        trail: &[(&str, String)],
        content: Markup,
        refresh_seconds: u32,
    ) -> Markup {
        let frame = Frame {
            product: "nuthatch",
            version: self.status.version,
            base: "",
            sections: &SECTIONS,
            section,
            trail: trail.iter().map(|(words, path)| ((*words).to_owned(), path.clone())).collect(),
            title,
            verdict: Some(crate::verdict::of(&self.status.troubles)),
            refresh_seconds,
        };
        frame.page(html! {
            @if let Some(done) = self.did.and_then(done) { (ui::parts::note(ui::Level::Well, done)) }
            (content)
        })
    }

    /// The last hour of a figure.
    pub fn series(&self, subject: &[&str], measure: &str) -> Option<Vec<f32>> {
        self.watch.rings().get(&ui::series::key(subject, measure))
    }
}

/// Sentence about a change on the page after it. Only these words can be in an address.
fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "reload" => "The configuration is in force.",
        word => return ui::pools::done(word),
    })
}
