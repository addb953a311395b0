//! The configuration in force beside the file, and the difference; reload and log level.

use maud::{Markup, html};
use ui::parts::{Action, badge, empty, level_choice, moment, note, scroll};
use ui::settings::table;
use ui::text::clean;

use super::Site;
use crate::pool_source::setting;
use crate::reload::{Difference, Outcome};
use crate::verdict::level;

/// `/configuration`.
pub(crate) fn configuration(site: &Site<'_>, difference: &Difference) -> Markup {
    let generations = &site.status.configuration;
    let content = html! {
        section #generation data-live {
            h2 { "In force" }
            p.facts {
                "Generation " (generations.generation) " since " (moment(generations.since_ms))
                @if let Difference::Known(Outcome { file: Some(file), .. }) = difference { " · from " code { (clean(file)) } }
            }
            @if let Some(failure) = &generations.failure {
                (note(ui::Level::Warning, &format!("The last reload failed: {}", failure.error)))
            }
            @for (title, lines) in [("Waits for a restart", &generations.needs_restart), ("Changed by hand", &generations.by_hand)] {
                @if !lines.is_empty() { h2 { (title) } ul.diff { @for line in lines { li { (clean(line)) } } } }
            }
        }
        section #difference data-live {
            h2 { "In the file, and not in force" }
            @match difference {
                Difference::Unknown => (empty("Not known.", html! { "This process has no configuration file that could be read again." })),
                Difference::Known(outcome) => (differs(outcome)),
            }
        }
        div.actions {
            (Action {
                path: "/change", fields: &[("change", "reload")], words: "Reload",
                confirmation: Some("Reads the file again and puts it in force. Clients stay connected where the change allows it.".into()),
                loses: false,
            }.form())
            (Action {
                path: "/change", fields: &[("change", "level")], words: "Set the log level",
                confirmation: Some("Until the next restart. Debug writes a line for much of what happens.".into()),
                loses: false,
            }.form_with(&level_choice()))
        }
        @let sections = site.watch.settings();
        @if !sections.is_empty() {
            section #settings data-live {
                h2 { "What runs" small { "each option, and where its value comes from" } }
                @for section in sections.iter() {
                    h3 { @if section.heading.is_empty() { "The process, at the top of the file" } @else { (clean(&section.heading)) } }
                    (table(&section.rows.iter().map(setting).collect::<Vec<_>>()))
                }
            }
        }
        section #listening data-live {
            h2 { "Listeners" }
            (scroll("Listeners", html! {
                table {
                    thead { tr { th scope="col" { "Address" } th scope="col" { "What" } } }
                    tbody { @for listening in &site.status.listening { tr { th scope="row" { code { (listening.address) } } td { (clean(&listening.what)) } } } }
                }
            }))
        }
        @if !site.status.certificates.is_empty() {
            section #certificates data-live {
                h2 { "Certificates" }
                (scroll("Certificates", html! {
                    table {
                        thead { tr { th scope="col" { "Of" } th scope="col" { "Option" } th scope="col" { "State" } } }
                        tbody { @for certificate in &site.status.certificates {
                            @let fault = certificate.fault(site.status.now_ms);
                            tr {
                                th scope="row" { (clean(&certificate.subject())) } td { code { (certificate.option) } }
                                td { @match fault {
                                    Some(fault) => (badge(level(fault.severity), &fault.text)),
                                    None => (badge(ui::Level::Well, "valid")),
                                } }
                            }
                        } }
                    }
                }))
            }
        }
    };
    site.page("configuration", "Configuration", &[], content)
}

fn differs(outcome: &Outcome) -> Markup {
    html! {
        @if let Some(error) = &outcome.error {
            (note(ui::Level::Warning, &format!("A reload would fail: {error}")))
        } @else if outcome.changes.is_empty() {
            p.calm { "Nothing: what runs is what the file says." }
        } @else {
            p { "A reload would change:" }
            ul.diff { @for change in &outcome.changes { li { (clean(change)) } } }
        }
        @for warning in &outcome.warnings { (note(ui::Level::Notice, warning)) }
    }
}
