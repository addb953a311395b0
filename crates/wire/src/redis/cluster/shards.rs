//! Replies to `CLUSTER SHARDS`: maps in RESP3, flat arrays of names and values in RESP2.

use super::{BadView, ENTRIES_MAX, NODES_MAX, Node, NodeHealth, RANGES_MAX, SlotRange, SlotView, known_host};
use crate::redis::report::{scanned, text};
use crate::redis::{Kind, Reply};

/// Most fields of a shard or a node, with their values.
const FIELDS_MAX: usize = 64;

/// Reads a reply to `CLUSTER SHARDS`; with TLS, nodes are named by their TLS ports. The ranges are in the
/// order of their slots.
///
/// # Errors
/// It is no such thing, too large, or names several masters of one shard that live: `CLUSTER SLOTS` says
/// which of them has the slots.
pub fn shards(frame: &[u8], with_tls: bool) -> Result<SlotView, BadView> {
    let reply = scanned(frame).filter(|reply| reply.kind() == Kind::Array).ok_or(BadView::NoView)?;
    if reply.element_count().is_none_or(|count| count > RANGES_MAX) {
        return Err(BadView::RANGES);
    }
    let (mut view, mut entries) = (SlotView::default(), 0);
    for (shard, bytes) in reply.elements(frame) {
        match shard_of(&shard, bytes, with_tls, &mut view.left_out)? {
            Some(shard) => {
                entries += shard.ranges.len() * (shard.masters.len() + shard.replicas.len());
                if entries > ENTRIES_MAX {
                    return Err(BadView::ENTRIES);
                }
                shard.add_to(&mut view)?;
            }
            None => view.left_out += 1,
        }
    }
    view.ranges.sort_by_key(|range| (range.first, range.last));
    Ok(view)
}

/// One shard as it is reported.
#[derive(Debug, Default)]
struct Shard {
    ranges: Vec<(u16, u16)>,
    masters: Vec<Node>,
    replicas: Vec<Node>,
}

impl Shard {
    fn add_to(self, view: &mut SlotView) -> Result<(), BadView> {
        if self.ranges.is_empty() {
            view.idle.extend(self.masters.into_iter().chain(self.replicas));
            return Ok(());
        }
        if view.ranges.len() + self.ranges.len() > RANGES_MAX {
            return Err(BadView::RANGES);
        }
        let (mut living, dead): (Vec<Node>, Vec<Node>) =
            self.masters.into_iter().partition(|node| node.health != NodeHealth::Failed);
        let (serving, idle): (Vec<Node>, Vec<Node>) =
            self.replicas.into_iter().partition(|node| node.health == NodeHealth::Online);
        view.idle.extend(idle);
        let master = match (living.pop(), dead) {
            (Some(master), dead) if living.is_empty() => {
                view.idle.extend(dead);
                master
            }
            (None, mut dead) if dead.len() == 1 => dead.remove(0),
            (None, dead) if dead.is_empty() => {
                view.left_out += self.ranges.len();
                view.idle.extend(serving);
                return Ok(());
            }
            _ => return Err(BadView::Ambiguous),
        };
        let nodes: Vec<Node> = std::iter::once(master).chain(serving).collect();
        let ranges = self.ranges.into_iter();
        view.ranges.extend(ranges.map(|(first, last)| SlotRange { first, last, nodes: nodes.clone() }));
        Ok(())
    }
}

