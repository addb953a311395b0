//! Rings of other proxies compared with ours: a fleet must agree on the server of every key.
//!
//! For each pool that both have, a sample of keys is placed by both rules; the check counts keys that land on
//! different servers, and names the settings that differ.

use ring::{Distribution, Node, Ring};

use super::finding::Finding;
use super::patient::Patient;
use super::placements::{Member, Placement, of_config, of_other};
use crate::admin_client::AdminTrust;

/// Number of keys in the sample.
const KEYS: u32 = 20_000;
/// Most differences named; further ones are counted.
const NAMED_MAX: usize = 4;

/// One finding per pool and other proxy.
pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let own = of_config(&patient.config);
    if patient.others.is_empty() {
        return vec![Finding::skipped("compared with none: --compare names another proxy")];
    }
    if own.is_empty() {
        return vec![Finding::skipped("there is no pool")];
    }
    patient.others.iter().flat_map(|other| compare_with(other, &patient.trust, &own)).collect()
}

fn compare_with(other: &str, trust: &AdminTrust, own: &[Placement]) -> Vec<Finding> {
    let theirs = match of_other(other, trust) {
        Ok(theirs) => theirs,
        Err(why) => {
            return vec![Finding::error(
                format!("the rings of {other} are not known: {why}"),
                "name its admin port or its file",
            )];
        }
    };
    let of_pool = |own: &Placement| match theirs.iter().find(|theirs| theirs.pool == own.pool) {
        Some(theirs) => compare(other, own, theirs),
        None => {
            let text = format!("{other} has no pool {}", own.pool);
            Finding::warning(text, "pools are compared by their names")
        }
    };
    own.iter().map(of_pool).collect()
}

fn compare(other: &str, own: &Placement, theirs: &Placement) -> Finding {
    let pool = &own.pool;
    if own.distribution == Distribution::Random && theirs.distribution == Distribution::Random {
        return Finding::skipped(format!("pool {pool}: random, any key may be anywhere"));
    }
    let elsewhere = share_elsewhere(own, theirs);
    let differences = differences(own, theirs);
    let named = named(&differences);
    if elsewhere > 0 {
        let percent = f64::from(elsewhere) * 100.0 / f64::from(KEYS);
        let percent = if percent < 1.0 { format!("{percent:.2}") } else { format!("{percent:.0}") };
        let text = format!("{other} hashes {percent} % of keys of pool {pool} elsewhere: {named}");
        return Finding::error(
            text,
            "give both the same servers, names, weights, hash, distribution and hash_tag",
        );
    }
    let same = format!("{other} places the keys of pool {pool} as this configuration does");
    if differences.is_empty() {
        Finding::fine(same)
    } else {
        Finding::warning(format!("{same}, but {named}"), "make sure that both mean the same servers")
    }
}

fn named(differences: &[String]) -> String {
    let mut named = differences.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
    if let Some(more) = differences.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        named += &format!(" and {more} more differences");
    }
    named
}

/// Number of sample keys that land on servers of different names.
fn share_elsewhere(own: &Placement, theirs: &Placement) -> u32 {
    let (mut here, mut there) = (ring_of(own), ring_of(theirs));
    let mut elsewhere = 0;
    for n in 0..KEYS {
        // Some keys have a tag, to show when only one side uses hash tags.
        let is_tagged = n.is_multiple_of(8);
        let key = if is_tagged { format!("{{user:{}}}:{n}", n / 64) } else { format!("key:{n:012}") };
        elsewhere += u32::from(place(&mut here, own, &key) != place(&mut there, theirs, &key));
    }
    elsewhere
}

/// The name of the server that holds a key.
fn place<'a>(ring: &mut Ring, placement: &'a Placement, key: &str) -> Option<&'a str> {
    let at = ring.server_of_key(ring::tagged(key.as_bytes(), placement.hash_tag))?;
    placement.servers.get(at).map(|server| server.name.as_str())
}

