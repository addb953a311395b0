//! The topology on a pool's page: servers of slots and keys, as the proxy believes.

use maud::{Markup, html};

use super::topology::SLOTS;
use super::{Cluster, ClusterNode, Home, Master, Place, PoolView, Replica, Topology, home, key_text};
use crate::Level;
use crate::format::{count, counted, duration, micros, rate};
use crate::parts::{badge, moment, note, scroll};
use crate::text::clean;

/// Most nodes shown; a cluster has dozens, and may have thousands.
const NODES_MAX: usize = 300;
/// Ranges of slots shown of a node.
const RANGES_MAX: usize = 6;

/// The form that finds the server of a key, and its answer.
pub(super) fn search(place: &Place<'_>, view: &PoolView, key: Option<&str>) -> Markup {
    let key = key.filter(|key| !key.is_empty());
    html! {
        form.search method="get" action=(place.of_pool(&view.pool.name)) {
            label for="key" { "Which server has the key" }
            input #key type="search" name="key" value=(key.map(clean).unwrap_or_default()) autocomplete="off" aria-describedby="key-help";
            button { "Find" }
            small #key-help { "Bytes that are no text as redis-cli prints them: " code { "\\x00\\xff" } ", " code { "\\n" } ", " code { "\\\\" } " for a backslash." }
        }
        div #home data-live { @if let Some(key) = key { (answer(place, view, key)) } }
    }
}

fn answer(place: &Place<'_>, view: &PoolView, text: &str) -> Markup {
    let key = key_text::read(text);
    let found = home(view, &key);
    let pool = &view.pool;
    let link = |name: &str| {
        let known = pool.servers.iter().any(|server| server.name == name);
        html! { @if known { a href=(place.of_server(&pool.name, name)) { (clean(name)) } } @else { (clean(name)) } }
    };
    let Home { slot, hash, hashed, server, regular, replicas, is_anywhere } = found;
    html! {
        p.note.(if server.is_some() || is_anywhere { Level::Notice.class() } else { Level::Warning.class() }) {
            code { (clean(&key_text::show(&key))) } " "
            @if is_anywhere { "may be anywhere: with the distribution random every request goes to a server drawn by lot. " }
            @else if let Some(server) = &server {
                "is served by " b { (link(server)) }
                @if let Some(address) = address(view, server) { " at " code { (clean(&address)) } }
                ". "
            } @else { "is served by nobody now. " }
            @if let Some(slot) = slot { "It is in slot " (count(u64::from(slot))) ". " }
            @if let Some(hash) = hash { "Its hash is " (format!("{hash:#010x}")) ". " }
            @if !hashed.is_empty() && hashed != key { "Only " code { (clean(&key_text::show(&hashed))) } " of it counts. " }
            @if !replicas.is_empty() {
                "Replicas: " @for (at, replica) in replicas.iter().enumerate() { @if at > 0 { ", " } (link(replica)) } ". "
            }
            @if let Some(regular) = regular.filter(|regular| Some(regular) != server.as_ref()) {
                "While " (link(&regular)) " is in the ring, it is served by that one."
            }
        }
    }
}

/// Address of a server.
fn address(view: &PoolView, server: &str) -> Option<String> {
    let master = view.topology.masters.iter().find(|master| master.name == server);
    match master {
        Some(master) => master.address.clone(),
        None if view.topology.cluster.is_some() => None,
        None => view.pool.placement.member(server).map(|member| member.address.clone()),
    }
}

/// The topology: a cluster, or masters with their Sentinels. None for a ring, whose placement says all.
pub(super) fn topology(place: &Place<'_>, view: &PoolView) -> Option<Markup> {
    let Topology { cluster, masters: named, .. } = &view.topology;
    (cluster.is_some() || !named.is_empty()).then(|| html! {
        @if let Some(cluster) = cluster {
            h2 { "Cluster" small { "what the proxy believes" } }
            (cluster_facts(view, cluster))
            (scroll("Nodes of the cluster", nodes(place, view, cluster)))
            @if cluster.nodes.len() > NODES_MAX { p.facts.more { (counted((cluster.nodes.len() - NODES_MAX) as u64, "node")) " more." } }
            (unasked(view))
        }
        @if !named.is_empty() {
            h2 { "Sentinels" small { "what the proxy believes" } }
            (scroll("Masters and replicas", masters(place, view)))
            (unasked(view))
            @for master in named { (sentinels(master)) }
        }
    })
}

