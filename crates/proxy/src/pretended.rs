//! Answers to `CLUSTER` of a proxy that pretends to be a cluster (`pretend_cluster`), for client libraries in
//! cluster mode.
//!
//! ```text
//! peers, in their order ─▶ each is the master of an equal share of the slots ─▶ SLOTS, SHARDS, NODES, …
//! ```
//! Every peer serves every key, so that a client is never redirected. Who asks two peers gets the same view.

use config::checked::Pool;
use wire::redis::encode::{self, Version};

/// Host and port that clients are told.
pub(crate) type Peer = (String, u16);

/// The nodes of a pretended cluster, and which of them this proxy is.
#[derive(Debug)]
pub(crate) struct Pretended {
    all: Vec<Peer>,
    own: usize,
}

impl Pretended {
    /// The cluster that a pool pretends to be.
    pub(crate) fn of(config: &Pool) -> Option<Pretended> {
        if !config.pretend_cluster {
            return None;
        }
        let (dialled, mut all) = (config.dialled(), config.pretend_cluster_peers.clone());
        if all.is_empty() {
            all.extend(dialled.clone());
        }
        let own = dialled.and_then(|dialled| all.iter().position(|peer| *peer == dialled)).unwrap_or(0);
        (!all.is_empty()).then_some(Pretended { all, own })
    }

    /// Appends the answer to a subcommand with its argument. False if it is none of those answered.
    pub(crate) fn answer(
        &self,
        subcommand: &str,
        argument: Option<&[u8]>,
        version: Version,
        out: &mut Vec<u8>,
    ) -> bool {
        match subcommand {
            "slots" => self.slots(version, out),
            "shards" => self.shards(version, out),
            "nodes" => encode::verbatim(out, self.nodes().as_bytes(), version),
            "info" => encode::verbatim(out, self.info().as_bytes(), version),
            "myid" => encode::bulk(out, self.id(self.own).as_bytes()),
            "keyslot" => encode::integer(out, ring::key_slot(argument.unwrap_or_default()).into()),
            "links" | "replicas" | "slaves" => encode::array(out, 0),
            _ => return false,
        }
        true
    }

    /// First and last slot of a peer.
    fn range(&self, peer: usize) -> (usize, usize) {
        let begin = |peer: usize| peer * ring::SLOTS / self.all.len();
        (begin(peer), begin(peer + 1) - 1)
    }

