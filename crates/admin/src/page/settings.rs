//! Settings in force, each with where it comes from.

use config::show::ShownSection;
use maud::{Markup, html};
use ui::format::counted;
use ui::parts::scroll;
use ui::text::clean;

/// The settings of a section: those that were set first, the others in a fold.
pub(super) fn table(section: &ShownSection) -> Markup {
    let (set, rest): (Vec<_>, Vec<_>) =
        section.rows.iter().partition(|row| row.is_set || !is_default(&row.origin));
    let rows = |rows: &[&config::show::ShownSetting]| {
        html! {
            (scroll("Settings", html! {
                table.settings {
                    thead { tr { th scope="col" { "Option" } th scope="col" { "Value" } th scope="col" { "From" } th.wide scope="col" { "Meaning" } } }
                    tbody { @for row in rows { tr {
                        th scope="row" { code { (row.name) } } td { (clean(&row.value)) } td { (clean(&row.origin)) } td.wide { (row.doc) }
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