/// A shard; None if its slots cannot be read. Nodes that cannot are counted.
fn shard_of(
    reply: &Reply,
    frame: &[u8],
    with_tls: bool,
    left_out: &mut usize,
) -> Result<Option<Shard>, BadView> {
    let Some(fields) = Fields::of(reply, frame) else { return Ok(None) };
    let (Some((slots, slots_in)), Some((nodes, nodes_in))) = (fields.get("slots"), fields.get("nodes"))
    else {
        return Ok(None);
    };
    if slots.element_count().is_none_or(|count| count > 2 * RANGES_MAX) {
        return Ok(None);
    }
    if nodes.element_count().is_some_and(|count| count > NODES_MAX) {
        return Err(BadView::NODES);
    }
    let slots: Option<Vec<u16>> =
        slots.elements(slots_in).map(|(reply, bytes)| number(&reply, bytes)).collect();
    let Some(slots) = slots.filter(|slots| slots.len().is_multiple_of(2)) else { return Ok(None) };
    let ranges: Vec<(u16, u16)> = slots.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    if ranges.iter().any(|(first, last)| first > last || *last >= 16_384) {
        return Ok(None);
    }
    let mut shard = Shard { ranges, ..Shard::default() };
    for (reply, bytes) in nodes.elements(nodes_in) {
        match node_of(&reply, bytes, with_tls) {
            Some((node, true)) => shard.masters.push(node),
            Some((node, false)) => shard.replicas.push(node),
            None => *left_out += 1,
        }
    }
    Ok(Some(shard))
}

/// A node, and whether it is a master.
fn node_of(reply: &Reply, frame: &[u8], with_tls: bool) -> Option<(Node, bool)> {
    let fields = Fields::of(reply, frame)?;
    let text = |name: &str| fields.get(name).and_then(|(reply, bytes)| text(&reply, bytes));
    let port = if with_tls { "tls-port" } else { "port" };
    let port = fields.get(port).and_then(|(reply, bytes)| number(&reply, bytes)).filter(|port| *port > 0)?;
    let host = match fields.get("endpoint")? {
        (reply, _) if reply.kind() == Kind::Null => String::new(),
        // An unknown endpoint is an empty text, which `text` takes for one.
        (reply, bytes) => crate::redis::report::text(&reply, bytes)?,
    };
    let health = match text("health").as_deref() {
        Some("fail" | "failed") => NodeHealth::Failed,
        Some("loading") => NodeHealth::Loading,
        _ => NodeHealth::Online,
    };
    let is_master = match text("role")?.as_str() {
        "master" => true,
        "replica" | "slave" => false,
        _ => return None,
    };
    let host = known_host(host, || text("ip"));
    Some((Node { host, port, id: text("id").unwrap_or_default(), health }, is_master))
}

/// A value, and the frame that it was found in.
type Value<'a> = (Reply, &'a [u8]);

/// Names and values.
struct Fields<'a>(Vec<(&'a [u8], Value<'a>)>);

impl<'a> Fields<'a> {
    fn of(reply: &Reply, frame: &'a [u8]) -> Option<Fields<'a>> {
        let is_it = matches!(reply.kind(), Kind::Array | Kind::Map);
        reply.element_count().filter(|count| is_it && *count <= FIELDS_MAX)?;
        let mut elements = reply.elements(frame);
        let mut fields = Vec::new();
        while let (Some((name, bytes)), Some(value)) = (elements.next(), elements.next()) {
            fields.push((name.body(bytes), value));
        }
        Some(Fields(fields))
    }

    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.0.iter().find(|(own, _)| *own == name.as_bytes()).map(|(_, value)| *value)
    }
}

