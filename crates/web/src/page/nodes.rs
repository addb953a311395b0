//! Queues of the fleet.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal};
use maud::{Markup, html};
use ui::Level;
use ui::listing::{Column, Listing};
use ui::parts::{Action, badge, empty, level_choice, note, scroll};
use ui::text::clean;

use super::action::done;
use super::{Page, at};
use crate::api::{Api, Warnings};
use crate::fleet::{NodePools, Producer};

/// Most nodes without a queue that are shown.
const ROWS_MAX: usize = 1_000;

const COLUMNS: [Column; 7] = [
    Column::text("node", "Node"),
    Column::text("hostname", "Machine").wide(),
    Column::number("port", "TCP port", "").wide(),
    Column::text("version", "Version"),
    Column::text("zone", "Zone").wide(),
    Column::number("topics", "Topics", ""),
    Column::text("lookups", "Registered with").wide(),
];

pub(crate) async fn nodes(api: &Api, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
    let query = asked.query()?;
    let page = Page::new(api, "nodes", "Nodes");
    let mut warnings = Warnings::default();
    let nodes = match warnings.take(api.fleet().producers().await) {
        Ok(nodes) => nodes,
        Err(reason) => return Ok(page.unavailable(&asked.headers, &warnings, &reason)),
    };
    // Nodes that show no pools are listed all the same.
    let others = api.gather_pools(&mut warnings).await.unwrap_or_default();
    let others: Vec<&NodePools> = others.iter().filter(|node| !node.has_queue).collect();
    let path = at(api, &["nodes"]);
    let listing = Listing::of(&query, &COLUMNS[0]);
    let total = nodes.len();
    let admitted = |node: &Producer| listing.admits(&format!("{} {}", node.http_address(), node.hostname));
    let rows: Vec<Producer> = nodes.into_iter().filter(admitted).collect();
    let cut = listing.cut(rows, |a, b| order(listing.sort(), a, b));
    let content = html! {
        @if let Some(text) = query.text("did").and_then(done) { (note(Level::Well, text)) }
        @if total > 0 || !others.is_empty() { div.actions { (log_level(api, None)) } }
        section {
            (listing.search(&path, "Name contains"))
            div #nodes data-live {
                @if total == 0 { (empty("No queue is registered.", html! { "Start a queue with the addresses of the lookups, or name queues by --nsqd-http-address." })) }
                @else { (scroll("Nodes", table(api, &listing, &path, &cut.rows))) }
                (listing.pager(&path, &cut, "nodes"))
            }
        }
        @if !others.is_empty() {
            section #proxies data-live {
                h2 { "Without a queue" small { "nuthatches that are found by their admin ports" } }
                (scroll("Nodes without a queue", without_queue(api, &others)))
            }
        }
    };
    Ok(page.answer(&asked.headers, &warnings, content))
}

fn table(api: &Api, listing: &Listing, path: &str, nodes: &[Producer]) -> Markup {
    html! {
        table {
            (listing.head(path, &COLUMNS))
            tbody {
                @for node in nodes {
                    @let address = node.http_address();
                    tr {
                        th scope="row" { a href=(at(api, &["nodes", &address])) { (clean(&address)) } }
                        td.wide { (clean(&node.hostname)) }
                        td.n.wide { (node.tcp_port) }
                        td { (clean(&node.version)) @if node.out_of_date { " " (badge(Level::Notice, "out of date")) } }
                        td.wide { (clean(&node.topology_region)) " " (clean(&node.topology_zone)) }
                        td.n {
                            (topics(node))
                            @let tombstones = node.topics.iter().flatten().filter(|topic| topic.tombstoned).count();
                            @if tombstones > 0 { " " (badge(Level::Notice, &format!("{tombstones} tombstoned"))) }
                        }
                        td.wide { (registrations(node, api.fleet().lookups())) }
                    }
                }
            }
        }
    }
}

fn without_queue(api: &Api, nodes: &[&NodePools]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Node" } th.wide scope="col" { "Machine" } th scope="col" { "Version" } th.n scope="col" { "Pools" } } }
            tbody {
                @for node in nodes.iter().take(ROWS_MAX) {
                    tr {
                        th scope="row" { a href=(at(api, &["nodes", &node.node])) { (clean(&node.node)) } }
                        td.wide { (clean(&node.hostname)) }
                        td { (clean(&node.version)) }
                        td.n { (node.pools.len()) }
                    }
                }
            }
        }
    }
}

/// The form that sets the log level of a node, or of all.
pub(super) fn log_level(api: &Api, node: Option<&str>) -> Markup {
    let mut fields = vec![("change", "level")];
    fields.extend(node.map(|node| ("node", node)));
    let whose = if node.is_some() { "this node" } else { "every node" };
    let action = Action {
        path: &at(api, &["action"]),
        fields: &fields,
        words: "Set the log level",
        confirmation: Some(format!(
            "Of {whose}, until its next restart. Debug writes a line for much of what happens."
        )),
        loses: false,
    };
    action.form_with(&level_choice())
}

fn topics(node: &Producer) -> usize {
    node.topics.as_ref().map_or(0, Vec::len)
}

fn registrations(node: &Producer, lookups: usize) -> Markup {
    let registered = node.remote_addresses.iter().flatten().count();
    html! {
        @for address in node.remote_addresses.iter().flatten() { (clean(address)) " " }
        @if lookups > 0 && registered != lookups { (badge(Level::Warning, &format!("{registered} registrations, {lookups} lookups"))) }
    }
}

fn order(column: &str, a: &Producer, b: &Producer) -> std::cmp::Ordering {
    let zone = |node: &Producer| (node.topology_region.clone(), node.topology_zone.clone());
    let ordered = match column {
        "hostname" => a.hostname.cmp(&b.hostname),
        "port" => a.tcp_port.cmp(&b.tcp_port),
        "version" => a.version.cmp(&b.version),
        "zone" => zone(a).cmp(&zone(b)),
        "topics" => topics(a).cmp(&topics(b)),
        _ => std::cmp::Ordering::Equal,
    };
    ordered.then_with(|| a.http_address().cmp(&b.http_address()))
}
