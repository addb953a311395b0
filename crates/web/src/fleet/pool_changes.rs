//! Changes of servers and log levels of the fleet's nuthatches: at their admin ports, all at once, with a
//! result of each.

use http::query::escape_query;
use serde::Deserialize;

use super::ask::Told;
use super::failures::with_failures;
use super::request::DaemonRequest;
use super::{Fleet, NodePools, Outcome};

/// A change of a server by hand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerChange {
    /// `eject`, `drain`, `return` or `weight`.
    pub word: &'static str,
    /// Name of its pool.
    pub pool: String,
    /// Its name.
    pub server: String,
    /// The weight; empty for the configured one.
    pub weight: String,
    /// Node of the page where the change was asked for.
    pub node: String,
    /// It is for all nodes that have this server.
    pub everywhere: bool,
    /// Address of the client, if it is on another machine.
    pub client: Option<String>,
}

/// A change of the log level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogLevelChange {
    /// The level.
    pub level: String,
    /// The node; None for all.
    pub node: Option<String>,
    /// Address of the client, if it is on another machine.
    pub client: Option<String>,
}

impl ServerChange {
    fn path(&self) -> String {
        let ServerChange { word, pool, server, weight, .. } = self;
        let (pool, server) = (escape_query(pool), escape_query(server));
        let weight = match *word {
            "weight" => format!("&weight={}", escape_query(weight)),
            _ => String::new(),
        };
        format!("/api/server/{word}?pool={pool}&server={server}{weight}")
    }

    fn concerns(&self, node: &NodePools) -> bool {
        node.has(&self.pool, &self.server) && (self.everywhere || node.node == self.node)
    }
}

impl Fleet {
    /// Changes a server.
    pub(super) async fn change_server(&self, change: &ServerChange) -> Outcome<Vec<Told>> {
        let producers = self.producers().await?;
        let pools = self.pools(producers.value).await?;
        let warnings = producers.warnings.into_iter().chain(pools.warnings).collect();
        let targets: Vec<NodePools> = pools.value.into_iter().filter(|node| change.concerns(node)).collect();
        let (path, client) = (change.path(), change.client.clone());
        let told = self.upstreams.each(targets, |upstreams, node| {
            let (path, ask) = (path.clone(), DaemonRequest::PostFor(client.clone()));
            async move {
                let result = match &node.admin {
                    Some(admin) => upstreams.exchange(admin, &path, ask).await.map(|body| in_words(&body)),
                    None => Err(format!("the admin port of {} is not among those of this fleet", node.node)),
                };
                Told { node: node.node, result }
            }
        });
        Ok(with_failures(warnings, told.await))
    }

    /// Sets the log level: of queues by their HTTP API, as nsqd has it; of others at their admin ports.
    pub(super) async fn set_log_level(&self, change: &LogLevelChange) -> Outcome<Vec<Told>> {
        let producers = self.producers().await?;
        let queues: Vec<String> = producers.value.iter().map(super::Producer::http_address).collect();
        let pools = self.pools(producers.value).await?;
        let proxies = pools.value.into_iter().filter(|node| !node.has_queue);
        let level = escape_query(&change.level);
        let wanted = |node: &str| change.node.as_deref().is_none_or(|wanted| wanted == node);
        let requests: Vec<(String, String, String, DaemonRequest)> = queues
            .into_iter()
            .map(|node| {
                let ask = DaemonRequest::Put(change.level.clone().into());
                (node.clone(), node, "/config/log_level".to_owned(), ask)
            })
            .chain(proxies.filter_map(|node| {
                let (path, ask) =
                    (format!("/api/log/level?level={level}"), DaemonRequest::PostFor(change.client.clone()));
                Some((node.node, node.admin?, path, ask))
            }))
            .filter(|(node, ..)| wanted(node))
            .collect();
        let told = self.upstreams.each(requests, |upstreams, (node, address, path, ask)| async move {
            let result = upstreams.exchange(&address, &path, ask).await;
            Told { node, result: result.map(|body| in_words(&body)) }
        });
        let warnings = producers.warnings.into_iter().chain(pools.warnings).collect();
        Ok(with_failures(warnings, told.await))
    }
}

/// The changes that an admin port says it has made; of others the answer as it is.
fn in_words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Done {
        changes: Vec<String>,
    }
    match serde_json::from_slice::<Done>(body) {
        Ok(done) => done.changes.join("; "),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_an_admin_port() {
        let change = ServerChange {
            word: "weight",
            pool: "p&q".into(),
            server: "/run/s".into(),
            weight: "3".into(),
            ..ServerChange::default()
        };
        assert_eq!(change.path(), "/api/server/weight?pool=p%26q&server=%2Frun%2Fs&weight=3");
        assert_eq!(
            ServerChange { word: "eject", ..change }.path(),
            "/api/server/eject?pool=p%26q&server=%2Frun%2Fs"
        );
        assert_eq!(in_words(br#"{"ok":true,"changes":["a","b"]}"#), "a; b");
        assert_eq!(in_words(b"OK"), "OK");
    }
}
