//! The page, for an operator on call: answers in the order of the questions.
//!
//! Current failures and their start; memory near its limit; slow servers; growing queues and their consumers.
//! It is rendered here, on the server, so that it is complete without JavaScript; the script only fetches the
//! body again every two seconds. Nothing is loaded from elsewhere. Names may come from clients (topics,
//! channels): everything is escaped.

mod html;
mod pools;
mod queue;
mod runbook;

use html::{Escaped, Html};

use crate::events::Event;
use crate::format::{bytes, clock, count, counted, date, duration};
use crate::lookup::LookupReport;
use crate::status::Status;
use crate::trouble::{Severity, Trouble};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/refresh.js");
/// The icon, as SVG.
pub(crate) const ICON: &str = include_str!("page/icon.svg");

/// The page, with its style and script.
pub(crate) fn whole(status: &Status) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"favicon.ico\" type=\"image/svg+xml\">\n\
         <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head>\n<body>\n\
         <p id=\"stale\" role=\"alert\" hidden></p>\n<main id=\"view\">\n{}</main>\n<script>\n{SCRIPT}</script>\n\
         </body></html>\n",
        Escaped(&title(status)),
        body(status),
    )
}

/// The runbook, in the same style.
pub(crate) fn runbook() -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Runbook · nuthatch</title>\n<style>\n{STYLE}</style></head>\n<body class=\"text\"><main>\n{}</main></body></html>\n",
        runbook::html(),
    )
}

/// The part that the script refreshes.
pub(crate) fn body(status: &Status) -> String {
    let mut html = Html::default();
    head(&mut html, status);
    troubles(&mut html, status);
    resources(&mut html, status);
    status.pools.iter().for_each(|pool| pools::pool(&mut html, pool, status.now_ms));
    if let Some(queue) = &status.queue {
        queue::queue(&mut html, queue);
    }
    if let Some(report) = &status.lookup {
        lookup(&mut html, report);
    }
    events(&mut html, status);
    foot(&mut html, status);
    html.into_string()
}

/// Renders the lookup.
fn lookup(html: &mut Html, report: &LookupReport) {
    let LookupReport { producers, stale, topics, channels, .. } = *report;
    html.add(format_args!(
        "<section><h2>Lookup</h2>\n<p class=\"facts\">{} · {} · {}",
        counted(producers, "node"),
        counted(topics, "topic"),
        counted(channels, "channel"),
    ));
    if stale > 0 {
        html.add(format_args!(" · {} not heard of since the restart", count(stale)));
    }
    html.add(format_args!("</p></section>\n"));
}

/// CSS class of a severity.
fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
    }
}

/// State in a word or two, and its CSS class.
fn verdict(status: &Status) -> (&'static str, String) {
    let number = |severity| status.troubles.iter().filter(|trouble| trouble.severity == severity).count();
    let (critical, warnings) = (number(Severity::Critical), number(Severity::Warning));
    match (critical, warnings) {
        (0, 0) => ("well", "all well".into()),
        (0, 1) => ("warning", "1 warning".into()),
        (0, warnings) => ("warning", format!("{warnings} warnings")),
        (critical, _) => ("critical", format!("{critical} failing")),
    }
}

fn title(status: &Status) -> String {
    format!("{} · nuthatch", verdict(status).1)
}

fn head(html: &mut Html, status: &Status) {
    let (class, verdict) = verdict(status);
    html.add(format_args!(
        "<header data-title=\"{}\"><h1>nuthatch</h1> <strong class=\"verdict {class}\">{verdict}</strong>\n\
         <p class=\"facts\">{} · up {} · as of <time>{} UTC</time> · rates of the last {}</p></header>\n",
        Escaped(&title(status)),
        Escaped(status.version),
        duration(status.now_ms.saturating_sub(status.started_ms)),
        clock(status.now_ms),
        duration((status.window_seconds * 1000.0) as u64),
    ));
}

fn troubles(html: &mut Html, status: &Status) {
    html.add(format_args!("<section><h2>Now</h2>\n"));
    if status.troubles.is_empty() {
        html.add(format_args!("<p class=\"calm\">Nothing fails, nothing is slow, nothing piles up.</p>\n"));
    } else {
        html.add(format_args!("<ul class=\"lines\">\n"));
        status.troubles.iter().for_each(|found| trouble(html, found, status.now_ms));
        html.add(format_args!("</ul>\n"));
    }
    html.add(format_args!("</section>\n"));
}