/// A number, which some servers write as a text.
fn number(reply: &Reply, frame: &[u8]) -> Option<u16> {
    match reply.kind() {
        Kind::Integer => u16::try_from(reply.integer()?).ok(),
        _ => text(reply, frame)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::{Version, encode};

    /// A node: its id, role, health, endpoint (None: null), and ports.
    type Told<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, &'a [(&'a str, i64)]);

    fn put(out: &mut Vec<u8>, words: &[&str]) {
        words.iter().for_each(|word| encode::bulk(out, word.as_bytes()));
    }

    fn frame(version: Version, shards: &[(&[i64], &[Told<'_>])]) -> Vec<u8> {
        let mut out = Vec::new();
        encode::array(&mut out, shards.len());
        for (slots, nodes) in shards {
            encode::map(&mut out, 2, version);
            put(&mut out, &["slots"]);
            encode::array(&mut out, slots.len());
            slots.iter().for_each(|slot| encode::integer(&mut out, *slot));
            put(&mut out, &["nodes"]);
            encode::array(&mut out, nodes.len());
            for (id, role, health, endpoint, ports) in *nodes {
                encode::map(&mut out, 6 + ports.len(), version);
                put(&mut out, &["id", id]);
                for (name, port) in *ports {
                    put(&mut out, &[name]);
                    encode::integer(&mut out, *port);
                }
                put(&mut out, &["ip", "10.0.0.9", "endpoint"]);
                match endpoint {
                    Some(endpoint) => put(&mut out, &[endpoint]),
                    None => out.extend_from_slice(b"$-1\r\n"),
                }
                put(&mut out, &["role", role, "health", health, "replication-offset"]);
                encode::integer(&mut out, 14);
            }
        }
        out
    }

    /// The nodes of each range by id, and those that are idle.
    fn shown(view: &SlotView) -> (Vec<(u16, u16, String)>, String) {
        let ids = |nodes: &[Node]| nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>().join(" ");
        let ranges = view.ranges.iter().map(|range| (range.first, range.last, ids(&range.nodes)));
        (ranges.collect(), ids(&view.idle))
    }

    const PORT: &[(&str, i64)] = &[("port", 7000)];

    fn told<'a>(id: &'a str, role: &'a str, health: &'a str) -> Told<'a> {
        (id, role, health, Some("h"), PORT)
    }

    #[test]
    fn a_shard_has_ranges_and_nodes_with_their_health() {
        let nodes = [told("r", "replica", "online"), told("m", "master", "online")];
        let others = [
            told("n", "master", "online"),
            told("f", "replica", "fail"),
            told("l", "replica", "loading"),
            told("s", "replica", "online"),
        ];
        let all: [(&[i64], &[Told<'_>]); 3] =
            [(&[100, 200, 0, 5], &nodes), (&[], &[told("e", "master", "online")]), (&[6, 99], &others)];
        for version in [Version::Resp2, Version::Resp3] {
            let view = shards(&frame(version, &all), false).expect("a view");
            let wanted =
                vec![(0, 5, "m r".to_owned()), (6, 99, "n s".to_owned()), (100, 200, "m r".to_owned())];
            assert_eq!(shown(&view), (wanted, "e f l".to_owned()));
            assert_eq!(view.left_out, 0);
        }
    }

    #[test]
    fn of_several_masters_the_one_that_lives_has_the_slots() {
        let view = |nodes: &[Told<'_>]| shards(&frame(Version::Resp2, &[(&[0, 9], nodes)]), false);
        let (old, new) = (told("old", "master", "fail"), told("new", "master", "online"));
        for nodes in [[old, new], [new, old]] {
            let view = view(&nodes).expect("a view");
            assert_eq!(shown(&view), (vec![(0, 9, "new".to_owned())], "old".to_owned()));
        }
        assert_eq!(view(&[new, told("m", "master", "online")]), Err(BadView::Ambiguous));
        assert_eq!(view(&[old, told("m", "master", "fail")]), Err(BadView::Ambiguous));
        // A dead master without a successor stays the owner, as in CLUSTER SLOTS.
        assert_eq!(view(&[old]).map(|view| shown(&view).0), Ok(vec![(0, 9, "old".to_owned())]));
        let orphans = view(&[told("r", "replica", "online")]).expect("a view");
        assert_eq!((orphans.ranges.len(), orphans.idle.len(), orphans.left_out), (0, 1, 1));
    }

    #[test]
    fn endpoints_and_ports() {
        let host = |endpoint: Option<&str>, ports: &[(&str, i64)], with_tls: bool| {
            let node = ("m", "master", "online", endpoint, ports);
            let view = shards(&frame(Version::Resp2, &[(&[0, 9], &[node])]), with_tls).expect("a view");
            view.ranges.first().map(|range| (range.nodes[0].host.clone(), range.nodes[0].port))
        };
        let both: &[(&str, i64)] = &[("port", 7000), ("tls-port", 7001)];
        let at = |host: &str, port| Some((Some(host.to_owned()), port));
        assert_eq!(host(Some("name"), both, false), at("name", 7000));
        assert_eq!(host(Some("name"), both, true), at("name", 7001));
        assert_eq!(host(Some("name"), PORT, true), None, "it has no TLS port");
        assert_eq!(host(Some(""), both, false), at("", 7000), "an unknown endpoint");
        assert_eq!(host(None, both, false), at("", 7000));
        assert_eq!(host(Some("?"), both, false), at("10.0.0.9", 7000), "its name was not announced");
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_too_much_is_refused() {
        let good = frame(Version::Resp2, &[(&[10, 20], &[told("m", "master", "online")])]);
        let good = &good[4..];
        let no_nodes = "*4\r\n+slots\r\n*2\r\n:1\r\n:2\r\n+nodes\r\n*0\r\n";
        for bad in [
            "*0\r\n",
            ":1\r\n",
            "*2\r\n+slots\r\n*0\r\n",
            "*4\r\n+slots\r\n*1\r\n:1\r\n+nodes\r\n*0\r\n",
            "*4\r\n+slots\r\n*2\r\n:2\r\n:1\r\n+nodes\r\n*0\r\n",
            "*4\r\n+slots\r\n*2\r\n:0\r\n:16384\r\n+nodes\r\n*0\r\n",
            "*4\r\n+slots\r\n*2\r\n:0\r\n+x\r\n+nodes\r\n*0\r\n",
            "*4\r\n+slots\r\n:1\r\n+nodes\r\n:1\r\n",
            no_nodes,
        ] {
            let view = shards(&[b"*2\r\n", bad.as_bytes(), good].concat(), false).expect("a view");
            assert_eq!((view.ranges.len(), view.ranges[0].first, view.left_out), (1, 10, 1), "{bad}");
        }
        for no_view in ["-ERR unknown subcommand 'SHARDS'.\r\n", ":1\r\n", "*1\r\n", ""] {
            assert_eq!(shards(no_view.as_bytes(), false), Err(BadView::NoView));
        }
        let many = |n: usize| format!("*{n}\r\n{}", ":1\r\n".repeat(n));
        assert_eq!(shards(many(RANGES_MAX).as_bytes(), false).map(|view| view.left_out), Ok(RANGES_MAX));
        assert_eq!(shards(many(RANGES_MAX + 1).as_bytes(), false), Err(BadView::RANGES));
        let nodes = |n: usize| {
            let nodes = vec![told("m", "master", "fail"); n];
            shards(&frame(Version::Resp2, &[(&[0, 9], &nodes)]), false)
        };
        assert_eq!(nodes(NODES_MAX), Err(BadView::Ambiguous));
        assert_eq!(nodes(NODES_MAX + 1), Err(BadView::NODES));
        let single: Vec<i64> = (0..16_384).flat_map(|slot| [slot, slot]).collect();
        let master = [told("m", "master", "online")];
        let once = frame(Version::Resp2, &[(&single, &master)]);
        assert_eq!(shards(&once, false).map(|view| view.ranges.len()), Ok(RANGES_MAX));
        let nodes = [told("m", "master", "online"), told("r", "replica", "online")].repeat(5);
        let multiplied = frame(Version::Resp2, &[(&single, &nodes)]);
        assert_eq!(shards(&multiplied, false), Err(BadView::ENTRIES), "a short reply, a large view");
        let twice = frame(Version::Resp2, &[(&single, &master), (&[0, 0], &master)]);
        assert_eq!(shards(&twice, false), Err(BadView::RANGES));
    }
}
