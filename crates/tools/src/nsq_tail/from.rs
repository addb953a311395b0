//! `--from`: a new channel starts in the past, on a nuthatch that retains those messages.

use std::time::Duration;

use config::go_flags::Exit;
use http::client::{Call, Client};

use crate::command_line::refuse;
use crate::daemons::{self, escaped, lookupd};
use crate::sources::Sources;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Timeout of a seek, which reads the journal.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// Answer of a node that does not have the topic.
const NO_TOPIC: &[u8] = b"TOPIC_NOT_FOUND";

/// A position in the past, and the nodes to seek on.
#[derive(Debug)]
pub(super) struct From {
    to: String,
    nodes: Nodes,
    http: Client,
}

#[derive(Debug)]
enum Nodes {
    Known(Vec<String>),
    Lookupds(Vec<String>),
}

impl From {
    /// Parses `--from`; none if it is not given.
    ///
    /// # Errors
    ///
    /// An invalid position, or an HTTP address that cannot be derived.
    pub(super) fn of(to: &str, given: &[String], sources: &Sources) -> Result<Option<From>, Exit> {
        if to.is_empty() {
            return match given {
                [] => Ok(None),
                _ => refuse("--nsqd-http-address only used with --from"),
            };
        }
        let is_time = to.parse::<jiff::Timestamp>().is_ok() || to.parse::<u64>().is_ok();
        if to != "beginning" && !is_time {
            return refuse(format!(
                "invalid --from value ({to}), should be beginning, a time (2026-01-31T12:00:00Z) or seconds since 1970"
            ));
        }
        let nodes = match sources {
            _ if !given.is_empty() => Nodes::Known(given.to_vec()),
            Sources::Lookupd(lookupds) => Nodes::Lookupds(lookupds.clone()),
            Sources::Nsqd(nsqds) => {
                Nodes::Known(nsqds.iter().map(|nsqd| beside(nsqd)).collect::<Result<_, _>>()?)
            }
        };
        let http = daemons::client(CONNECT_TIMEOUT, REQUEST_TIMEOUT);
        Ok(Some(From { to: to.to_owned(), nodes, http }))
    }

    /// Creates the channel of each topic on each node that has the topic, and seeks it.
    ///
    /// # Errors
    ///
    /// A node does not answer, or cannot seek.
    pub(super) async fn seek(&self, topics: &[String], channel: &str) -> Result<(), Exit> {
        for topic in topics {
            let nodes = match &self.nodes {
                Nodes::Known(nodes) => nodes.clone(),
                Nodes::Lookupds(lookupds) => {
                    let found = lookupd::nodes(&self.http, lookupds, topic).await;
                    found.answers.into_iter().map(|(node, ())| node).collect()
                }
            };
            for node in nodes {
                self.seek_at(&node, topic, channel).await?;
            }
        }
        Ok(())
    }

    async fn seek_at(&self, node: &str, topic: &str, channel: &str) -> Result<(), Exit> {
        let names = format!("topic={}&channel={}", escaped(topic), escaped(channel));
        if self.post(node, &format!("/channel/create?{names}")).await? {
            self.post(node, &format!("/channel/seek?{names}&to={}", escaped(&self.to))).await?;
        }
        Ok(())
    }

    /// False if the node does not have the topic.
    async fn post(&self, node: &str, path: &str) -> Result<bool, Exit> {
        let call = Call::post_nothing(format!("http://{node}{path}")).nsq();
        let reply = match self.http.send(call).await {
            Ok(reply) => reply,
            Err(error) => return refuse(format!("--from: {node}: {error}")),
        };
        match reply.status.as_u16() {
            200 => Ok(true),
            404 if reply.body.windows(NO_TOPIC.len()).any(|part| part == NO_TOPIC) => Ok(false),
            404 if path.starts_with("/channel/seek") => {
                refuse(format!("--from: {node} cannot go back: it is no nuthatch"))
            }
            status => {
                let why = String::from_utf8_lossy(&reply.body);
                refuse(format!("--from: {node}: {status} {}", why.trim()))
            }
        }
    }
}

/// The HTTP address that usually belongs to a TCP address.
fn beside(nsqd: &str) -> Result<String, Exit> {
    let next = nsqd.rsplit_once(':').and_then(|(host, port)| {
        port.parse::<u16>().ok()?.checked_add(1).map(|port| format!("{host}:{port}"))
    });
    next.map_or_else(|| refuse(format!("--from needs --nsqd-http-address for {nsqd}")), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(to: &str, given: &[&str], nsqds: &[&str]) -> Result<Option<Vec<String>>, Exit> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let from = From::of(to, &owned(given), &Sources::Nsqd(owned(nsqds)))?;
        Ok(from.map(|from| match from.nodes {
            Nodes::Known(nodes) | Nodes::Lookupds(nodes) => nodes,
        }))
    }

    #[test]
    fn places_and_addresses() {
        assert_eq!(nodes("", &[], &["h:4150"]), Ok(None));
        for to in ["beginning", "2026-01-31T12:00:00Z", "1700000000"] {
            assert_eq!(
                nodes(to, &[], &["h:4150", "[::1]:1"]),
                Ok(Some(vec!["h:4151".into(), "[::1]:2".into()]))
            );
        }
        assert_eq!(nodes("beginning", &["h:9"], &["h:4150"]), Ok(Some(vec!["h:9".into()])));
        for (to, given, nsqd, complaint) in [
            (
                "yesterday",
                &[][..],
                "h:1",
                "invalid --from value (yesterday), should be beginning, a time (2026-01-31T12:00:00Z) or seconds since 1970",
            ),
            ("beginning", &[], "/run/nsqd.sock", "--from needs --nsqd-http-address for /run/nsqd.sock"),
            ("beginning", &[], "h:65535", "--from needs --nsqd-http-address for h:65535"),
            ("", &["h:1"], "h:1", "--nsqd-http-address only used with --from"),
        ] {
            assert_eq!(nodes(to, given, &[nsqd]), Err(Exit::Plain(complaint.into())));
        }
    }
}
