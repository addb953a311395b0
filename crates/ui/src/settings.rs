//! Settings in force, each with where it comes from.

use std::borrow::Cow;

use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use crate::format::counted;
use crate::parts::scroll;
use crate::text::{clean, coded};

/// An option in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingRow {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its value; if it is not set, what that means. Secrets are not shown.
    pub value: String,
    /// Origin of the value: a file and line, a flag, `default`.
    pub origin: String,
    /// True if somebody has set it: it is not the default.
    pub is_set: bool,
    /// Its meaning.
    pub doc: Cow<'static, str>,
}

/// Those that were set first, the others in a fold.
pub fn table(settings: &[SettingRow]) -> Markup {
    let (set, rest): (Vec<_>, Vec<_>) =
        settings.iter().partition(|row| row.is_set || !is_default(&row.origin));
    let rows = |rows: &[&SettingRow]| {
        html! {
            (scroll("Settings", html! {
                table.settings {
                    thead { tr { th scope="col" { "Option" } th scope="col" { "Value" } th scope="col" { "From" } th.wide scope="col" { "Meaning" } } }
                    tbody { @for row in rows { tr {
                        th scope="row" { code { (clean(&row.name)) } } td { (clean(&row.value)) } td { (clean(&row.origin)) } td.wide { (coded(&row.doc)) }
                    } } }
                }
            }))
        }
    };
    html! {
        @if set.is_empty() { p.facts { "Nothing is set: every option has its default." } } @else { (rows(&set)) }
        @if !rest.is_empty() {
            details.more { summary { (counted(rest.len() as u64, "default")) } (rows(&rest)) }
        }
    }
}

fn is_default(origin: &str) -> bool {
    origin.is_empty() || origin == "default"
}
