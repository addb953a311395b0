//! Parts of a pool's page: who of its servers is slow, who is ejected, how keys and traffic are shared.

use maud::{Markup, html};

use super::parts::{bars, error_sum, latency, quantiles, share, times};
use super::server::server_state;
use super::table::pool_state;
use super::topology::SLOTS;
use super::{Place, PoolStatus, PoolView, ServerStatus, errors_per_second};
use crate::Level;
use crate::chart::{Unit, bar, chart, distribution, spark};
use crate::format::{bytes, count, counted, rate};
use crate::parts::{badge, scroll, tile};
use crate::text::clean;

/// State, clients, memory.
pub fn pool_facts(pool: &PoolStatus) -> Markup {
    let (level, words) = pool_state(pool);
    html! {
        (badge(level, words)) " " (clean(&pool.protocol)) " · " (counted(pool.clients, "client")) " · "
        (count(pool.in_flight)) " in flight · " (bytes(pool.memory_bytes)) " held · " (count(pool.requests_total)) " requests so far"
    }
}

/// Its figures as charts of the last hour.
pub fn pool_charts(place: &Place<'_>, pool: &PoolStatus) -> Markup {
    let draw = |title: &str, unit, measure: &str, now: f64| {
        chart(title, unit, place.series(&["pool", &pool.name], measure).as_deref(), Some(now as f32))
    };
    let known = |us: Option<u64>| us.map_or(f64::NAN, |us| us as f64);
    html! {
        (draw("Requests", Unit::PerSecond, "requests", pool.requests_per_second))
        (draw("Errors", Unit::PerSecond, "errors", errors_per_second(&pool.errors)))
        (draw("p50", Unit::Micros, "p50", known(pool.latency.p50_us)))
        (draw("p99", Unit::Micros, "p99", known(pool.latency.p99_us)))
        (draw("Hit rate", Unit::Percent, "hits", pool.hit_percent.unwrap_or(f64::NAN)))
        (draw("Clients", Unit::Count, "clients", pool.clients as f64))
    }
}

/// The table of its servers.
pub fn pool_servers(place: &Place<'_>, view: &PoolView) -> Markup {
    let pool = &view.pool;
    let whole = Whole::of(pool);
    html! {
        (scroll("Servers", html! {
            table {
                thead { tr {
                    th scope="col" { "Server" } th scope="col" { "State" } th.n scope="col" { "Requests" }
                    th.wide scope="col" { "Last hour" }
                    th.n scope="col" title="of the keys by weight or slots, of the traffic now" { "Keys, traffic" }
                    th.n.wide scope="col" title="time to be written to the server" { "Queue p99" }
                    th.n.wide scope="col" { "p50" } th.n scope="col" { "p99" } th.n scope="col" title="share of the keys read that were found" { "Hits" }
                    th.n.wide scope="col" title="waiting to be sent, and sent without a reply yet" { "Waiting, sent" }
                    th.n.wide scope="col" { "Connections" } th.n scope="col" title="now, or else since the start" { "Errors" }
                } }
                tbody { @for server in &pool.servers { (row(place, view, server, &whole)) } }
            }
        }))
    }
}

/// Sums that shares are of.
struct Whole {
    slowest_us: u64,
    requests_per_second: f64,
    weight: u64,
}

impl Whole {
    fn of(pool: &PoolStatus) -> Whole {
        let p99 = pool.servers.iter().filter_map(|server| server.latency.p99_us);
        Whole {
            slowest_us: p99.max().unwrap_or(0).max(1),
            requests_per_second: pool.servers.iter().map(|server| server.requests_per_second).sum(),
            weight: pool.placement.servers.iter().map(|member| u64::from(member.weight)).sum(),
        }
    }
}