fn ring_of(placement: &Placement) -> Ring {
    let node = |server: &Member| (server.hashed_as.clone(), server.weight);
    let servers: Vec<(String, u32)> = placement.servers.iter().map(node).collect();
    let nodes: Vec<Node<'_>> =
        servers.iter().map(|(name, weight)| Node::new(name.as_bytes(), *weight)).collect();
    Ring::build(placement.distribution, placement.hash, &nodes)
}

/// The settings that differ, in words.
fn differences(own: &Placement, theirs: &Placement) -> Vec<String> {
    let mut found = Vec::new();
    if own.hash != theirs.hash {
        found.push(format!("its hash is {}, here {}", theirs.hash.name(), own.hash.name()));
    }
    if own.distribution != theirs.distribution {
        found.push(format!(
            "its distribution is {}, here {}",
            theirs.distribution.name(),
            own.distribution.name()
        ));
    }
    if own.hash_tag != theirs.hash_tag {
        let shown = |tag: Option<[u8; 2]>| {
            tag.map_or("none".into(), |tag| String::from_utf8_lossy(&tag).into_owned())
        };
        found.push(format!("its hash_tag is {}, here {}", shown(theirs.hash_tag), shown(own.hash_tag)));
    }
    for server in &own.servers {
        match theirs.servers.iter().find(|theirs| theirs.name == server.name) {
            None => found.push(format!("it has no server {}", server.name)),
            Some(theirs) if theirs.weight != server.weight => {
                found.push(format!(
                    "its weight of {} is {}, here {}",
                    server.name, theirs.weight, server.weight
                ));
            }
            Some(theirs) if theirs.address != server.address => {
                found.push(format!("its {} is at {}, here {}", server.name, theirs.address, server.address));
            }
            Some(_) => {}
        }
    }
    let is_new = |theirs: &&Member| !own.servers.iter().any(|server| server.name == theirs.name);
    found.extend(
        theirs.servers.iter().filter(is_new).map(|server| format!("it has a server {}", server.name)),
    );
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn placements(servers: &str, more: &str) -> Placement {
        let text = format!("[pool.a]\nlisten = \"127.0.0.1:1\"\nservers = [{servers}]\n{more}");
        of_config(&config::native::check(&text, 1).config.expect(&text)).remove(0)
    }

    #[test]
    fn rings_that_differ_are_told_with_the_reason() {
        let three = "\"10.0.0.1:1:1 s1\", \"10.0.0.2:1:1 s2\", \"10.0.0.3:1:1 s3\"";
        let own = placements(three, "");
        for (servers, more, level, text) in [
            (three, "", Level::Fine, "B places the keys of pool a as this"),
            (
                &three.replace("3:1:1 s3", "3:1:2 s3"),
                "",
                Level::Error,
                "% of keys of pool a elsewhere: its weight of s3 is 2, here 1",
            ),
            (three, "hash = \"md5\"\n", Level::Error, "its hash is md5, here fnv1a_64"),
            (three, "hash_tag = \"{}\"\n", Level::Error, "its hash_tag is {}, here none"),
            (&three.replace(", \"10.0.0.3:1:1 s3\"", ""), "", Level::Error, "it has no server s3"),
            (
                &three.replace("10.0.0.3", "10.0.0.9"),
                "",
                Level::Warning,
                "but its s3 is at 10.0.0.9:1, here 10.0.0.3:1",
            ),
        ] {
            let found = compare("B", &own, &placements(servers, more));
            assert!(found.level == level && found.text.contains(text), "{found:?} instead of {text}");
        }
    }

    #[test]
    fn a_small_difference_of_weights_moves_few_keys() {
        let servers = |weight: u32| {
            (0..10)
                .map(|n| format!("\"10.0.0.{n}:1:{} s{n}\"", if n == 3 { weight } else { 10 }))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let found = compare("B", &placements(&servers(10), ""), &placements(&servers(13), ""));
        assert!(found.text.starts_with("B hashes ") && !found.text.contains("100 %"), "{found:?}");
    }
}
