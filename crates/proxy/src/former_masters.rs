//! Nodes of a cluster that have lost all their slots and still owe replies.
//!
//! One that lives answers at once, if only with a redirect. One that was frozen when another took its place
//! executes its requests when it goes on, and all of that is lost: its replies must not reach a client. So a
//! connection without a sign of life since the loss is closed: requests that write fail, the others go to
//! the new owner. The connections on which clients watch keys are closed as well: what would be sent on one
//! later is not meant for such a node.

use std::time::Duration;

use net::{Instant, Io};

use crate::fail::Failure;
use crate::keys::{LaneKey, PoolKey, ServerKey};
use crate::proxy::Proxy;
use crate::server::Server;

/// Time for a sign of life.
const GRACE: Duration = Duration::from_millis(200);

impl Proxy {
    /// Looks for connections of a pool to nodes without slots, after a change of its map. Requests that have
    /// not been sent yet go elsewhere at once.
    pub(crate) fn look_after_former_masters<I: Io>(&mut self, io: &mut I, key: PoolKey) {
        let pool = &self.pools[key];
        let Some(slots) = pool.placement.slots() else { return };
        let former = pool.all_servers().filter(|server| !slots.is_owner(*server));
        let former: Vec<ServerKey> = former.collect();
        let idle = |server: &ServerKey| self.servers[*server].idle_privates();
        for lane in former.iter().flat_map(idle).collect::<Vec<_>>() {
            self.close_lane(io, lane, Failure::Superseded);
        }
        let open = |server| self.servers[server].lanes().filter(|(_, conn)| !conn.line.is_empty());
        let former = former.into_iter();
        let found = former.flat_map(open).filter_map(|(lane, conn)| Some((lane, conn.conn?, conn.ready())));
        for (lane, conn, is_ready) in found.collect::<Vec<_>>() {
            if is_ready {
                self.former_masters.push((lane, conn, io.now()));
            } else {
                self.close_lane(io, lane, Failure::Superseded);
            }
        }
    }

    /// Closes connections to former masters that have not answered in time.
    pub(crate) fn end_former_masters<I: Io>(&mut self, io: &mut I) {
        let now = io.now();
        for (lane, id, since) in std::mem::take(&mut self.former_masters) {
            let conn = self.servers.get(lane.server).map(|server| &server.conns[lane.number as usize]);
            if !conn.is_some_and(|conn| is_silent(conn.conn == Some(id), conn.progress, since)) {
                continue;
            }
            if now < since + GRACE {
                self.busy = true;
                self.former_masters.push((lane, id, since));
            } else if conn.is_some_and(|conn| !conn.line.is_empty()) {
                self.close_lane(io, lane, Failure::Superseded);
            }
        }
    }
}

impl Server {
    /// Private connections that clients have, and on which nothing is under way.
    fn idle_privates(&self) -> Vec<LaneKey> {
        let is_idle = |lane: &LaneKey| {
            let conn = &self.conns[lane.number as usize];
            let has_user = self.private(lane.number).is_some_and(|private| private.user.is_some());
            has_user && conn.conn.is_some() && conn.line.is_empty()
        };
        self.lanes().map(|(lane, _)| lane).filter(is_idle).collect()
    }
}

fn is_silent(is_same: bool, progress: Instant, since: Instant) -> bool {
    is_same && progress <= since
}