/// Share of the keys that a server has: by its slots in a cluster, by its weight on a ring.
fn keys_of(view: &PoolView, server: &str, whole: &Whole) -> String {
    match &view.topology.cluster {
        Some(cluster) => {
            let node = cluster.nodes.iter().find(|node| node.name == server);
            let slots = node.map(|node| node.slots).filter(|slots| *slots > 0);
            slots.map_or_else(|| "–".into(), |slots| percent(slots as f64, SLOTS as f64))
        }
        None => {
            let member = view.pool.placement.member(server);
            member.map_or_else(|| "–".into(), |member| percent(f64::from(member.weight), whole.weight as f64))
        }
    }
}

fn row(place: &Place<'_>, view: &PoolView, server: &ServerStatus, whole: &Whole) -> Markup {
    let pool = &view.pool;
    let (level, words) = server_state(server);
    let traffic = percent(server.requests_per_second, whole.requests_per_second);
    let slow = server.latency.p99_us.unwrap_or(0).saturating_mul(100) / whole.slowest_us;
    html! {
        tr.(if level == Level::Well { "" } else { level.class() }) {
            th scope="row" { a href=(place.of_server(&pool.name, &server.name)) { (clean(&server.name)) } }
            td { (badge(level, &words)) }
            td.n { (rate(server.requests_per_second)) "/s" }
            td.wide { (spark("requests", Unit::PerSecond, place.series(&["pool", &pool.name, &server.name], "requests").as_deref())) }
            td.n { (keys_of(view, &server.name, whole)) ", " (traffic) }
            td.n.wide { (latency(server.queue_time.p99_us)) }
            td.n.wide { (latency(server.latency.p50_us)) }
            td.n { (latency(server.latency.p99_us)) (bar("p99", slow)) }
            td.n { (share(server.hit_percent)) }
            td.n.wide { (count(server.waiting)) ", " (count(server.in_flight)) }
            td.n.wide { (count(server.connections)) }
            td.n { (error_sum(&server.errors)) }
        }
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part * 100.0 / whole) } else { "–".into() }
}

/// Latency as clients see it, and where it arises.
pub fn pool_latency(pool: &PoolStatus) -> Markup {
    html! {
        h2 { "Latency as clients see it" }
        (quantiles(&pool.latency))
        (times(pool.queue_time, &pool.response_times))
        (distribution("Requests by latency, last seconds", &bars(&pool.distribution)))
    }
}

/// Its ring.
pub fn pool_placement(pool: &PoolStatus) -> Markup {
    let placement = &pool.placement;
    html! {
        h2 { "Placement of keys" }
        dl.tiles {
            (tile("Hash", html! { (clean(&placement.hash)) }))
            (tile("Distribution", html! { (clean(&placement.distribution)) }))
            (tile("Hash tag", html! { (clean(placement.hash_tag.as_deref().unwrap_or("none"))) }))
        }
        (scroll("Members of the ring", html! {
            table {
                thead { tr { th scope="col" { "Server" } th scope="col" { "Address" } th.n scope="col" { "Weight" } } }
                tbody { @for member in &placement.servers { tr {
                    th scope="row" { (clean(&member.name)) } td { code { (clean(&member.address)) } } td.n { (count(u64::from(member.weight))) }
                } } }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pools::{Cluster, ClusterNode, Member};

    #[test]
    fn a_share_of_keys_is_of_slots_or_weights() {
        let mut view = PoolView::default();
        let member = |name: &str, weight| Member { name: name.into(), weight, ..Member::default() };
        view.pool.placement.servers = vec![member("a", 1), member("b", 3)];
        let whole = Whole::of(&view.pool);
        assert_eq!(["a", "b", "c"].map(|name| keys_of(&view, name, &whole)), ["25 %", "75 %", "–"]);
        let node = |name: &str, slots| ClusterNode { name: name.into(), slots, ..ClusterNode::default() };
        let nodes = vec![node("a", SLOTS / 2), node("c", SLOTS / 2), node("b", 0)];
        view.topology.cluster = Some(Cluster { nodes, ..Cluster::default() });
        assert_eq!(["a", "b", "c"].map(|name| keys_of(&view, name, &whole)), ["50 %", "–", "50 %"]);
    }
}