/// A note that nobody asks replicas how they are.
fn unasked(view: &PoolView) -> Markup {
    html! {
        @if view.topology.replicas.is_empty() {
            p.facts.more { "All reads go to masters (" code { "read_from = \"primary\"" } "), so that no replica is asked for its lag and zone." }
        }
    }
}

fn cluster_facts(view: &PoolView, cluster: &Cluster) -> Markup {
    let whole = cluster.slots_served == SLOTS;
    html! {
        @if let Some((level, text)) = cluster.fault() { (note(level, &text)) }
        p.facts {
            (badge(if whole { Level::Well } else { Level::Warning }, &format!("{} of {} slots served", count(cluster.slots_served as u64), count(SLOTS as u64))))
            " epoch " (count(cluster.epoch)) " · "
            @match cluster.refreshed_ms {
                Some(at) => { "map confirmed " (moment(at)) },
                None => "no map yet",
            }
            " · " (rate(view.pool.redirects_per_second)) " redirects/s · "
            (rate(view.pool.replica_reads_per_second)) " reads/s from replicas · "
            (counted(cluster.questions, "question")) " asked · " (counted(cluster.views_refused, "view")) " refused"
            @if cluster.left_out > 0 { " · " (count(cluster.left_out as u64)) " nodes or ranges left out" }
        }
        @if let (Some(error), Some(at)) = (&cluster.last_error, cluster.last_error_ms) {
            p.facts { "Last failure, " (moment(at)) ": " (clean(error)) }
        }
    }
}

/// Each master followed by its replicas, then the rest.
fn in_order(cluster: &Cluster) -> Vec<&ClusterNode> {
    let mut ordered: Vec<&ClusterNode> = Vec::with_capacity(cluster.nodes.len());
    let mut masters: Vec<&ClusterNode> =
        cluster.nodes.iter().filter(|node| node.master.is_none() && node.slots > 0).collect();
    masters.sort_by_key(|node| node.ranges.first().copied());
    for master in masters {
        ordered.push(master);
        ordered.extend(cluster.nodes.iter().filter(|node| node.master.as_ref() == Some(&master.name)));
    }
    let is_listed =
        |node: &ClusterNode, ordered: &[&ClusterNode]| ordered.iter().any(|known| known.name == node.name);
    let rest: Vec<&ClusterNode> = cluster.nodes.iter().filter(|node| !is_listed(node, &ordered)).collect();
    ordered.extend(rest);
    ordered
}

fn nodes(place: &Place<'_>, view: &PoolView, cluster: &Cluster) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Node" } th scope="col" { "Role" } th.n scope="col" { "Slots" } th.wide scope="col" { "Ranges" }
                th scope="col" { "Health" }
                (replica_head())
            } }
            tbody {
                @for node in in_order(cluster).into_iter().take(NODES_MAX) {
                    @let level = if node.health == "online" { Level::Well } else { Level::Critical };
                    tr.(if level == Level::Well { "" } else { level.class() }) {
                        (name(place, view, &node.name, node.master.is_some()))
                        td { (clean(&node.role)) }
                        td.n {
                            @if node.slots > 0 { (count(node.slots as u64)) ", " (format!("{:.1} %", node.slots as f64 * 100.0 / SLOTS as f64)) }
                        }
                        td.wide { (ranges(&node.ranges)) }
                        td { (badge(level, &node.health)) }
                        (replica_cells(view, &node.name))
                    }
                }
            }
        }
    }
}

fn name(place: &Place<'_>, view: &PoolView, name: &str, is_replica: bool) -> Markup {
    let is_known = view.pool.servers.iter().any(|server| server.name == name);
    html! {
        th scope="row" {
            @if is_replica { span.branch aria-hidden="true" { "↳ " } }
            @if is_known { a href=(place.of_server(&view.pool.name, name)) { (clean(name)) } } @else { (clean(name)) }
        }
    }
}

fn ranges(ranges: &[(u16, u16)]) -> Markup {
    let shown = |(first, last): &(u16, u16)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    let text: Vec<String> = ranges.iter().take(RANGES_MAX).map(shown).collect();
    let more = ranges.len().saturating_sub(RANGES_MAX);
    html! { (text.join(", ")) @if more > 0 { " and " (more) " more" } }
}

fn replica_head() -> Markup {
    html! {
        th.n scope="col" title="greatest age of its data" { "Lag" } th.wide scope="col" { "Zone" }
        th.n.wide scope="col" title="of questions to it" { "Round trip" } th scope="col" { "Reads" }
    }
}

