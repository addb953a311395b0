//! READONLY on the shared connections to nodes of a cluster, in a pool that reads from replicas.
//!
//! ```text
//! opened to a replica that may be read from  ▸ READONLY, ROLE in the handshake
//! it may be read from since                  ▸ READONLY, ROLE among its requests
//! it may not any more, or it owns a slot now ▸ READWRITE      among its requests
//! ```
//! A node that got READONLY answers reads as a replica, with what it has. Without it a node answers for its
//! own slots alone, and names the owner of all others: also a master that was demoted a moment ago, and has
//! lost to the new one what came since. So it is sent to no others, and a key is missing once a node has said
//! so without it ([`crate::detour`]). Replies come in order, so that what holds for each of them is known.

use net::Io;

use crate::generation::reads_replicas;
use crate::keys::{LaneKey, ServerKey};
use crate::proxy::Proxy;
use crate::request::Frame;
use crate::server::Server;
use crate::server::command::command;
use crate::server::kept::Keep;
use crate::server::pending::{Handshake, Owner, Pending};

impl Server {
    /// True for a replica of a cluster that may be read from.
    pub(crate) fn is_replica_read_from(&self) -> bool {
        reads_replicas(&self.config) && self.standing.is_fit
    }
}

impl Proxy {
    /// Turns all shared connections of a server as its standing requires.
    pub(crate) fn turn_lanes_by_standing<I: Io>(&mut self, io: &mut I, server: ServerKey) {
        if reads_replicas(&self.servers[server].config) {
            for number in 0..self.servers[server].probe_lane() {
                self.turn_lane_by_standing(io, LaneKey { server, number });
            }
        }
    }

    /// Turns a shared connection as the standing of its server requires.
    pub(crate) fn turn_lane_by_standing<I: Io>(&mut self, io: &mut I, lane: LaneKey) {
        let server = &self.servers[lane.server];
        if lane.number < server.probe_lane() {
            self.turn_lane(io, lane, server.is_replica_read_from());
        }
    }

    /// Lets READONLY hold for later requests of a connection, or no longer. One whose handshake is not done
    /// stays as it is.
    pub(crate) fn turn_lane<I: Io>(&mut self, io: &mut I, lane: LaneKey, readonly: bool) {
        let conn = self.server_conn(lane);
        if conn.conn.is_none() || !conn.ready() || conn.readonly_asked == readonly {
            return;
        }
        conn.readonly_asked = readonly;
        let turn = Handshake::Turned { readonly };
        if readonly {
            self.send_turn(io, lane, turn, &command(&[b"READONLY"]));
            self.send_turn(io, lane, Handshake::TurnedLinked, &command(&[b"ROLE"]));
        } else {
            self.send_turn(io, lane, turn, &command(&[b"READWRITE"]));
        }
    }

    fn send_turn<I: Io>(&mut self, io: &mut I, lane: LaneKey, step: Handshake, request: &[u8]) {
        let pending = Pending::new(Owner::Handshake(step), io.now(), request.len());
        // It is open, so that this does not fail.
        let _ = self.enqueue(io, lane, Frame::Slice(request), pending, Keep::default());
    }
}