fn trouble(html: &mut Html, trouble: &Trouble, now_ms: u64) {
    html.add(format_args!(
        "<li class=\"{}\"><b>{}</b> <span>{}</span> <time title=\"{} UTC\">since {}, for {}</time> \
         <a href=\"runbook#{}\">what to do</a></li>\n",
        class(trouble.severity),
        Escaped(&trouble.subject),
        Escaped(&trouble.text),
        date(trouble.since_ms),
        clock(trouble.since_ms),
        duration(now_ms.saturating_sub(trouble.since_ms)),
        Escaped(&trouble.anchor),
    ));
}

fn resources(html: &mut Html, status: &Status) {
    let memory = status.memory;
    let level = match memory.percent() {
        97.. => "critical",
        80.. => "warning",
        _ => "well",
    };
    html.add(format_args!(
        "<section><h2>Resources</h2>\n<dl class=\"tiles\">\n\
         <div class=\"{level}\"><dt>Requests and replies in memory</dt><dd>{} <small>of {}, {} %</small></dd>\n\
         <dd class=\"bar\" style=\"--share:{}%\"></dd></div>\n",
        bytes(memory.used_bytes),
        bytes(memory.budget_bytes),
        memory.percent(),
        memory.percent().min(100),
    ));
    let process = status.process;
    let mut tile = |name: &str, value: String| {
        html.add(format_args!("<div><dt>{name}</dt><dd>{value}</dd></div>\n"));
    };
    if let Some(rss) = process.rss_bytes {
        tile("Process, resident", bytes(rss));
    }
    if let Some((open, max)) = process.open_fds.zip(process.fds_max) {
        tile("File descriptors", format!("{} <small>of {}</small>", count(open), count(max)));
    }
    if let Some(words) = status.gathering.words() {
        tile("Gathering", words);
    }
    html.add(format_args!("</dl></section>\n"));
}

fn events(html: &mut Html, status: &Status) {
    if status.events.is_empty() {
        return;
    }
    html.add(format_args!("<section><h2>Lately</h2>\n<ul class=\"lines\">\n"));
    status.events.iter().for_each(|happened| event(html, happened, status.now_ms));
    html.add(format_args!("</ul>\n"));
    if status.events_lost > 0 {
        let lost = count(status.events_lost);
        html.add(format_args!(
            "<p class=\"facts\">{lost} more came too fast to be kept; the log has them.</p>\n"
        ));
    }
    html.add(format_args!("</section>\n"));
}

fn event(html: &mut Html, event: &Event, now_ms: u64) {
    html.add(format_args!(
        "<li class=\"{}\"><b>{}</b> <span>{}</span> <time title=\"{} UTC\">at {}, {} ago</time></li>\n",
        class(event.severity),
        Escaped(&event.subject),
        Escaped(&event.text),
        date(event.at_ms),
        clock(event.at_ms),
        duration(now_ms.saturating_sub(event.at_ms)),
    ));
}

fn foot(html: &mut Html, status: &Status) {
    html.add(format_args!("<footer><p>"));
    let configuration = &status.configuration;
    if configuration.generation > 0 {
        html.add(format_args!(
            "<span class=\"place\">configuration {} since <time title=\"{} UTC\">{}</time></span> ",
            configuration.generation,
            date(configuration.since_ms),
            clock(configuration.since_ms),
        ));
    }
    for listening in &status.listening {
        let (address, what) = (Escaped(&listening.address), Escaped(&listening.what));
        html.add(format_args!("<span class=\"place\"><code>{address}</code> {what}</span> "));
    }
    html.add(format_args!(
        "</p>\n<p><a href=\"metrics\">/metrics</a> <a href=\"health\">/health</a> \
         <a href=\"ready\">/ready</a> \
         <a href=\"live\">/live</a> \
         <a href=\"api/status\">/api/status</a> <a href=\"runbook\">runbook</a></p></footer>\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::tests::{facts, sample_at};
    use crate::status::Status;

    #[test]
    fn a_quiet_page() {
        let sample = sample_at(&facts(), 4000, &[], None);
        let page = whole(&Status::between(&sample, &sample, &facts(), false));
        for part in ["all well · nuthatch", "Nothing fails", "1.2.3 · up 1 h 6 min", "01:06:41 UTC"] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing comes from elsewhere");
    }
}
