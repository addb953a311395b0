//! Parts of pages: badges, tiles, times, notes, and forms that confirm a change.

use maud::{Markup, html};

use crate::format::date;
use crate::frame::Level;
use crate::text::clean;

/// A state in a word or two.
pub fn badge(level: Level, words: &str) -> Markup {
    html! { strong.badge.(level.class()) { (clean(words)) } }
}

/// A figure with its name.
pub fn tile(name: &str, value: Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A moment, in milliseconds since the Unix epoch. The script shows it in the viewer's zone.
pub fn moment(ms: u64) -> Markup {
    let text = date(ms);
    html! { time datetime=(text.replace(' ', "T") + "Z") { (text) " UTC" } }
}

/// A note in place of content, or beside it.
pub fn note(level: Level, text: &str) -> Markup {
    html! { p.note.(level.class()) { (clean(text)) } }
}

/// Content of an empty place: what is missing, and what to do next.
pub fn empty(words: &str, next: Markup) -> Markup {
    html! { div.empty { p { (words) } p { (next) } } }
}

/// A table that scrolls by itself where the screen is narrow.
pub fn scroll(label: &str, table: Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

/// Choice of a log level, for the form that sets it.
pub fn level_choice() -> Markup {
    html! {
        p { label { "Level " select name="level" {
            @for level in ["error", "warn", "info", "debug"] { option selected[level == "info"] { (level) } }
        } } }
    }
}

/// A form that changes something.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    /// Path that the form is sent to.
    pub path: &'a str,
    /// Hidden fields.
    pub fields: &'a [(&'a str, &'a str)],
    /// Words of the button.
    pub words: &'a str,
    /// Consequence of the change, losses included; None if it needs no confirmation.
    pub confirmation: Option<String>,
    /// True if something is lost.
    pub loses: bool,
}

impl Action<'_> {
    /// The button, or a fold with the confirmation and the button in it.
    pub fn form(&self) -> Markup {
        self.form_with(&html! {})
    }

    /// Like [`Action::form`], with further fields before the button.
    pub fn form_with(&self, inputs: &Markup) -> Markup {
        let form = html! {
            form method="post" action=(self.path) {
                @for (name, value) in self.fields { input type="hidden" name=(name) value=(clean(value)); }
                @if let Some(text) = &self.confirmation { p { (clean(text)) } }
                (inputs)
                button.danger[self.loses] { (self.words) }
            }
        };
        html! {
            @if self.confirmation.is_some() {
                details.confirm { summary { (self.words) "…" } div { (form) } }
            } @else {
                (form)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_can_be_read_by_the_script() {
        assert_eq!(
            moment(1_735_689_599_000).into_string(),
            "<time datetime=\"2024-12-31T23:59:59Z\">2024-12-31 23:59:59 UTC</time>"
        );
    }

    #[test]
    fn a_loss_is_confirmed() {
        let action = Action {
            path: "/action",
            fields: &[("change", "empty")],
            words: "Empty",
            confirmation: Some("Discards 12,340 messages.".into()),
            loses: true,
        };
        let form = action.form().into_string();
        assert!(form.starts_with("<details class=\"confirm\"><summary>Empty…</summary>"), "{form}");
        assert!(
            form.contains("<p>Discards 12,340 messages.</p><button class=\"danger\">Empty</button>"),
            "{form}"
        );
    }
}
