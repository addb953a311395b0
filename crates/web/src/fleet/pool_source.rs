//! The pools of a node of the fleet as the source of their pages: over HTTP, from its admin port if that is
//! known, else from its queue's HTTP API, which has figures but no keys.

use http::query::escape_query;
use serde::de::DeserializeOwned;
use ui::pools::{KeysStatus, Pending, PoolSource, PoolView, SlowEntry};
use ui::text::escape_word;

use super::pools::SERVERS_MAX;
use super::request::is_missing;
use super::{NodePools, Upstreams};

/// Most rows of a list in an answer.
const ROWS_MAX: usize = 5_000;

/// The pools of a node.
pub struct PoolsOfNode<'a> {
    /// The node, as it was gathered.
    pub node: &'a NodePools,
    /// Access to it.
    pub upstreams: &'a Upstreams,
}

impl PoolsOfNode<'_> {
    /// Asks the admin port; None if it does not know the path.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, String> {
        let Some(admin) = &self.node.admin else {
            return Err(format!("the admin port of {} is not among those of this fleet", self.node.node));
        };
        found(self.upstreams.get(admin, path).await)
    }
}

impl PoolSource for PoolsOfNode<'_> {
    fn view<'a>(&'a self, pool: &'a str, server: Option<&'a str>) -> Pending<'a, PoolView> {
        Box::pin(async move {
            let query = server.map(|server| format!("?server={}", escape_query(server)));
            let (address, path) = match &self.node.admin {
                Some(admin) => (admin, "/api/pools"),
                None => (&self.node.node, "/pools"),
            };
            let path = format!("{path}/{}{}", escape_word(pool), query.unwrap_or_default());
            let view: Option<PoolView> = found(self.upstreams.get(address, &path).await)?;
            Ok(view.map(bounded).or_else(|| self.reported(pool)))
        })
    }

    fn slow_log<'a>(&'a self, pool: &'a str) -> Pending<'a, Vec<SlowEntry>> {
        Box::pin(async move { self.ask(&format!("/api/slowlog/{}", escape_word(pool))).await })
    }

    fn keys<'a>(&'a self, pool: &'a str) -> Pending<'a, KeysStatus> {
        Box::pin(async move { self.ask(&format!("/api/keys/{}", escape_word(pool))).await })
    }
}

impl PoolsOfNode<'_> {
    /// The pool as the list of pools has it: all that older versions show.
    fn reported(&self, pool: &str) -> Option<PoolView> {
        let pool = self.node.pools.iter().find(|known| known.name == pool)?;
        Some(PoolView { version: self.node.version.clone(), pool: pool.clone(), ..PoolView::default() })
    }
}

fn found<T>(answer: Result<T, String>) -> Result<Option<T>, String> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(why) if is_missing(&why) => Ok(None),
        Err(why) => Err(why),
    }
}

/// The view within bounds.
fn bounded(mut view: PoolView) -> PoolView {
    view.pool.servers.truncate(SERVERS_MAX);
    view.pool.placement.servers.truncate(SERVERS_MAX);
    view.settings.truncate(ROWS_MAX);
    view.counters.truncate(ROWS_MAX);
    view.events.truncate(ROWS_MAX);
    view.topology.masters.truncate(ROWS_MAX);
    view.topology.replicas.truncate(ROWS_MAX);
    view.topology.cluster.iter_mut().for_each(|cluster| cluster.nodes.truncate(ROWS_MAX));
    view
}