fn replica_cells(view: &PoolView, name: &str) -> Markup {
    let replica = view.topology.replicas.iter().find(|replica| replica.name == name);
    html! {
        @if let Some(Replica { zone, round_trip_us, lag_ms, not_read, .. }) = replica {
            td.n { (lag_ms.map_or_else(|| "–".into(), lag)) }
            td.wide { (zone.as_deref().map_or_else(|| "–".into(), clean)) }
            td.n.wide { (round_trip_us.map_or_else(|| "–".into(), micros)) }
            td {
                @match not_read {
                    None => (badge(Level::Well, "read from")),
                    Some(why) => { (badge(Level::Warning, "not read")) " " (clean(why)) },
                }
            }
        } @else { td.n {} td.wide {} td.n.wide {} td {} }
    }
}

/// The age of data: milliseconds below a second.
fn lag(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { duration(ms) }
}

fn masters(place: &Place<'_>, view: &PoolView) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Server" } th scope="col" { "Address" } th.wide scope="col" { "Since" } th.n.wide scope="col" { "Failovers" }
                th scope="col" { "Sentinels" }
                (replica_head())
            } }
            tbody {
                @for master in &view.topology.masters {
                    @let fault = master.fault();
                    @let level = fault.as_ref().map_or(Level::Well, |(level, _)| *level);
                    tr.(if level == Level::Well { "" } else { level.class() }) {
                        (name(place, view, &master.name, false))
                        td { @match &master.address { Some(address) => code { (clean(address)) }, None => (badge(Level::Critical, "unknown")) } }
                        td.wide { @if let Some(at) = master.since_ms { (moment(at)) } }
                        td.n.wide { (count(master.changes)) }
                        td { (badge(level, &format!("{} of {} answer", master.sentinels_answering, master.sentinels))) }
                        td.n {} td.wide {} td.n.wide {} td {}
                    }
                    @for replica in view.topology.replicas.iter().filter(|replica| replica.master == master.name).take(NODES_MAX) {
                        tr {
                            (name(place, view, &replica.name, true))
                            td { "replica" } td.wide {} td.n.wide {} td {}
                            (replica_cells(view, &replica.name))
                        }
                    }
                }
            }
        }
    }
}

/// Sentinels of a master; one that names another address than the one believed is marked.
fn sentinels(master: &Master) -> Markup {
    html! {
        @if !master.asked.is_empty() {
            (scroll(&format!("Sentinels of {}", clean(&master.name)), html! {
                table {
                    caption { "Sentinels of " (clean(&master.name)) }
                    thead { tr { th scope="col" { "Sentinel" } th scope="col" { "State" } th scope="col" { "Names as master" } } }
                    tbody { @for sentinel in &master.asked {
                        @let agrees = sentinel.names == master.address;
                        tr.(if sentinel.answers { "" } else { Level::Warning.class() }) {
                            th scope="row" { code { (clean(&sentinel.address)) } }
                            td { @if sentinel.answers { (badge(Level::Well, "answers")) } @else { (badge(Level::Warning, "silent")) } }
                            td {
                                @match &sentinel.names { Some(address) => code { (clean(address)) }, None => "–" }
                                @if sentinel.names.is_some() && !agrees { " " (badge(Level::Notice, "another than is used")) }
                            }
                        }
                    } }
                }
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_stand_below_their_master() {
        let node = |name: &str, first: Option<u16>, master: Option<&str>| ClusterNode {
            name: name.into(),
            slots: usize::from(first.is_some()),
            ranges: first.map(|first| (first, first)).into_iter().collect(),
            master: master.map(str::to_owned),
            ..ClusterNode::default()
        };
        let nodes = vec![
            node("r1", None, Some("m1")),
            node("m2", Some(9), None),
            node("idle", None, None),
            node("m1", Some(0), None),
            node("orphan", None, Some("gone")),
        ];
        let cluster = Cluster { nodes, ..Cluster::default() };
        let names: Vec<&str> = in_order(&cluster).iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names, ["m1", "r1", "m2", "idle", "orphan"]);
    }

    #[test]
    fn many_ranges_are_cut() {
        let many: Vec<(u16, u16)> = (0..9).map(|n| (n * 10, n * 10 + u16::from(n == 0))).collect();
        let text = ranges(&many).into_string();
        assert_eq!(text, "0–1, 10, 20, 30, 40, 50 and 3 more");
    }
}