    /// The id of a peer: 40 digits that follow from its address alone.
    fn id(&self, peer: usize) -> String {
        let (host, port) = &self.all[peer];
        let address = format!("{host}:{port}");
        let word = |seed: u64| {
            let bytes = address.bytes();
            bytes.fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            })
        };
        format!("{:016x}{:016x}{:08x}", word(1), word(2), word(3) as u32)
    }

    fn slots(&self, version: Version, out: &mut Vec<u8>) {
        encode::array(out, self.all.len());
        for (peer, (host, port)) in self.all.iter().enumerate() {
            let (first, last) = self.range(peer);
            encode::array(out, 3);
            encode::integer(out, first as i64);
            encode::integer(out, last as i64);
            encode::array(out, 4);
            encode::bulk(out, host.as_bytes());
            encode::integer(out, (*port).into());
            encode::bulk(out, self.id(peer).as_bytes());
            encode::map(out, 0, version);
        }
    }

    fn shards(&self, version: Version, out: &mut Vec<u8>) {
        encode::array(out, self.all.len());
        for (peer, (host, port)) in self.all.iter().enumerate() {
            let (first, last) = self.range(peer);
            encode::map(out, 2, version);
            encode::bulk(out, b"slots");
            encode::array(out, 2);
            encode::integer(out, first as i64);
            encode::integer(out, last as i64);
            encode::bulk(out, b"nodes");
            encode::array(out, 1);
            encode::map(out, 7, version);
            encode::bulk(out, b"id");
            encode::bulk(out, self.id(peer).as_bytes());
            encode::bulk(out, b"port");
            encode::integer(out, (*port).into());
            for name in [&b"ip"[..], b"endpoint"] {
                encode::bulk(out, name);
                encode::bulk(out, host.as_bytes());
            }
            for (name, value) in [(&b"role"[..], &b"master"[..]), (b"health", b"online")] {
                encode::bulk(out, name);
                encode::bulk(out, value);
            }
            encode::bulk(out, b"replication-offset");
            encode::integer(out, 0);
        }
    }

    fn nodes(&self) -> String {
        let line = |(peer, (host, port)): (usize, &Peer)| {
            let (first, last) = self.range(peer);
            let (id, epoch) = (self.id(peer), peer + 1);
            let flags = if peer == self.own { "myself,master" } else { "master" };
            // There is no bus: its port is what Redis' would be, as far as that is a port.
            let bus = port.checked_add(10_000).unwrap_or(*port);
            format!("{id} {host}:{port}@{bus} {flags} - 0 0 {epoch} connected {first}-{last}\n")
        };
        self.all.iter().enumerate().map(line).collect()
    }

    fn info(&self) -> String {
        let (count, own_epoch) = (self.all.len(), self.own + 1);
        format!(
            "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
             cluster_slots_fail:0\r\ncluster_known_nodes:{count}\r\ncluster_size:{count}\r\ncluster_current_epoch:{count}\r\n\
             cluster_my_epoch:{own_epoch}\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use wire::redis::cluster;

    use super::*;

    fn answer(peers: &[Peer], own: usize, subcommand: &str, version: Version) -> String {
        let mut out = Vec::new();
        assert!(
            Pretended { all: peers.to_vec(), own }.answer(subcommand, Some(b"foo"), version, &mut out),
            "{subcommand}"
        );
        String::from_utf8(out).expect("text")
    }

    fn peers(count: u16) -> Vec<Peer> {
        (0..count).map(|n| ("10.0.0.1".to_owned(), 6400 + n)).collect()
    }

    #[test]
    fn a_client_of_a_cluster_reads_the_view_of_every_number_of_peers() {
        for count in [1, 2, 3, 7, 100] {
            let peers = peers(count);
            for version in [Version::Resp2, Version::Resp3] {
                let view = cluster::slots(answer(&peers, 0, "slots", version).as_bytes());
                let shards = answer(&peers, 0, "shards", version);
                assert_eq!(view, cluster::shards(shards.as_bytes(), false), "both tell the same");
                let (ranges, mut next) = (view.expect("slots").ranges, 0);
                for (n, range) in ranges.iter().enumerate() {
                    assert_eq!((range.first, range.nodes.len()), (next, 1));
                    assert_eq!((range.nodes[0].port, range.nodes[0].id.len()), (peers[n].1, 40));
                    next = range.last.wrapping_add(1);
                }
                assert_eq!((next, ranges.len()), (16384, usize::from(count)));
                let info = cluster::info(answer(&peers, 0, "info", version).as_bytes());
                assert_eq!(info, Some(cluster::Info { is_ok: true, epoch: count.into() }));
            }
        }
    }

    #[test]
    fn peers_tell_the_same_but_who_they_are() {
        let peers = peers(2);
        for subcommand in ["slots", "shards", "keyslot", "links"] {
            let [one, other] = [0, 1].map(|own| answer(&peers, own, subcommand, Version::Resp2));
            assert_eq!(one, other, "{subcommand}");
        }
        let nodes = answer(&peers, 1, "nodes", Version::Resp2);
        let ids: Vec<&str> = nodes.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        let wanted = format!(
            "{} 10.0.0.1:6400@16400 master - 0 0 1 connected 0-8191\n{} 10.0.0.1:6401@16401 myself,master - 0 0 2 connected \
             8192-16383\n",
            ids[0], ids[1]
        );
        assert!(nodes.contains(&wanted), "{nodes}");
        assert_eq!(answer(&peers, 1, "myid", Version::Resp2), format!("$40\r\n{}\r\n", ids[1]));
        assert_eq!(answer(&peers, 0, "keyslot", Version::Resp2), ":12182\r\n");
        assert!(!Pretended { all: peers, own: 0 }.answer("forget", None, Version::Resp2, &mut Vec::new()));
    }
}
