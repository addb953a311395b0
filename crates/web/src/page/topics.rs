//! All topics: sorted, filtered, a page at a time.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::chart::{Unit, spark};
use ui::format::{bytes, change_rate, rate};
use ui::listing::{Column, Listing};
use ui::parts::{badge, empty, note, scroll};
use ui::text::clean;

use super::action::done;
use super::numbers::{count, unsigned};
use super::{Page, at, controls, series};
use crate::api::{Api, Warnings};
use crate::figures::{Rates, TopicRow};

const COLUMNS: [Column; 14] = [
    Column::text("name", "Topic"),
    Column::number("waiting", "Waiting", "messages waiting in the topic and its channels"),
    Column::picture("hour", "Last hour").wide(),
    Column::number("in", "In/s", "messages published per second, lately"),
    Column::number("out", "Out/s", "messages finished per second by all channels, lately").wide(),
    Column::number("growth", "Grows/s", "change of waiting messages per second, lately").wide(),
    Column::number("channels", "Channels", "").wide(),
    Column::number("consumers", "Consumers", "").wide(),
    Column::number("in_flight", "In flight", "messages held by consumers").wide(),
    Column::number("deferred", "Deferred", "messages waiting for their due time").wide(),
    Column::number("dead", "Dead", "messages set aside after too many attempts").wide(),
    Column::number("published", "Published", "messages published").wide(),
    Column::number("stored", "On disk", "bytes of the journals").wide(),
    Column::number("nodes", "Nodes", "queues that have it").wide(),
];

/// Columns that only this process has.
const RATES: [&str; 4] = ["hour", "in", "out", "growth"];

pub(crate) async fn topics(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    let page = Page::new(api, "topics", "Topics");
    let overview = match api.gather_overview().await {
        Ok(overview) => overview,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &Warnings::default(), &reason)),
    };
    let path = at(api, &["topics"]);
    let listing = Listing::of(&query, &COLUMNS[0]);
    let rows: Vec<&TopicRow> = overview.topics.iter().filter(|row| listing.admits(&row.name)).collect();
    let cut = listing.cut(rows, |a, b| order(listing.sort(), a, b));
    let waiting = overview.topics.iter().fold(0_i64, |sum, row| sum.saturating_add(row.waiting));
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        p #facts .facts data-live {
            (count(overview.topics.len() as i64)) " topics · " (count(waiting)) " messages waiting · "
            a href=(at(api, &["counter"])) { "messages by channel" }
        }
        @if overview.topics.is_empty() {
            (empty("No topics yet.", html! { "A publisher makes its topic with the first message; the form below makes one without." }))
        } @else {
            section {
                (listing.search(&path, "Name contains"))
                div #topics data-live {
                    @if cut.rows.is_empty() { (empty("No topic has such a name.", html! { a href=(path) { "Show all" } })) }
                    @else { (scroll("Topics", table(api, &listing, &path, &cut.rows))) }
                    (listing.pager(&path, &cut, "topics"))
                }
            }
        }
        (controls::create(api))
    };
    Ok(page.answer(&asked.headers, &overview.warnings, content))
}

fn table(api: &Api, listing: &Listing, path: &str, rows: &[&TopicRow]) -> Markup {
    let own = api.site.host.is_some();
    // The queue of this process is the only node, and only it knows rates.
    let columns: Vec<Column> = COLUMNS
        .into_iter()
        .filter(|column| if own { column.key != "nodes" } else { !RATES.contains(&column.key) })
        .collect();
    html! {
        table {
            (listing.head(path, &columns))
            tbody {
                @for row in rows {
                    tr.(if row.lonely { "warning" } else { "" }) {
                        th scope="row" {
                            a href=(at(api, &["topics", &row.name])) { (clean(&row.name)) }
                            @if row.paused { " " (badge(Level::Notice, "paused")) }
                            @if row.lonely { " " (badge(Level::Warning, "nobody consumes")) }
                            @if row.nodes == 0 { " " (badge(Level::Notice, "no queue has it")) }
                        }
                        td.n { (count(row.waiting)) }
                        @if own {
                            @let rates = row.rates.unwrap_or_default();
                            td.wide { (spark("waiting", Unit::Count, series(api, &["topic", &row.name], "backlog").as_deref())) }
                            td.n { (rate(rates.published)) } td.n.wide { (rate(rates.finished)) } td.n.wide { (change_rate(rates.growth)) }
                        }
                        td.n.wide { (row.channels) }
                        @for number in [row.consumers, row.in_flight, row.deferred, row.dead, row.published] { td.n.wide { (count(number)) } }
                        td.n.wide { (bytes(unsigned(row.stored))) }
                        @if !own { td.n.wide { (row.nodes) } }
                    }
                }
            }
        }
    }
}

fn order(column: &str, a: &TopicRow, b: &TopicRow) -> std::cmp::Ordering {
    let rates = |a: &TopicRow, b: &TopicRow, rate: fn(&Rates) -> f64| {
        let of = |row: &TopicRow| row.rates.as_ref().map_or(0.0, rate);
        of(a).total_cmp(&of(b))
    };
    let by = |number: fn(&TopicRow) -> i64| number(a).cmp(&number(b));
    let ordered = match column {
        "waiting" => by(|row| row.waiting),
        "in" => rates(a, b, |rates| rates.published),
        "out" => rates(a, b, |rates| rates.finished),
        "growth" => rates(a, b, |rates| rates.growth),
        "channels" => a.channels.cmp(&b.channels),
        "consumers" => by(|row| row.consumers),
        "in_flight" => by(|row| row.in_flight),
        "deferred" => by(|row| row.deferred),
        "dead" => by(|row| row.dead),
        "published" => by(|row| row.published),
        "stored" => by(|row| row.stored),
        "nodes" => a.nodes.cmp(&b.nodes),
        _ => std::cmp::Ordering::Equal,
    };
    ordered.then_with(|| a.name.cmp(&b.name))
}
