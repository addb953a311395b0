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
//! Topics and channels are pages of `web`, served behind these. Everything is rendered here, complete without
//! a script.

mod configuration;
mod engine;
mod events;
mod hot_keys;
mod overview;
mod pool;
mod pools;
mod runbook;
mod server;
mod settings;
mod slow_log;
mod subject;

use maud::{Markup, html};
use ui::pools::{History, Place};
use ui::{Frame, Section};

use crate::status::Status;
use crate::watch::Watch;

pub(crate) use configuration::configuration;
pub(crate) use events::events;
pub(crate) use hot_keys::hot_keys;
pub(crate) use overview::overview;
pub(crate) use pool::pool;
pub(crate) use pools::pools;
pub(crate) use runbook::runbook;
pub(crate) use server::server;
pub(crate) use slow_log::slow_log;
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

/// The pools of this process, with their last hour.
fn pools_at<'a>(history: &'a History<'a>) -> Place<'a> {
    Place { path: "/pools".into(), history: Some(history) }
}

/// Sentence about a change on the page after it. Only these words can be in an address.
fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "eject" => "Ejected: the server gets no more requests; its connections stay.",
        "drain" => "Draining: the server gets no more requests; its connections close once they owe nothing.",
        "return" => "Returned: the server is in the ring again.",
        "weight" => "The weight is set.",
        "reload" => "The configuration is in force.",
        "level" => "The log level is set.",
        _ => return None,
    })
}
