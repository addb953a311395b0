//! Messages of each channel on each queue.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::html;
use ui::listing::{Column, Listing};
use ui::parts::{empty, scroll};
use ui::text::clean;

use super::numbers::count;
use super::{Page, at};
use crate::api::{Api, Warnings};
use crate::figures::Count;

const COLUMNS: [Column; 4] = [
    Column::text("topic", "Topic"),
    Column::text("channel", "Channel"),
    Column::text("node", "Node").wide(),
    Column::number("messages", "Messages", ""),
];

pub(crate) async fn counter(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    // For the queue of this process it is a page of the topics.
    let section = if api.site.host.is_some() { "topics" } else { "counter" };
    let page = Page::new(api, section, "Counter");
    let own = api.site.host.is_some();
    let page = if own { page.under("Topics", at(api, &["topics"])) } else { page };
    let mut warnings = Warnings::default();
    let counts = match api.gather_counts(&mut warnings).await {
        Ok(counts) => counts,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    let total = counts.values().fold(0_i64, |sum, count| sum.saturating_add(count.message_count));
    let path = at(api, &["counter"]);
    let listing = Listing::of(&query, &COLUMNS[3]);
    let admitted =
        |row: &Count| listing.admits(&format!("{} {} {}", row.topic_name, row.channel_name, row.node));
    let none = counts.is_empty();
    let rows: Vec<Count> = counts.into_values().filter(admitted).collect();
    let cut = listing.cut(rows, |a, b| order(listing.sort(), a, b));
    let content = html! {
        p #total .facts data-live { "Messages processed: " b { (count(total)) } }
        section {
            (listing.search(&path, "Name contains"))
            div #counts data-live {
                @if none { (empty("No channel yet.", html! { a href=(at(api, &["topics"])) { "Topics" } })) }
                @else {
                    (scroll("Messages by channel", html! {
                        table {
                            (listing.head(&path, &COLUMNS))
                            tbody {
                                @for row in &cut.rows {
                                    tr {
                                        th scope="row" { a href=(at(api, &["topics", &row.topic_name])) { (clean(&row.topic_name)) } }
                                        td { a href=(at(api, &["topics", &row.topic_name, &row.channel_name])) { (clean(&row.channel_name)) } }
                                        td.wide { (clean(&row.node)) }
                                        td.n { (count(row.message_count)) }
                                    }
                                }
                            }
                        }
                    }))
                    (listing.pager(&path, &cut, "channels"))
                }
            }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn order(column: &str, a: &Count, b: &Count) -> std::cmp::Ordering {
    let name = |row: &Count| (row.topic_name.clone(), row.channel_name.clone(), row.node.clone());
    let ordered = match column {
        "channel" => a.channel_name.cmp(&b.channel_name),
        "node" => a.node.cmp(&b.node),
        "messages" => a.message_count.cmp(&b.message_count),
        _ => std::cmp::Ordering::Equal,
    };
    ordered.then_with(|| name(a).cmp(&name(b)))
}
